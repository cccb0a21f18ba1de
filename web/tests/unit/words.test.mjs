import assert from "node:assert/strict";
import { test } from "node:test";

import { hash, initials } from "../../page/avatar.js";
import { dayName, duration, isEmojiOnly, listed, pacingLead, speakerCommand, tuneCommand } from "../../page/words.js";

test("days are named by their distance", () => {
  const now = new Date(2026, 2, 10, 0, 30);
  assert.equal(dayName(new Date(2026, 2, 10, 0, 10).toISOString(), now), "Today");
  assert.equal(dayName(new Date(2026, 2, 9, 23, 50).toISOString(), now), "Yesterday");
  assert.match(dayName(new Date(2025, 2, 9).toISOString(), now), /2025/);
});

test("commands carry names with spaces and weights", () => {
  assert.equal(speakerCommand([]), "/speaker anyone");
  assert.equal(speakerCommand([{ name: "Ada Lovelace", weight: 2 }, { name: 'B"o', weight: 0.5 }]), '/speaker "Ada Lovelace":2, "Bo":0.5');
  assert.equal(tuneCommand({ temperature: 0.8, top_p: 0.9, top_k: 40 }), "/tune temperature=0.8 top_p=0.9 top_k=40");
});

test("numbers and lists read like sentences", () => {
  assert.deepEqual([1, 60, 90, 7200, 86_400].map(duration), ["1 second", "1 minute", "90 seconds", "2 hours", "1 day"]);
  assert.deepEqual([[], ["Ada"], ["Ada", "Bo", "Cleo"]].map(listed), ["nobody", "Ada", "Ada, Bo and Cleo"]);
  assert.match(pacingLead({ custom: { reply_chance: 0.5, min_delay: 2, max_delay: 20 } }), /0\.5, after 2 to 20/);
});

test("a few emoji alone are large", () => {
  for (const text of ["😂", "😂 😂", "👩‍👩‍👧", "❤️", "👍🏽👍🏽👍🏽"]) assert.ok(isEmojiOnly(text), text);
  for (const text of ["", "ok 😂", "7", "😂😂😂😂", "#"]) assert.ok(!isEmojiOnly(text), text);
});

test("a picture depends on nothing but the name", () => {
  assert.equal(hash("Ada"), hash("ada"));
  assert.notEqual(hash("Ada"), hash("Bo"));
  assert.deepEqual(["Ada", "Ada Lovelace", "tess_k", "ışık", "🦊", "🦊 fox", "_x_"].map(initials), ["A", "AL", "TK", "I", "?", "F", "X"]);
});
