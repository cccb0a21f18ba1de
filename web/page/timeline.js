// What stands in the chat, as plain values: functions from one state to the next, and from a state to the rows that are
// to be seen. Nothing here knows a document or a network.

import { isLater } from "./backend.js";

/** @import { Message, Persona } from "./backend.js" */

/**
 * @typedef {{ nonce: string, name: string, text: string, at: string, reply_to: string | null,
 *   quote: { name: string, text: string } | null, failed: string | null }} Pending A message on its way to the server.
 * @typedef {{ persona: Persona, draft: string }} Typing
 * @typedef {{ key: string, after: string | null, text: string, tone: "room" | "private" | "problem" }} Notice
 *   A line that is no message. It stands after the message that was the latest when it came.
 * @typedef {{ messages: Message[], older: boolean, pending: Pending[], typing: Typing[], notices: Notice[],
 *   freshAfter: string | null }} Timeline
 *
 * @typedef {{ kind: "day", key: string, at: string }
 *   | { kind: "fresh", key: string }
 *   | { kind: "notice", key: string, notice: Notice }
 *   | { kind: "message", key: string, message: Message, first: boolean, last: boolean }
 *   | { kind: "pending", key: string, pending: Pending, first: boolean, last: boolean }
 *   | { kind: "typing", key: string, typing: Typing, first: boolean, last: boolean }} Row
 */

/** How far apart two messages of one author may be and still stand together. */
const TOGETHER = 5 * 60 * 1000;
const MOST_NOTICES = 50;

/** @type {Timeline} */
export const EMPTY = { messages: [], older: false, pending: [], typing: [], notices: [], freshAfter: null };

/**
 * The messages in order of their ids; of two with one id the later given stays.
 *
 * @param {Message[]} known
 * @param {Message[]} more
 */
function merged(known, more) {
  const latest = known.at(-1);
  const next = more.length === 1 ? more[0] : undefined;
  if (next && (!latest || isLater(next.id, latest.id))) return [...known, next];
  const byId = new Map([...known, ...more].map((message) => [message.id, message]));
  return [...byId.values()].sort((a, b) => (isLater(a.id, b.id) ? 1 : -1));
}

/**
 * The room as it is now, in place of what was known. What is on its way stays on its way.
 *
 * @param {Timeline} timeline
 * @param {Message[]} messages
 * @param {boolean} older whether there is more before them
 * @returns {Timeline}
 */
export function withSnapshot(timeline, messages, older) {
  return { ...timeline, messages: merged([], messages), older, typing: [] };
}

/**
 * A message came. One that we sent and have not had confirmed takes the place of its echo, whether the answer to the
 * post or the stream brings it first.
 *
 * @param {Timeline} timeline
 * @param {Message} message
 * @returns {Timeline}
 */
export function withMessage(timeline, message) {
  const isEcho = (/** @type {Pending} */ pending) =>
    message.author.kind === "member" && pending.text === message.text && pending.name === message.author.name;
  const isNew = timeline.messages.every((known) => known.id !== message.id);
  const echo = isNew ? timeline.pending.find(isEcho) : undefined;
  return {
    ...timeline,
    messages: merged(timeline.messages, [message]),
    pending: timeline.pending.filter((pending) => pending !== echo),
    typing: timeline.typing.filter(({ persona }) => message.author.kind !== "persona" || persona.id !== message.author.id),
  };
}

/** @param {Timeline} timeline @param {Message[]} messages @param {boolean} older @returns {Timeline} */
export function withOlder(timeline, messages, older) {
  return { ...timeline, messages: merged(timeline.messages, messages), older };
}

/** @param {Timeline} timeline @param {Pending} pending @returns {Timeline} */
export function withPending(timeline, pending) {
  const others = timeline.pending.filter(({ nonce }) => nonce !== pending.nonce);
  return { ...timeline, pending: [...others, pending] };
}

/** @param {Timeline} timeline @param {string} nonce @returns {Timeline} */
export function withoutPending(timeline, nonce) {
  return { ...timeline, pending: timeline.pending.filter((pending) => pending.nonce !== nonce) };
}

/** The server has stored what we sent. @param {Timeline} timeline @param {string} nonce @param {Message} message */
export function confirmed(timeline, nonce, message) {
  const settled = withoutPending(timeline, nonce);
  return { ...settled, messages: merged(settled.messages, [message]) };
}

