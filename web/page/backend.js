// What the page asks of whatever answers it, and the Rust server as the one that does. An edition whose engine runs in
// the browser would implement the same interface; nothing but this file knows that there is a network.

/**
 * @typedef {{ kind: "member" | "persona", id: number, name: string }} Author
 * @typedef {{ emoji: string, count: number }} Reaction
 * @typedef {{ id: string, author: Author, text: string, at: string, reply_to: string | null,
 *   quote: { name: string, text: string } | null, generated: boolean, edited: boolean, reactions: Reaction[] }} Message
 *   The id is a number too large for a JavaScript one, as a string; it rises in the order of posting.
 * @typedef {{ id: number, name: string }} Persona
 * @typedef {{ reply_chance: number, min_delay: number, max_delay: number }} CustomPace
 * @typedef {"off" | "calm" | "natural" | "chatty" | { custom: CustomPace }} Pacing
 * @typedef {{ temperature: number, top_p: number, top_k: number }} Sampling
 * @typedef {{ topic: string | null, speakers: { persona: number, weight: number }[], pacing: Pacing,
 *   idle_seconds: number | null, sampling: Sampling, window_after: string | null }} Settings
 * @typedef {{ settings: Settings, cast: Persona[], others: string[], voice: string, version: string }} RoomView
 * @typedef {{ name: string, takes: string, does: string }} CommandSpec
 * @typedef {{ title: string, view: RoomView, commands: CommandSpec[], messages: Message[], older: boolean }} Snapshot
 * @typedef {{ messages: Message[], older: boolean }} Page
 * @typedef {{ name: string, text: string }} AnswerFile
 * @typedef {{ audience: "room" | "asker", done: boolean, text: string, file?: AnswerFile }} Answer
 * @typedef {{ name: string, text: string, nonce: string, reply_to: string | null }} Say
 * @typedef {{ step: number, loss: number }} Point
 * @typedef {{ window: { name: string, text: string }[], speaker: string, real: string, before: string, after: string | null }} Scene
 * @typedef {{ stage: "reading" | "before" | "learning" | "done" | "failed", trouble: string | null, step: number, steps: number,
 *   seconds_left: number | null, losses: Point[], looks: Point[], scenes: Scene[] }} Lesson A training that goes on.
 *
 * @typedef {{ type: "link", online: boolean }
 *   | { type: "snapshot", snapshot: Snapshot }
 *   | { type: "message", message: Message }
 *   | { type: "typing", persona: Persona, draft: string | null }
 *   | { type: "room", view: RoomView }
 *   | { type: "notice", text: string }
 *   | { type: "lesson", lesson: Lesson }} BackendEvent
 *
 * @typedef {object} Backend
 * @property {(onEvent: (event: BackendEvent) => void) => void} start Connects, and stays connected until `stop`.
 * @property {(say: Say) => Promise<Message>} say Posts. The same nonce is stored once, however often it is sent.
 * @property {(name: string, text: string) => Promise<Answer>} command Does what a line such as `/topic cats` asks.
 * @property {(before: string) => Promise<Page>} older What was said before a message.
 * @property {(name: string) => Promise<string>} rename The name as it may be used here.
 * @property {(name: string) => void} typing Tells that a person is writing.
 * @property {() => void} stop
 */

/** It was understood and will not be done, however often it is asked. The message is for people. */
export class Refused extends Error {}

/** Nobody answered, or not now. The same may be asked again. */
export class Away extends Error {}

const FIRST_PAUSE = 300;
const LONGEST_PAUSE = 5_000;
/** The server sends a beat every 15 seconds; after this much silence the line is dead, whatever the socket says. */
const SILENCE = 40_000;
const PATIENCE = 25_000;

/**
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
async function ask(path, body) {
  /** @type {RequestInit} */
  const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const asked = { ...(body === undefined ? {} : post), signal: AbortSignal.timeout(PATIENCE) };
  /** @type {Response} */
  let response;
  let answer;
  try {
    response = await fetch(path, asked);
    answer = response.status === 204 ? null : await response.json();
  } catch {
    throw new Away("The server cannot be reached.");
  }
  if (response.ok) return answer;
  const why = typeof answer?.error === "string" ? answer.error : `The server said ${response.status}.`;
  throw response.status >= 500 || response.status === 429 ? new Away(why) : new Refused(why);
}

