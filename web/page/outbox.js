// What the visitor has said and the server has not yet confirmed. It is sent in order, one at a time, under the same nonce
// until there is an answer, and it outlives a reload.

import { Away } from "./backend.js";

/** @import { Message, Say } from "./backend.js" */

/**
 * @typedef {object} OutboxParts
 * @property {(say: Say) => Promise<Message>} post
 * @property {(say: Say, message: Message) => void} onConfirmed
 * @property {(say: Say, why: string) => void} onRefused
 * @property {Pick<Storage, "getItem" | "setItem">} storage
 * @property {(milliseconds: number) => Promise<void>} pause
 */

const KEY = "groupchat.outbox";
const FIRST_PAUSE = 400;
const LONGEST_PAUSE = 4_000;

export class Outbox {
  #parts;
  /** @type {Say[]} */
  #waiting = [];
  #sending = false;

  /** @param {OutboxParts} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#waiting = restored(parts.storage);
  }

  /** What is on its way, oldest first. @returns {readonly Say[]} */
  get waiting() {
    return this.#waiting;
  }

  /** @param {Say} say */
  add(say) {
    this.#waiting.push(say);
    this.#keep();
    return this.send();
  }

  /** Sends what waits. Returns once nothing waits any more. */
  async send() {
    if (this.#sending) return;
    this.#sending = true;
    let pause = FIRST_PAUSE;
    for (let say = this.#waiting[0]; say; say = this.#waiting[0]) {
      try {
        const message = await this.#parts.post(say);
        this.#done();
        this.#parts.onConfirmed(say, message);
        pause = FIRST_PAUSE;
      } catch (error) {
        if (error instanceof Away) {
          await this.#parts.pause(pause);
          pause = Math.min(pause * 2, LONGEST_PAUSE);
        } else {
          this.#done();
          this.#parts.onRefused(say, error instanceof Error ? error.message : String(error));
        }
      }
    }
    this.#sending = false;
  }

  #done() {
    this.#waiting.shift();
    this.#keep();
  }

  #keep() {
    try {
      this.#parts.storage.setItem(KEY, JSON.stringify(this.#waiting));
    } catch {
      // Where nothing may be stored, only a reload loses what is on its way.
    }
  }
}

/** @param {Pick<Storage, "getItem">} storage @returns {Say[]} */
function restored(storage) {
  try {
    const kept = JSON.parse(storage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}
