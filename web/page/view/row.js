// One row of the chat as an element.

import { avatar, hueOf } from "../avatar.js";
import { h, icon } from "../dom.js";
import { clockTime, dayName, isEmojiOnly, wholeTime } from "../words.js";

/** @import { Message } from "../backend.js" */
/** @import { Pending, Row, Typing } from "../timeline.js" */

/**
 * @typedef {object} RowActions
 * @property {(message: Message) => void} reply
 * @property {(id: string) => void} jump Shows the message that a quote is of.
 * @property {(nonce: string) => void} retry
 * @property {(nonce: string) => void} discard
 * @property {(author: string) => boolean} isMine Whether a member's name is one of the visitor's.
 */

/** Whatever an element of a row shows; while it stays the same, so does the element. @param {Row} row */
export function signature(row) {
  return JSON.stringify(row);
}

/** @param {Row} row @param {RowActions} actions @returns {HTMLLIElement} */
export function element(row, actions) {
  switch (row.kind) {
    case "day":
      return h("li", { class: "day" }, h("span", {}, dayName(row.at, new Date())));
    case "fresh":
      return h("li", { class: "day fresh" }, h("span", {}, "A fresh start"));
    case "notice":
      return notice(row.notice);
    case "message":
      return message(row.message, row, actions);
    case "pending":
      return pending(row.pending, row, actions);
    case "typing":
      return typing(row.typing);
  }
}

/** @param {import("../timeline.js").Notice} notice */
function notice({ text, tone }) {
  const mark = tone === "room" ? null : h("span", { class: "notice-mark" }, "Only you see this");
  return h("li", { class: `notice ${tone}` }, h("div", {}, h("p", {}, text), mark));
}

/** @param {{ first: boolean, last: boolean }} place @param {string[]} classes */
function classes({ first, last }, ...classes) {
  return ["row", ...classes, first ? "first" : "", last ? "last" : ""].filter(Boolean).join(" ");
}

/** @param {{ name: string, text: string }} quote @param {() => void} [onclick] */
export function quote({ name, text }, onclick) {
  const inside = [h("span", { class: "quote-name" }, name), h("span", { class: "quote-text" }, text)];
  // The keyboard reaches the quoted message with the arrow keys.
  const block = onclick ? h("button", { type: "button", class: "quote", tabindex: "-1", onclick }, ...inside) : h("div", { class: "quote" }, ...inside);
  block.style.setProperty("--hue", String(hueOf(name)));
  return block;
}

/** @param {Message} message @param {{ first: boolean, last: boolean }} place @param {RowActions} actions */
function message(message, place, actions) {
  const { author, text } = message;
  const isPersona = author.kind === "persona";
  const isMine = !isPersona && actions.isMine(author.name);
  const head =
    place.first && !isMine
      ? h("p", { class: "author" }, h("span", { class: "author-name" }, author.name), isPersona && h("span", { class: "mark", title: "A bot that writes like this member" }, "persona"))
      : null;
  const reply = h("button", { type: "button", class: "reply-button", tabindex: "-1", title: "Reply", "aria-label": `Reply to ${author.name}`, onclick: () => actions.reply(message) }, icon("reply"));
  const answered = message.reply_to;
  const bubble = h(
    "div",
    { class: isEmojiOnly(text) ? "bubble large" : "bubble" },
    head,
    answered !== null && quote(message.quote ?? { name: "", text: "a message that is not here" }, () => actions.jump(answered)),
    h("p", { class: "text" }, text),
    h(
      "span",
      { class: "meta" },
      message.edited && "edited ",
      h("time", { datetime: message.at, title: wholeTime(message.at) }, clockTime(message.at)),
    ),
  );
  const row = h(
    "li",
    { class: classes(place, isMine ? "mine" : "theirs"), tabindex: "-1", "data-id": message.id, "data-author": author.name, "data-kind": author.kind },
    !isMine && h("div", { class: "side" }, place.last && avatar(author.name)),
    h("div", { class: "column" }, h("div", { class: "line" }, !place.first && h("span", { class: "visually-hidden" }, `${author.name}: `), bubble, reply), reactions(message)),
  );
  row.style.setProperty("--hue", String(hueOf(author.name)));
  return row;
}

/** @param {Message} message */
function reactions({ reactions }) {
  if (reactions.length === 0) return null;
  const chips = reactions.map(({ emoji, count }) =>
    h("li", { title: `${count} × ${emoji}` }, h("span", {}, emoji), count > 1 && h("span", { class: "count" }, String(count))),
  );
  return h("ul", { class: "reactions", "aria-label": "Reactions" }, ...chips);
}

/** @param {Pending} pending @param {{ first: boolean, last: boolean }} place @param {RowActions} actions */
function pending({ nonce, text, quote: of, failed }, place, actions) {
  const state =
    failed === null
      ? h("span", { class: "meta" }, "sending…")
      : h("span", { class: "meta" }, "not sent");
  const bubble = h("div", { class: isEmojiOnly(text) ? "bubble large" : "bubble" }, of && quote(of), h("p", { class: "text" }, text), state);
  const remedy =
    failed !== null &&
    h(
      "p",
      { class: "failure", role: "alert" },
      failed,
      " ",
      h("button", { type: "button", class: "link", onclick: () => actions.retry(nonce) }, "Try again"),
      " ",
      h("button", { type: "button", class: "link", onclick: () => actions.discard(nonce) }, "Discard"),
    );
  return h("li", { class: classes(place, "mine", "pending") }, h("div", { class: "column" }, h("div", { class: "line" }, bubble), remedy));
}

/** @param {Typing} typing */
function typing({ persona, draft }) {
  const dots = h("span", { class: "dots" }, h("i"), h("i"), h("i"));
  const row = h(
    "li",
    { class: "row theirs first last typing", "data-author": persona.name },
    h("div", { class: "side" }, avatar(persona.name)),
    h(
      "div",
      { class: "column" },
      h(
        "div",
        { class: "line" },
        h(
          "div",
          { class: "bubble" },
          h("p", { class: "author" }, h("span", { class: "author-name" }, persona.name), h("span", { class: "mark" }, "persona")),
          h("p", { class: "text" }, h("span", { class: "visually-hidden" }, `${persona.name} is typing`), h("span", { class: "draft" }, draft), dots),
        ),
      ),
    ),
  );
  row.style.setProperty("--hue", String(hueOf(persona.name)));
  return row;
}

/** A typing row grows in place: its dots must not start over with each word. @param {HTMLElement} row @param {Typing} typing */
export function grow(row, { draft }) {
  const text = row.querySelector(".draft");
  if (text) text.textContent = draft;
}
