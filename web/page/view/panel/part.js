// One part of the settings: a section of index.html whose controls say what they want as a command, and show beside them
// why it was not done.

/** @import { Answer, RoomView } from "../../backend.js" */

/**
 * @typedef {(text: string) => Promise<Answer>} Ask Sends a command. What it throws is written for people.
 * @typedef {{ update: (view: RoomView) => void }} Part
 * @typedef {(input: HTMLInputElement, value: string) => void} Put
 * @typedef {(view: RoomView, put: Put) => void} Show Shows a room; `put` decides whether a field is overwritten.
 */

export class Section {
  #element;
  #ask;
  #error;
  /** @type {RoomView | null} */
  #view = null;
  /** @type {Show} */
  #show = () => {};

  /** @param {string} name @param {Ask} ask */
  constructor(name, ask) {
    const element = document.querySelector(`[data-part="${name}"]`);
    const error = element?.querySelector(".error");
    if (!(element instanceof HTMLElement) || !(error instanceof HTMLElement)) throw new Error(`index.html has no part ${name}`);
    this.#element = element;
    this.#error = error;
    this.#ask = ask;
  }

  /** What the controls show of a room. @param {Show} show @returns {Part} */
  shows(show) {
    this.#show = show;
    return {
      update: (view) => {
        this.#view = view;
        show(view, offer);
      },
    };
  }

  /** The room as it was last shown. */
  get view() {
    return this.#view;
  }

  /** Sends a command. What was not done is said beside the controls, which then show again what is. @param {string} text */
  async run(text) {
    await this.attempt(async () => {
      const answer = await this.#ask(text);
      if (!answer.done) throw new Error(answer.text);
    });
  }

  /** @param {() => Promise<void>} act */
  async attempt(act) {
    this.#element.setAttribute("aria-busy", "true");
    this.#say("");
    try {
      await act();
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
      if (this.#view) this.#show(this.#view, overwrite);
    } finally {
      this.#element.removeAttribute("aria-busy");
    }
  }

  /** @param {string} words */
  #say(words) {
    this.#error.textContent = words;
    this.#error.hidden = words === "";
  }
}

/** Shows a value unless somebody is at it. @type {Put} */
function offer(input, value) {
  if (document.activeElement !== input) input.value = value;
}

/** Shows a value in any case: what somebody entered was not taken. @type {Put} */
function overwrite(input, value) {
  input.value = value;
}
