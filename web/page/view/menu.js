// The list of commands over the message field, as it narrows while a name is typed.

import { byId, h } from "../dom.js";

/** @import { CommandSpec } from "../backend.js" */

export class CommandMenu {
  #list = byId("menu", HTMLUListElement);
  #input = byId("input", HTMLTextAreaElement);
  /** @type {CommandSpec[]} */
  #commands = [];
  /** @type {CommandSpec[]} */
  #shown = [];
  #current = 0;
  #onPick;

  /** @param {(command: CommandSpec) => void} onPick */
  constructor(onPick) {
    this.#onPick = onPick;
  }

  /** @param {CommandSpec[]} commands */
  setCommands(commands) {
    this.#commands = commands;
  }

  get isOpen() {
    return !this.#list.hidden;
  }

  /** The command whose name stands in `text` with something after it. @param {string} text */
  commandOf(text) {
    const name = /^\/(\w+)\s/u.exec(text)?.[1]?.toLowerCase();
    return this.#commands.find((command) => command.name === name);
  }

  /** Shows what could be meant by `text`. @param {string} text */
  follow(text) {
    const begun = /^\/(\w*)$/u.exec(text)?.[1]?.toLowerCase();
    this.#shown = begun === undefined ? [] : this.#commands.filter(({ name }) => name.startsWith(begun));
    this.#current = 0;
    this.#show();
  }

  close() {
    this.#shown = [];
    this.#show();
  }

  /** Whether the key was for the menu. @param {KeyboardEvent} event */
  pressed(event) {
    if (!this.isOpen) return false;
    const count = this.#shown.length;
    if (event.key === "ArrowDown") this.#current = (this.#current + 1) % count;
    else if (event.key === "ArrowUp") this.#current = (this.#current + count - 1) % count;
    else if (event.key === "Tab" && !event.shiftKey) return this.#pick();
    else if (event.key === "Enter" && !event.shiftKey) return !this.#isWhole() && this.#pick();
    else if (event.key === "Escape") this.#shown = [];
    else return false;
    this.#show();
    return true;
  }

  /** Whether what stands in the field needs no completion: Enter then sends it. */
  #isWhole() {
    const current = this.#shown[this.#current];
    return current !== undefined && current.takes === "" && this.#input.value === `/${current.name}`;
  }

  #pick() {
    const current = this.#shown[this.#current];
    if (current) this.#onPick(current);
    return true;
  }

  #show() {
    const isOpen = this.#shown.length > 0;
    this.#list.hidden = !isOpen;
    if (!isOpen) this.#input.removeAttribute("aria-activedescendant");
    else this.#input.setAttribute("aria-activedescendant", `command-${this.#current}`);
    this.#list.replaceChildren(
      ...this.#shown.map((command, place) =>
        h(
          "li",
          {
            id: `command-${place}`,
            role: "option",
            "aria-selected": String(place === this.#current),
            // Before the field loses the focus.
            onmousedown: (/** @type {Event} */ event) => {
              event.preventDefault();
              this.#onPick(command);
            },
          },
          h("span", { class: "command" }, `/${command.name} `, command.takes !== "" && h("span", { class: "takes" }, command.takes)),
          h("span", { class: "does" }, command.does),
        ),
      ),
    );
    this.#list.children[this.#current]?.scrollIntoView({ block: "nearest" });
  }
}
