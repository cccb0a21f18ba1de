// The bar at the top, the banner below it, and the title of the window.

import { avatar } from "../avatar.js";
import { byId, iconButton } from "../dom.js";
import { isDark, setTheme } from "../prefs.js";
import { subtitle } from "../words.js";

/** @import { RoomView } from "../backend.js" */

const MOST_FACES = 5;

export class BarView {
  #cast = byId("bar-cast", HTMLElement);
  #title = byId("title", HTMLElement);
  #subtitle = byId("subtitle", HTMLElement);
  #banner = byId("banner", HTMLElement);
  #theme = byId("theme-toggle", HTMLButtonElement);
  #name = "groupchat";
  #unread = 0;

  /** @param {() => void} onTheme told after the theme was changed here */
  constructor(onTheme) {
    this.#theme.addEventListener("click", () => {
      setTheme(isDark() ? "light" : "dark");
      this.showTheme();
      onTheme();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.showTheme());
    document.addEventListener("visibilitychange", () => this.#setUnread(document.hidden ? this.#unread : 0));
    this.showTheme();
  }

  showTheme() {
    const [name, label] = isDark() ? /** @type {const} */ (["sun", "Light colours"]) : /** @type {const} */ (["moon", "Dark colours"]);
    iconButton(this.#theme, name, label);
  }

  /** @param {string} title */
  showTitle(title) {
    this.#name = title;
    this.#title.textContent = title;
    this.#setUnread(this.#unread);
  }

  /** @param {RoomView} view */
  showRoom(view) {
    this.#cast.replaceChildren(...view.cast.slice(0, MOST_FACES).map(({ name }) => avatar(name)));
    this.#subtitle.textContent = subtitle(view);
    this.#subtitle.title = subtitle(view);
  }

  /** @param {"online" | "connecting" | "reconnecting" | "outdated"} state */
  showLink(state) {
    const words = {
      online: "",
      connecting: "Connecting…",
      reconnecting: "Reconnecting… what you write is kept and sent then.",
      outdated: "groupchat was updated. Reload this page to use the new version.",
    }[state];
    this.#banner.textContent = words;
    this.#banner.hidden = words === "";
    this.#banner.dataset.state = state;
  }

  /** Counts a message that came while nobody was looking. */
  missed() {
    if (document.hidden) this.#setUnread(this.#unread + 1);
  }

  /** @param {number} unread */
  #setUnread(unread) {
    this.#unread = unread;
    document.title = unread === 0 ? this.#name : `(${unread}) ${this.#name}`;
  }
}
