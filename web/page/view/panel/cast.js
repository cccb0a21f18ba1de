import { avatar } from "../../avatar.js";
import { byId, h, icon } from "../../dom.js";
import { quoted } from "../../words.js";
import { Section } from "./part.js";

/** From so many names on there is a field to find one. */
const MANY = 12;
/** So many names are offered at once. */
const OFFERED = 24;

/** @param {import("./part.js").Ask} ask */
export function castPart(ask) {
  const section = new Section("cast", ask);
  const list = byId("cast", HTMLUListElement);
  const others = byId("others", HTMLUListElement);
  const title = byId("others-title", HTMLElement);
  const filter = byId("others-filter", HTMLInputElement);

  const showOthers = () => {
    const names = section.view?.others ?? [];
    const wanted = filter.value.trim().toLowerCase();
    const fitting = names.filter((name) => name.toLowerCase().includes(wanted)).slice(0, OFFERED);
    title.hidden = names.length === 0;
    filter.hidden = names.length <= MANY;
    others.replaceChildren(
      ...fitting.map((name) =>
        h("li", {}, h("button", { type: "button", "aria-label": `Bring in ${name}`, onclick: () => void section.run(`/summon ${quoted(name)}`) }, avatar(name), name, icon("plus"))),
      ),
    );
  };
  filter.addEventListener("input", showOthers);

  return section.shows(({ cast }) => {
    const hadFocus = list.contains(document.activeElement);
    const rows = cast.map(({ name }) =>
      h(
        "li",
        {},
        avatar(name),
        h("span", { class: "name" }, name),
        h("button", { type: "button", class: "quiet", "aria-label": `Send ${name} away`, onclick: () => void section.run(`/dismiss ${quoted(name)}`) }, "Send away"),
      ),
    );
    list.replaceChildren(...(rows.length > 0 ? rows : [h("li", { class: "lead" }, "Nobody. Bring somebody in, and they begin to talk.")]));
    if (hadFocus) list.querySelector("button")?.focus();
    showOthers();
  });
}
