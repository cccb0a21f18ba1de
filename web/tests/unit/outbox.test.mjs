import assert from "node:assert/strict";
import { test } from "node:test";

import { Away, Refused } from "../../page/backend.js";
import { Outbox } from "../../page/outbox.js";

/** @import { Message, Say } from "../../page/backend.js" */

/**
 * An outbox whose server does as it is told, one entry a post.
 *
 * @param {("ok" | "away" | "refused")[]} script
 * @param {Map<string, string>} [kept]
 */
function outbox(script, kept = new Map()) {
  /** @type {string[]} */
  const log = [];
  const parts = {
    post: async (/** @type {Say} */ say) => {
      const answer = script.shift() ?? "ok";
      log.push(`${say.nonce} ${answer}`);
      if (answer === "away") throw new Away("nobody there");
      if (answer === "refused") throw new Refused("no");
      return /** @type {Message} */ (/** @type {unknown} */ ({ id: "1" }));
    },
    onConfirmed: (/** @type {Say} */ say) => void log.push(`${say.nonce} confirmed`),
    onRefused: (/** @type {Say} */ say, /** @type {string} */ why) => void log.push(`${say.nonce} refused: ${why}`),
    storage: {
      getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
    },
    pause: async (/** @type {number} */ milliseconds) => void log.push(`pause ${milliseconds}`),
  };
  return { outbox: new Outbox(parts), log, kept };
}

/** @param {string} nonce @returns {Say} */
function say(nonce) {
  return { name: "Zoe", text: `text of ${nonce}`, nonce, reply_to: null };
}

test("a message is sent under one nonce until the server has it", async () => {
  const { outbox: box, log } = outbox(["away", "away", "ok"]);
  await box.add(say("a"));
  assert.deepEqual(log, ["a away", "pause 400", "a away", "pause 800", "a ok", "a confirmed"]);
  assert.deepEqual(box.waiting, []);
});

test("messages keep their order, and one that is refused holds none up", async () => {
  const { outbox: box, log } = outbox(["refused", "away", "ok", "ok"]);
  await Promise.all([box.add(say("a")), box.add(say("b")), box.add(say("c"))]);
  assert.deepEqual(log, ["a refused", "a refused: no", "b away", "pause 400", "b ok", "b confirmed", "c ok", "c confirmed"]);
});

test("what was not confirmed outlives a reload", async () => {
  const kept = new Map([["groupchat.outbox", JSON.stringify([say("a")])]]);
  const { outbox: box, log } = outbox([], kept);
  assert.deepEqual(box.waiting.map(({ nonce }) => nonce), ["a"]);
  await box.send();
  assert.deepEqual(log, ["a ok", "a confirmed"]);
  assert.equal(kept.get("groupchat.outbox"), "[]");
});

test("what cannot be read back is nothing", () => {
  for (const junk of ["", "{", "7", "null"]) {
    assert.deepEqual(outbox([], new Map([["groupchat.outbox", junk]])).outbox.waiting, []);
  }
});
