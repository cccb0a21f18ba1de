// Pictures drawn from names: the same name has the same picture everywhere, and nothing is loaded for it.

import { s } from "./dom.js";

/** FNV-1a over the letters, so that the picture depends on the name alone. @param {string} name @returns {number} */
export function hash(name) {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name.normalize("NFC").toLowerCase())) {
    value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  }
  // FNV leaves short names alike in their low bits; this spreads them.
  value = Math.imul(value ^ (value >>> 16), 0x45d9f3b) >>> 0;
  return (value ^ (value >>> 16)) >>> 0;
}

/** The colour of a name, as a hue in degrees. @param {string} name */
export function hueOf(name) {
  return (hash(name) % 24) * 15;
}

/** One or two letters for a name. @param {string} name @returns {string} */
export function initials(name) {
  const words = name.split(/[\s_.|-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const first = (/** @type {string} */ word) => [...word].find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? "";
  const letters = words.length > 1 ? first(words[0] ?? "") + first(words[words.length - 1] ?? "") : first(words[0] ?? name);
  return letters.toUpperCase() || "?";
}

/** What may stand behind the letters, on a field of 40 by 40. @type {((turn: number) => SVGElement[])[]} */
const PATTERNS = [
  (turn) => [s("circle", { cx: 8 + turn * 6, cy: 6, r: 19 })],
  (turn) => [s("path", { d: "M-10 24Q5 10 20 24T50 24V60H-10z", transform: `rotate(${turn * 24 - 36} 20 20)` })],
  (turn) => [s("path", { d: "M20 -20L60 60H-20z", transform: `rotate(${turn * 45} 20 20) translate(0 14)` })],
  (turn) => [0, 1, 2].map((place) => s("rect", { x: -20, y: 2 + place * 14, width: 80, height: 7, transform: `rotate(${turn * 45 + 20} 20 20)` })),
  (turn) => [s("circle", { cx: 20, cy: 20, r: 15 + turn, class: "ring" }), s("circle", { cx: 20, cy: 20, r: 7 + turn, class: "ring" })],
  (turn) => [s("rect", { x: 20, y: -20, width: 60, height: 80, transform: `rotate(${turn * 45 + 12} 20 20)` })],
];

/**
 * A picture for a name. It says nothing to a screen reader: the name stands beside it.
 *
 * @param {string} name
 * @returns {SVGElement}
 */
export function avatar(name) {
  const seed = hash(name);
  const pattern = PATTERNS[Math.floor(seed / 24) % PATTERNS.length] ?? (() => []);
  const letters = initials(name);
  const picture = s(
    "svg",
    { viewBox: "0 0 40 40", class: "avatar", "aria-hidden": "true" },
    s("rect", { width: 40, height: 40, class: "ground" }),
    s("g", { class: "figure" }, ...pattern((seed >>> 9) % 4)),
    s("text", { x: 20, y: 20, class: letters.length > 1 ? "letters two" : "letters" }, letters),
  );
  picture.style.setProperty("--hue", String(hueOf(name)));
  return picture;
}
