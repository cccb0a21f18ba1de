import { avatar } from "../../avatar.js";
import { byId, h } from "../../dom.js";
import { listed, speakerCommand } from "../../words.js";
import { Section } from "./part.js";

/** @import { Persona, RoomView } from "../../backend.js" */

/** @param {import("./part.js").Ask} ask */
export function speakersPart(ask) {
  const section = new Section("speaker", ask);
  const list = byId("speakers", HTMLUListElement);
  const lead = byId("speakers-lead", HTMLElement);

  /** Sends what the rows say now. */
  const send = () => {
    const rows = [...list.querySelectorAll("li")];
    const chosen = rows.flatMap((row) => {
      const [tick, weight] = row.querySelectorAll("input");
      return tick?.checked ? [{ name: row.dataset.name ?? "", weight: Number(weight?.value ?? 1) }] : [];
    });
    void section.run(speakerCommand(chosen));
  };

  /** @param {Persona} persona @param {RoomView} view */
  const row = (persona, { settings }) => {
    const forced = settings.speakers.find((speaker) => speaker.persona === persona.id);
    const weighs = forced !== undefined && settings.speakers.length > 1;
    const weight = h("input", { type: "number", min: 0.1, max: 1000, step: "any", value: forced?.weight ?? 1, "aria-label": `How much ${persona.name} says`, title: "Share among those who speak", onchange: send });
    return h(
      "li",
      { "data-name": persona.name },
      h(
        "label",
        {},
        h("input", { type: "checkbox", role: "switch", checked: forced !== undefined, "data-persona": persona.id, onchange: send }),
        avatar(persona.name),
        h("span", { class: "name" }, persona.name),
      ),
      h("span", { class: weighs ? "weight" : "weight absent" }, "×", weight),
    );
  };

  return section.shows((view) => {
    const names = view.cast.filter(({ id }) => view.settings.speakers.some(({ persona }) => persona === id)).map(({ name }) => name);
    lead.textContent = names.length === 0 ? "Anyone may speak. Switch some on and only they do." : `Only ${listed(names)} will speak.`;
    const focused = list.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
    const back = focused?.closest("li")?.dataset.name;
    const type = focused?.getAttribute("type");
    list.replaceChildren(...view.cast.map((persona) => row(persona, view)));
    if (back === undefined) return;
    // Whoever went through the list by keyboard stays where they were.
    const again = [...list.children].find((row) => row instanceof HTMLElement && row.dataset.name === back);
    const input = again?.querySelector(`input[type="${type}"]`);
    if (input instanceof HTMLElement) input.focus();
  });
}