/** @param {Timeline} timeline @param {string} nonce @param {string} why @returns {Timeline} */
export function failed(timeline, nonce, why) {
  const pending = timeline.pending.map((pending) => (pending.nonce === nonce ? { ...pending, failed: why } : pending));
  return { ...timeline, pending };
}

/**
 * @param {Timeline} timeline
 * @param {Persona} persona
 * @param {string | null} draft what stands in their field so far; null once they have stopped
 * @returns {Timeline}
 */
export function withTyping(timeline, persona, draft) {
  const known = timeline.typing.some((typing) => typing.persona.id === persona.id);
  if (draft === null) {
    return { ...timeline, typing: timeline.typing.filter((typing) => typing.persona.id !== persona.id) };
  }
  const now = { persona, draft };
  return {
    ...timeline,
    typing: known ? timeline.typing.map((typing) => (typing.persona.id === persona.id ? now : typing)) : [...timeline.typing, now],
  };
}

/** @param {Timeline} timeline @returns {Timeline} */
export function withoutTyping(timeline) {
  return timeline.typing.length === 0 ? timeline : { ...timeline, typing: [] };
}

/** @param {Timeline} timeline @param {string} key @param {string} text @param {Notice["tone"]} tone @returns {Timeline} */
export function withNotice(timeline, key, text, tone) {
  const after = timeline.messages.at(-1)?.id ?? null;
  return { ...timeline, notices: [...timeline.notices, { key, after, text, tone }].slice(-MOST_NOTICES) };
}

/** @param {Timeline} timeline @param {string | null} freshAfter @returns {Timeline} */
export function withFreshStart(timeline, freshAfter) {
  return timeline.freshAfter === freshAfter ? timeline : { ...timeline, freshAfter };
}

/** A day of the reader's calendar. @param {string} at */
function day(at) {
  const date = new Date(at);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

/** @param {string} at @param {string} later */
function areTogether(at, later) {
  return day(at) === day(later) && Math.abs(Date.parse(later) - Date.parse(at)) < TOGETHER;
}

/**
 * What is to be seen, from top to bottom. Each row's key is its own for good, so that a view can keep its element.
 *
 * @param {Timeline} timeline
 * @returns {Row[]}
 */
export function rows(timeline) {
  const { messages, notices, freshAfter } = timeline;
  /** @type {Row[]} */
  const rows = [];
  const first = messages[0];
  const notice = (/** @type {Notice} */ notice) => rows.push({ kind: "notice", key: notice.key, notice });
  // Lines from before what is loaded came when nothing, or something older, was the latest message.
  notices.filter(({ after }) => after === null || (first && isLater(first.id, after))).forEach(notice);

  const following = (/** @type {Message} */ message) => notices.filter(({ after }) => after === message.id);
  /** The author and time of the row before, where the next message may join it. @type {{ author: string, at: string } | null} */
  let before = null;
  let today = "";
  const join = (/** @type {string} */ author, /** @type {string} */ at) => {
    const joins = before !== null && before.author === author && areTogether(before.at, at);
    const last = rows.at(-1);
    if (joins && last && "last" in last) last.last = false;
    before = { author, at };
    return !joins;
  };
  // Clocks differ and logs jump, so that a day may come twice: its key is that of the row below it.
  const dayOf = (/** @type {string} */ at, /** @type {string} */ key) => {
    if (day(at) === today) return;
    today = day(at);
    before = null;
    rows.push({ kind: "day", key: `day:${key}`, at });
  };

  messages.forEach((message, place) => {
    dayOf(message.at, message.id);
    const first = join(`${message.author.kind}:${message.author.id}`, message.at);
    rows.push({ kind: "message", key: message.id, message, first, last: true });
    const next = messages[place + 1];
    const isFresh = freshAfter !== null && !isLater(message.id, freshAfter) && (!next || isLater(next.id, freshAfter));
    if (isFresh) rows.push({ kind: "fresh", key: `fresh:${freshAfter}` });
    const lines = following(message);
    lines.forEach(notice);
    if (isFresh || lines.length > 0) before = null;
  });
  for (const pending of timeline.pending) {
    dayOf(pending.at, pending.nonce);
    const first = join(`pending:${pending.name}`, pending.at);
    rows.push({ kind: "pending", key: `pending:${pending.nonce}`, pending, first, last: true });
  }
  for (const typing of timeline.typing) {
    rows.push({ kind: "typing", key: `typing:${typing.persona.id}`, typing, first: true, last: true });
  }
  return rows;
}