/** What no id is earlier than: ids are whole numbers of 64 bits, and those of a chat without ids of its own are negative. */
const BEGINNING = "-9223372036854775808";

/** Whether one id is later than another. @param {string} a @param {string} b */
export function isLater(a, b) {
  return BigInt(a) > BigInt(b);
}

/** @implements {Backend} */
export class ServerBackend {
  /** @type {(event: BackendEvent) => void} */
  #onEvent = () => {};
  /** The latest message that was seen; none before the first snapshot. @type {string | null} */
  #cursor = null;
  /** @type {EventSource | null} */
  #stream = null;
  #stopped = false;
  #pause = FIRST_PAUSE;
  #wake = () => {};

  /** @param {(event: BackendEvent) => void} onEvent */
  start(onEvent) {
    this.#onEvent = onEvent;
    // Whoever comes back to the page, or gets the network back, should not wait for the pause to end.
    window.addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
    void this.#stay();
  }

  stop() {
    this.#stopped = true;
    this.#stream?.close();
    this.#wake();
  }

  /** @param {Say} say @returns {Promise<Message>} */
  async say(say) {
    return (await ask("/api/say", say)).message;
  }

  /** @param {string} name @param {string} text @returns {Promise<Answer>} */
  command(name, text) {
    return ask("/api/command", { name, text });
  }

  /** @param {string} before @returns {Promise<Page>} */
  older(before) {
    return ask(`/api/messages?before=${encodeURIComponent(before)}&limit=60`);
  }

  /** @param {string} name @returns {Promise<string>} */
  async rename(name) {
    return (await ask("/api/name", { name })).name;
  }

  /** @param {string} name */
  typing(name) {
    ask("/api/typing", { name }).catch(() => {
      // It would be stale by the time it could be said again.
    });
  }

  async #stay() {
    while (!this.#stopped) {
      try {
        if (this.#cursor === null) await this.#look();
        await this.#listen();
      } catch (error) {
        if (!(error instanceof Away)) console.error(error);
      }
      if (this.#stopped) return;
      this.#onEvent({ type: "link", online: false });
      await this.#rest();
    }
  }

  /** Reads the room as it is now. */
  async #look() {
    /** @type {Snapshot} */
    const snapshot = await ask("/api/room");
    this.#cursor = snapshot.messages.at(-1)?.id ?? BEGINNING;
    this.#onEvent({ type: "snapshot", snapshot });
  }

  /** Waits before the next try: longer each time, and never all pages at once. */
  async #rest() {
    const pause = this.#pause * (0.75 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 1.6, LONGEST_PAUSE);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, pause);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
    this.#wake = () => {};
  }

  /** Hears what happens after the cursor, until the line breaks. @returns {Promise<void>} */
  #listen() {
    return new Promise((resolve) => {
      const stream = new EventSource(`/api/events?after=${this.#cursor}`);
      this.#stream = stream;
      const end = () => {
        clearTimeout(silence);
        stream.close();
        resolve();
      };
      let silence = setTimeout(end, SILENCE);
      const heard = () => {
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE);
      };
      /** @param {string} name @param {(data: any) => void} act */
      const on = (name, act) =>
        stream.addEventListener(name, (event) => {
          heard();
          act(JSON.parse(/** @type {MessageEvent<string>} */ (event).data));
        });
      stream.onerror = end;
      stream.onopen = () => {
        heard();
        this.#pause = FIRST_PAUSE;
        this.#onEvent({ type: "link", online: true });
      };
      on("message", (message) => this.#heard(message));
      on("room", (view) => this.#onEvent({ type: "room", view }));
      on("typing", ({ persona, draft }) => this.#onEvent({ type: "typing", persona, draft }));
      on("notice", ({ text }) => this.#onEvent({ type: "notice", text }));
      on("lesson", (lesson) => this.#onEvent({ type: "lesson", lesson }));
      on("beat", () => {});
      // Something was erased: what the page holds may hold it still.
      on("erased", () => {
        this.#cursor = null;
        end();
      });
    });
  }

  /** @param {Message} message */
  #heard(message) {
    if (this.#cursor === null || isLater(message.id, this.#cursor)) this.#cursor = message.id;
    this.#onEvent({ type: "message", message });
  }
}
