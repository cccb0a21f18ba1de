// Elements from data. Text is only ever set as text, so nothing that somebody wrote can become markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Props
 * @typedef {Node | string | null | undefined | false} Child
 */

/**
 * @param {Element} element
 * @param {Props} props `onclick` and its like are listeners; true is an empty attribute; false and null are none.
 */
function setProps(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
}

/** @param {Child[]} children @returns {(Node | string)[]} */
function present(children) {
  return /** @type {(Node | string)[]} */ (children.filter((child) => child !== null && child !== undefined && child !== false));
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Props} [props]
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  setProps(element, props);
  element.append(...present(children));
  return element;
}

/**
 * @param {string} tag
 * @param {Props} [props]
 * @param {Child[]} children
 * @returns {SVGElement}
 */
export function s(tag, props = {}, ...children) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  setProps(element, props);
  element.append(...present(children));
  return element;
}

/**
 * The element of that id, which index.html promises to hold.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return element;
}

/** Paths on a field of 24 by 24, drawn as strokes. */
const ICONS = {
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  sun: "M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  moon: "M20 14.2A8 8 0 1 1 9.8 4a6.4 6.4 0 0 0 10.2 10.2z",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M6 11l6-6l6 6",
  reply: "M9 7L4 12l5 5M4 12h9a6 6 0 0 1 6 6",
  plus: "M12 5v14M5 12h14",
  down: "M12 5v14M6 13l6 6l6-6",
};

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  return s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}

/**
 * Makes a button show an icon and carry its name for those who do not see it.
 *
 * @param {HTMLButtonElement} button
 * @param {keyof typeof ICONS} name
 * @param {string} label
 */
export function iconButton(button, name, label) {
  button.setAttribute("aria-label", label);
  button.title = label;
  button.replaceChildren(icon(name));
}

/** Has the browser save a file. @param {{ name: string, text: string }} file */
export function save({ name, text }) {
  const href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  h("a", { href, download: name }).click();
  // Not at once: the browser has only begun to read it.
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
