// The settings of the room: a sheet at the side, over everything on a small window. Each part gives the same commands
// that may be typed.

import { byId, iconButton } from "../dom.js";
import { aboutVoice } from "../words.js";
import { castPart } from "./panel/cast.js";
import { idlePart } from "./panel/idle.js";
import { pacePart } from "./panel/pace.js";
import { Section } from "./panel/part.js";
import { speakersPart } from "./panel/speakers.js";
import { topicPart } from "./panel/topic.js";
import { tunePart } from "./panel/tune.js";
import { youPart } from "./panel/you.js";

/** @import { RoomView } from "../backend.js" */
/** @import { Ask } from "./panel/part.js" */

/**
 * @typedef {object} PanelActions
 * @property {Ask} ask
 * @property {(name: string) => Promise<void>} rename
 * @property {() => void} onTheme
 */

/** Where the panel covers the chat instead of standing beside it; the style sheet says the same. */
const NARROW = "(max-width: 859px)";

export class Panel {
  #panel = byId("panel", HTMLElement);
  #title = byId("panel-title", HTMLElement);
  #toggle = byId("panel-toggle", HTMLButtonElement);
  #behind = [byId("chat", HTMLElement), ...document.querySelectorAll("header.bar")];
  #narrow = matchMedia(NARROW);
  #parts;
  #about = byId("about-voice", HTMLElement);
  #you;

  /** @param {PanelActions} actions */
  constructor({ ask, rename, onTheme }) {
    this.#parts = [topicPart, speakersPart, pacePart, idlePart, tunePart, castPart].map((part) => part(ask));
    this.#you = youPart(rename, onTheme);
    const more = new Section("more", ask);
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.#panel.querySelectorAll("[data-more]"))) {
      button.addEventListener("click", () => void more.run(`/more ${button.dataset.more}`));
    }
    const about = new Section("about", ask);
    byId("reset", HTMLButtonElement).addEventListener("click", () => void about.run("/reset"));
    byId("privacy", HTMLButtonElement).addEventListener("click", () => {
      // The answer stands in the chat, which a small window does not show beside the panel.
      if (this.#narrow.matches) this.close();
      void about.run("/privacy");
    });

    iconButton(this.#toggle, "settings", "Room settings");
    this.#toggle.addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    const close = byId("panel-close", HTMLButtonElement);
    iconButton(close, "close", "Close the settings");
    close.addEventListener("click", () => this.close());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOpen && !event.defaultPrevented) this.close();
    });
    this.#narrow.addEventListener("change", () => this.#cover());
  }

  get isOpen() {
    return !this.#panel.hidden;
  }

  open() {
    this.#panel.hidden = false;
    this.#cover();
    this.#title.focus();
  }

  close() {
    const hadFocus = this.#panel.contains(document.activeElement);
    this.#panel.hidden = true;
    this.#cover();
    if (hadFocus) this.#toggle.focus();
  }

  openAtName() {
    this.open();
    this.#you.focusName();
  }

  /** @param {RoomView} view */
  showRoom(view) {
    for (const part of this.#parts) part.update(view);
    this.#about.textContent = aboutVoice(view);
  }

  /** @param {string} name */
  showName(name) {
    this.#you.showName(name);
  }

  showTheme() {
    this.#you.showTheme();
  }

  /** What the panel covers cannot be reached. */
  #cover() {
    this.#toggle.setAttribute("aria-expanded", String(this.isOpen));
    document.body.classList.toggle("with-panel", this.isOpen);
    const covers = this.isOpen && this.#narrow.matches;
    for (const behind of this.#behind) behind.toggleAttribute("inert", covers);
    this.#panel.setAttribute("role", covers ? "dialog" : "complementary");
    if (covers) this.#panel.setAttribute("aria-modal", "true");
    else this.#panel.removeAttribute("aria-modal");
  }
}
