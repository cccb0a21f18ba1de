// What a first visitor reads: who is here, and what to try.

import { byId, h, iconButton } from "../dom.js";
import { hasSeenHint, rememberHint } from "../prefs.js";
import { aboutVoice } from "../words.js";

/** @import { RoomView } from "../backend.js" */

export class HintView {
  #card = byId("hint", HTMLElement);
  #words = byId("hint-words", HTMLElement);
  #tries = byId("hint-tries", HTMLElement);
  #try;

  /** @param {(text: string) => void} onTry */
  constructor(onTry) {
    this.#try = onTry;
    const close = byId("hint-close", HTMLButtonElement);
    iconButton(close, "close", "Close");
    close.addEventListener("click", () => this.done());
  }

  /** @param {RoomView} view */
  show(view) {
    if (hasSeenHint()) return;
    const someone = view.cast[0]?.name;
    this.#words.textContent = `${aboutVoice(view)} They talk among themselves; say something and they answer. Try:`;
    const tries = [someone ? `hey ${someone}, what are you up to?` : "/cast", "/topic breakfast", "/more 3"];
    this.#tries.replaceChildren(...tries.map((text) => h("button", { type: "button", onclick: () => this.#try(text) }, text)));
    this.#card.hidden = false;
  }

  /** The visitor knows their way now. */
  done() {
    rememberHint();
    this.#card.hidden = true;
  }
}
