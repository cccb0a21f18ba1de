// The list of messages: keeps its elements in step with the rows, and the reader's place while it grows at either end.

import { byId, h, icon } from "../dom.js";
import { counted } from "../words.js";
import { element, grow, signature } from "./row.js";

/** @import { Row } from "../timeline.js" */
/** @import { RowActions } from "./row.js" */

/** How near the end a reader is taken to follow the talk, in pixels. */
const NEAR = 120;

export class MessagesView {
  #scroller = byId("scroller", HTMLElement);
  #list = byId("messages", HTMLOListElement);
  #pill = byId("pill", HTMLButtonElement);
  #beginning = byId("beginning", HTMLElement);
  /** @type {Map<string, { element: HTMLLIElement, signature: string }>} */
  #rows = new Map();
  #actions;
  #follows = true;
  #unread = 0;
  #olderWanted = () => {};

  /** @param {Omit<RowActions, "jump">} actions @param {() => void} olderWanted */
  constructor(actions, olderWanted) {
    this.#actions = { ...actions, jump: (/** @type {string} */ id) => this.#jump(id) };
    this.#olderWanted = olderWanted;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#scroller.addEventListener("keydown", (event) => this.#pressed(event));
    this.#pill.addEventListener("click", () => {
      this.toEnd();
      this.#scroller.focus({ preventScroll: true });
    });
    // The window may shrink under the reader, as when a keyboard opens.
    new ResizeObserver(() => this.#follows && this.#pin()).observe(this.#scroller);
  }

  /** @param {Row[]} rows @param {{ arrived: number }} news how many messages of others came with this change */
  show(rows, { arrived }) {
    const anchor = this.#anchor();
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, { element }] of this.#rows) {
      if (keys.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
    /** @type {ChildNode | null} */
    let place = this.#list.firstChild;
    for (const row of rows) {
      const before = this.#rows.get(row.key)?.element;
      const element = this.#elementOf(row);
      const stands = before !== undefined && place === before;
      if (stands) place = before.nextSibling;
      if (stands && element === before) continue;
      this.#list.insertBefore(element, place);
      if (before && before !== element) this.#replaced(before, element);
    }
    if (this.#follows) {
      this.#pin();
    } else {
      this.#hold(anchor);
      this.#unread += arrived;
    }
    this.#showPill();
  }

  /** @param {string | null} words what stands above the first message; null for nothing */
  showBeginning(words) {
    this.#beginning.hidden = words === null;
    this.#beginning.textContent = words ?? "";
  }

  toEnd() {
    this.#follows = true;
    this.#unread = 0;
    this.#pin();
    this.#showPill();
  }

  /** Whether what is loaded does not fill the view, or the reader is close to its beginning. */
  get wantsOlder() {
    return this.#scroller.scrollTop < 300;
  }

  /** @param {Row} row */
  #elementOf(row) {
    const known = this.#rows.get(row.key);
    const now = signature(row);
    if (known?.signature === now) return known.element;
    if (known && row.kind === "typing") {
      grow(known.element, row.typing);
      known.signature = now;
      return known.element;
    }
    const fresh = element(row, this.#actions);
    this.#rows.set(row.key, { element: fresh, signature: now });
    return fresh;
  }

  /** @param {HTMLElement} before @param {HTMLElement} element */
  #replaced(before, element) {
    const isFocused = before === document.activeElement;
    before.remove();
    if (isFocused) element.focus({ preventScroll: true });
  }

  /** The first row in view and where it stands. */
  #anchor() {
    if (this.#follows) return null;
    const top = this.#scroller.scrollTop;
    for (const { element } of this.#rows.values()) {
      if (element.offsetTop + element.offsetHeight > top && !element.classList.contains("day")) {
        return { key: element.dataset.id, offset: element.offsetTop - top };
      }
    }
    return null;
  }

  /** @param {{ key: string | undefined, offset: number } | null} anchor */
  #hold(anchor) {
    const row = anchor?.key === undefined ? undefined : this.#rows.get(anchor.key);
    if (anchor && row) this.#scroller.scrollTop = row.element.offsetTop - anchor.offset;
  }

  #pin() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR;
    if (this.#follows) this.#unread = 0;
    this.#showPill();
    if (this.wantsOlder) this.#olderWanted();
  }

  #showPill() {
    this.#pill.hidden = this.#follows;
    const words = this.#unread === 0 ? "To the latest" : counted(this.#unread, "new message");
    this.#pill.replaceChildren(words, icon("down"));
  }

  /** @param {string} id */
  #jump(id) {
    const row = this.#rows.get(id)?.element;
    if (!row) return;
    row.scrollIntoView({ block: "center" });
    row.focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const current = /** @type {HTMLElement | null} */ (document.activeElement?.closest("li[data-id]") ?? null);
    if (key === "ArrowUp" || key === "ArrowDown") {
      event.preventDefault();
      this.#move(current, key === "ArrowUp" ? -1 : 1);
    } else if (key === "End") {
      event.preventDefault();
      this.toEnd();
      this.#move(null, -1);
    } else if ((key === "r" || (key === "Enter" && current === document.activeElement)) && current) {
      event.preventDefault();
      current.querySelector(/** @type {"button"} */ (".reply-button"))?.click();
    }
  }

  /** @param {HTMLElement | null} current @param {-1 | 1} step */
  #move(current, step) {
    const all = /** @type {HTMLElement[]} */ ([...this.#list.querySelectorAll("li[data-id]")]);
    const place = current ? all.indexOf(current) + step : all.length - 1;
    const next = all[Math.max(0, Math.min(place, all.length - 1))];
    next?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "nearest" });
  }
}

/** Has a screen reader say it when it is done with what it says. @param {string} text */
export function announce(text) {
  const announcer = byId("announcer", HTMLElement);
  announcer.replaceChildren(h("span", {}, text));
}
