import assert from "node:assert/strict";
import { test } from "node:test";

import {
  EMPTY,
  confirmed,
  failed,
  rows,
  withFreshStart,
  withMessage,
  withNotice,
  withOlder,
  withPending,
  withSnapshot,
  withTyping,
} from "../../page/timeline.js";

/** @import { Message } from "../../page/backend.js" */
/** @import { Timeline } from "../../page/timeline.js" */

const ADA = { id: 1, name: "Ada" };
const NOON = new Date(2026, 0, 5, 12).getTime();

/** @param {number} id @param {Partial<Message> & { minute?: number }} [given] @returns {Message} */
function message(id, { minute = id, ...given } = {}) {
  return {
    id: String(id),
    author: { kind: "persona", ...ADA },
    text: `message ${id}`,
    at: new Date(NOON + minute * 60_000).toISOString(),
    reply_to: null,
    quote: null,
    generated: true,
    edited: false,
    reactions: [],
    ...given,
  };
}

/** @param {string} nonce @param {string} text */
function pending(nonce, text) {
  return { nonce, name: "Zoe", text, at: new Date(NOON + 9 * 60_000).toISOString(), reply_to: null, quote: null, failed: null };
}

/** @param {number} id @param {string} text */
function ofZoe(id, text) {
  return message(id, { text, author: { kind: "member", id: 9, name: "Zoe" }, generated: false });
}

/** @param {Timeline} timeline */
function seen(timeline) {
  return rows(timeline).map((row) => {
    if (row.kind === "message") return `${row.message.id}${row.first ? " first" : ""}${row.last ? " last" : ""}`;
    if (row.kind === "pending") return `sending ${row.pending.text}`;
    if (row.kind === "notice") return `(${row.notice.text})`;
    if (row.kind === "typing") return `${row.typing.persona.name}: ${row.typing.draft}…`;
    return row.kind;
  });
}

test("messages stand in the order of their ids, which are no JavaScript numbers, and each once", () => {
  const ids = ["9007199254740993", "9007199254740992", "999", "-9007199254740993", "-9007199254740992", "9223372036854775807"];
  let timeline = EMPTY;
  for (const id of [...ids, ...ids]) timeline = withMessage(timeline, { ...message(1), id });
  assert.deepEqual(timeline.messages.map(({ id }) => id), ["-9007199254740993", "-9007199254740992", "999", "9007199254740992", "9007199254740993", "9223372036854775807"]);
});

test("a message that comes again brings its latest wording", () => {
  const timeline = withMessage(withMessage(EMPTY, message(1)), message(1, { text: "better", edited: true }));
  assert.deepEqual(timeline.messages.map(({ text }) => text), ["better"]);
});

test("what was sent is there once, whichever of stream and answer comes first", () => {
  const sent = withPending(EMPTY, pending("n", "hello"));
  assert.deepEqual(seen(sent), ["day", "sending hello"]);
  const stored = ofZoe(5, "hello");
  const streamFirst = confirmed(withMessage(sent, stored), "n", stored);
  const answerFirst = withMessage(confirmed(sent, "n", stored), stored);
  assert.deepEqual(seen(streamFirst), ["day", "5 first last"]);
  assert.deepEqual(seen(answerFirst), seen(streamFirst));
});

test("the same words sent twice are two messages", () => {
  let timeline = withPending(withPending(EMPTY, pending("a", "hi")), pending("b", "hi"));
  timeline = withMessage(timeline, ofZoe(5, "hi"));
  assert.deepEqual(seen(timeline), ["day", "5 first last", "sending hi"]);
  timeline = confirmed(timeline, "a", ofZoe(5, "hi"));
  timeline = withMessage(timeline, ofZoe(6, "hi"));
  assert.deepEqual(seen(confirmed(timeline, "b", ofZoe(6, "hi"))), ["day", "5 first", "6 last"]);
});

test("a message of old that comes again does not settle one that is on its way", () => {
  const timeline = withPending(withMessage(EMPTY, ofZoe(5, "hi")), pending("a", "hi"));
  assert.deepEqual(seen(withMessage(timeline, ofZoe(5, "hi"))), ["day", "5 first last", "sending hi"]);
});

test("what was refused stays, with the reason", () => {
  const timeline = failed(withPending(EMPTY, pending("n", "hello")), "n", "That name is taken.");
  assert.equal(timeline.pending[0]?.failed, "That name is taken.");
});

test("messages of one author within five minutes stand together", () => {
  const messages = [message(1), message(2), ofZoe(3, "hm"), message(4), message(20, { minute: 20 })];
  assert.deepEqual(seen(withSnapshot(EMPTY, messages, false)), ["day", "1 first", "2 last", "3 first last", "4 first last", "20 first last"]);
});

test("each day has its line", () => {
  const messages = [message(1), message(2, { minute: 24 * 60 })];
  assert.deepEqual(seen(withSnapshot(EMPTY, messages, false)), ["day", "1 first last", "day", "2 first last"]);
});

test("a member and the persona of that member are two", () => {
  const member = message(2, { author: { kind: "member", id: ADA.id, name: ADA.name } });
  assert.deepEqual(seen(withSnapshot(EMPTY, [message(1), member], false)), ["day", "1 first last", "2 first last"]);
});

test("notices keep their place while the talk goes on", () => {
  let timeline = withNotice(withSnapshot(EMPTY, [message(1)], true), "notice:1", "topic: cats", "room");
  timeline = withMessage(timeline, message(2));
  assert.deepEqual(seen(timeline), ["day", "1 first last", "(topic: cats)", "2 first last"]);
  timeline = withOlder(timeline, [message(0)], false);
  assert.deepEqual(seen(timeline), ["day", "0 first", "1 last", "(topic: cats)", "2 first last"]);
});

test("a fresh start is drawn after the last message that no longer counts", () => {
  const timeline = withSnapshot(EMPTY, [message(1), message(2), message(3)], false);
  assert.deepEqual(seen(withFreshStart(timeline, "2")), ["day", "1 first", "2 last", "fresh", "3 first last"]);
  assert.deepEqual(seen(withFreshStart(timeline, "3")), ["day", "1 first", "2", "3 last", "fresh"]);
  assert.deepEqual(seen(withFreshStart(timeline, "0")), ["day", "1 first", "2", "3 last"]);
});

test("a draft grows, and ends with its message or without one", () => {
  let timeline = withTyping(withTyping(EMPTY, ADA, ""), ADA, "mes");
  assert.deepEqual(seen(timeline), ["Ada: mes…"]);
  assert.deepEqual(seen(withTyping(timeline, ADA, null)), []);
  timeline = withTyping(timeline, { id: 2, name: "Bo" }, "");
  assert.deepEqual(seen(withMessage(timeline, message(1))), ["day", "1 first last", "Bo: …"]);
});

test("keys of rows are their own", () => {
  let timeline = withSnapshot(EMPTY, [message(1), message(2), message(3, { minute: 3000 })], false);
  timeline = withPending(withNotice(timeline, "notice:1", "a", "room"), pending("n", "x"));
  const keys = rows(withTyping(timeline, ADA, "")).map(({ key }) => key);
  assert.equal(new Set(keys).size, keys.length);
});
