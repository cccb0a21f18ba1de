// The message field and what belongs to it: the reply being written, the list of commands, the visitor's name.

import { avatar } from "../avatar.js";
import { byId, icon, iconButton } from "../dom.js";
import { CommandMenu } from "./menu.js";
import { quote } from "./row.js";

/** @import { CommandSpec, Message } from "../backend.js" */

/**
 * @typedef {object} ComposerActions
 * @property {(text: string, replyTo: Message | null) => void} say
 * @property {(text: string) => void} command
 * @property {() => void} typing
 * @property {() => void} me Opens the place where the name is set.
 */

const LONGEST = 2_000;
/** From here on the room that is left is shown. */
const NEARLY = 1_800;
/** How often others are told that the visitor is writing, in milliseconds. */
const TYPING_EVERY = 3_000;

export class Composer {
  #form = byId("composer", HTMLFormElement);
  #input = byId("input", HTMLTextAreaElement);
  #note = byId("composer-note", HTMLElement);
  #reply = byId("reply", HTMLElement);
  #replyQuote = byId("reply-quote", HTMLElement);
  #me = byId("me", HTMLButtonElement);
  #menu;
  #actions;
  /** @type {Message | null} */
  #replyTo = null;
  #toldTyping = 0;

  /** @param {ComposerActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#menu = new CommandMenu((command) => this.#complete(command));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("keydown", (event) => this.#pressed(event));
    this.#input.addEventListener("input", () => this.#changed());
    this.#input.addEventListener("blur", () => this.#menu.close());
    this.#me.addEventListener("click", () => actions.me());
    const cancel = byId("reply-cancel", HTMLButtonElement);
    iconButton(cancel, "close", "Do not reply");
    cancel.addEventListener("click", () => this.#setReply(null));
    const send = byId("send", HTMLButtonElement);
    iconButton(send, "send", "Send");
    send.replaceChildren(icon("send"));
    document.addEventListener("keydown", (event) => this.#pressedAnywhere(event));
  }

  /** @param {CommandSpec[]} commands */
  setCommands(commands) {
    this.#menu.setCommands(commands);
  }

  /** @param {string} name */
  setName(name) {
    this.#me.title = `You are ${name}. Change the name`;
    this.#me.setAttribute("aria-label", this.#me.title);
    this.#me.replaceChildren(avatar(name));
  }

  /** Puts text into the field, to be sent or changed. @param {string} text */
  fill(text) {
    this.#input.value = text;
    this.#changed();
    this.#input.focus();
  }

  /** @param {Message} message */
  replyTo(message) {
    this.#setReply(message);
    this.#input.focus();
  }

  /** @param {Message | null} message */
  #setReply(message) {
    this.#replyTo = message;
    this.#reply.hidden = message === null;
    this.#replyQuote.replaceChildren(...(message ? [quote({ name: message.author.name, text: message.text })] : []));
  }

  #submit() {
    const text = this.#input.value.trim();
    if (text === "") return;
    const length = [...text].length;
    if (length > LONGEST) {
      this.#say(`A message has at most ${LONGEST} characters, this one has ${length}.`, true);
      return;
    }
    if (text.startsWith("/")) this.#actions.command(text);
    else this.#actions.say(text, this.#replyTo);
    this.#setReply(null);
    this.#input.value = "";
    this.#changed();
  }

  #changed() {
    const text = this.#input.value;
    // The field grows with what is in it; the style sheet bounds it.
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight}px`;
    this.#form.classList.toggle("filled", text.trim() !== "");
    this.#menu.follow(text);
    const command = this.#menu.commandOf(text);
    const length = [...text].length;
    if (command) this.#say(`/${command.name} ${command.takes} — ${command.does}`);
    else if (length > NEARLY) this.#say(`${LONGEST - length} characters left`, length > LONGEST);
    else this.#say("");
    if (text !== "" && !text.startsWith("/")) this.#tellTyping();
  }

  #tellTyping() {
    const now = performance.now();
    if (this.#toldTyping !== 0 && now - this.#toldTyping < TYPING_EVERY) return;
    this.#toldTyping = now;
    this.#actions.typing();
  }

  /** @param {string} words @param {boolean} [isProblem] */
  #say(words, isProblem = false) {
    this.#note.textContent = words;
    this.#note.hidden = words === "";
    this.#note.classList.toggle("error", isProblem);
  }

  /** @param {CommandSpec} command */
  #complete(command) {
    this.fill(command.takes === "" ? `/${command.name}` : `/${command.name} `);
    if (command.takes === "") this.#menu.close();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    // Enter that ends an input method's composition belongs to it.
    if (event.isComposing) return;
    if (this.#menu.pressed(event)) {
      event.preventDefault();
      event.stopPropagation();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && this.#replyTo) {
      event.stopPropagation();
      this.#setReply(null);
    }
  }

  /** A slash anywhere outside a field opens the list of commands. @param {KeyboardEvent} event */
  #pressedAnywhere(event) {
    const isField = event.target instanceof Element && event.target.closest("input, textarea, select");
    if (event.key !== "/" || isField || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (this.#input.value === "") this.fill("/");
    else this.#input.focus();
  }
}
