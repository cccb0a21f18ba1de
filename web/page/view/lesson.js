// A training that goes on: a strip below the bar says how far it is, and a sheet shows how well it goes and what the
// personas said before and say now.

import { avatar, hueOf } from "../avatar.js";
import { byId, h, iconButton, s } from "../dom.js";
import { lessonWords } from "../words.js";

/** @import { Lesson, Point, Scene } from "../backend.js" */

/** The field of the curve, and the room that its numbers take. */
const WIDTH = 640;
const HEIGHT = 150;
const EDGE = 34;

export class LessonView {
  #strip = byId("lesson", HTMLElement);
  #words = byId("lesson-words", HTMLElement);
  #progress = byId("lesson-progress", HTMLProgressElement);
  #open = byId("lesson-open", HTMLButtonElement);
  #sheet = byId("lesson-sheet", HTMLDialogElement);
  #curve = byId("lesson-curve", HTMLElement);
  #scenes = byId("lesson-scenes", HTMLElement);
  #isClosed = false;

  constructor() {
    const close = byId("lesson-close", HTMLButtonElement);
    iconButton(close, "close", "Hide this");
    close.addEventListener("click", () => {
      this.#isClosed = true;
      this.#strip.hidden = true;
    });
    const leave = byId("lesson-leave", HTMLButtonElement);
    iconButton(leave, "close", "Close");
    leave.addEventListener("click", () => this.#sheet.close());
    this.#open.addEventListener("click", () => this.#sheet.showModal());
  }

  /** @param {Lesson} lesson */
  show(lesson) {
    this.#strip.hidden = this.#isClosed;
    this.#strip.dataset.stage = lesson.stage;
    this.#words.textContent = lessonWords(lesson);
    this.#progress.hidden = lesson.stage !== "learning";
    this.#progress.max = Math.max(lesson.steps, 1);
    this.#progress.value = lesson.step;
    this.#open.hidden = lesson.scenes.length === 0;
    this.#curve.replaceChildren(...curve(lesson));
    this.#scenes.replaceChildren(...lesson.scenes.map(scene));
  }
}

/** The loss by steps. @param {Lesson} lesson @returns {Element[]} */
function curve({ losses, looks, steps }) {
  const all = [...losses, ...looks].map(({ loss }) => loss);
  if (looks.length === 0 || all.length < 2) return [];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const place = (/** @type {Point} */ { step, loss }) => {
    const x = EDGE + ((WIDTH - EDGE - 8) * step) / Math.max(steps, 1);
    const y = 8 + ((HEIGHT - 16) * (high - loss)) / Math.max(high - low, 1e-9);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  const line = (/** @type {Point[]} */ points, /** @type {string} */ name) => s("polyline", { points: points.map(place).join(" "), class: name });
  const dots = looks.map((point) => {
    const [cx, cy] = place(point).split(",");
    return s("circle", { cx, cy, r: 3 });
  });
  const number = (/** @type {number} */ loss, /** @type {number} */ y) => s("text", { x: EDGE - 6, y }, loss.toFixed(2));
  const last = /** @type {Point} */ (looks.at(-1));
  const label = `The loss went from ${looks[0]?.loss.toFixed(2)} to ${last.loss.toFixed(2)}.`;
  const picture = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, number(high, 14), number(low, HEIGHT - 6), line(losses, "learned"), line(looks, "unseen"), ...dots);
  const legend = h("figcaption", {}, h("span", { class: "unseen" }, "messages it has not learned from"), h("span", { class: "learned" }, "messages it learns from"));
  return [picture, legend];
}

/** @param {Scene} scene */
function scene({ window, speaker, before, after, real }) {
  const lines = window.map(({ name, text }) => h("p", {}, h("b", {}, `${name} `), text));
  const voice = (/** @type {string} */ label, /** @type {string | null} */ text, /** @type {string} */ name) => [
    h("dt", {}, label),
    h("dd", { class: name }, text === null ? "…" : text || "(nothing)"),
  ];
  const card = h(
    "li",
    {},
    h("div", { class: "scene-window" }, ...lines),
    h("div", { class: "scene-turn" }, avatar(speaker), h("h3", {}, speaker)),
    h("dl", {}, ...voice("Before", before, "before"), ...voice("Now", after, "after"), ...voice("Really", real, "real")),
  );
  card.style.setProperty("--hue", String(hueOf(speaker)));
  return card;
}
