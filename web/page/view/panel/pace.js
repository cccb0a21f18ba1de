import { byId } from "../../dom.js";
import { pacingLead } from "../../words.js";
import { Section } from "./part.js";
import { segments } from "./segments.js";

/** @type {readonly (readonly [string, string])[]} */
const PACES = [
  ["off", "Off"],
  ["calm", "Calm"],
  ["natural", "Natural"],
  ["chatty", "Chatty"],
  ["custom", "Custom"],
];

/** @param {import("./part.js").Ask} ask */
export function pacePart(ask) {
  const section = new Section("pace", ask);
  const lead = byId("pace-lead", HTMLElement);
  const form = byId("pace-custom", HTMLFormElement);
  const [chance, min, max] = ["pace-chance", "pace-min", "pace-max"].map((id) => byId(id, HTMLInputElement));
  if (!chance || !min || !max) throw new Error("index.html lacks a number of the pace");

  const choice = segments(byId("pace", HTMLElement), "pace", PACES, (pace) => {
    form.hidden = pace !== "custom";
    if (pace !== "custom") return void section.run(`/pace ${pace}`);
    lead.textContent = "Numbers of your own; they count once they are set.";
    chance.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void section.run(`/pace ${chance.value} ${min.value} ${max.value}`);
  });

  return section.shows(({ settings: { pacing } }, put) => {
    const custom = typeof pacing === "string" ? null : pacing.custom;
    // Somebody may be at the numbers while something else changes.
    if (form.contains(document.activeElement) && custom === null) return;
    choice.show(typeof pacing === "string" ? pacing : "custom");
    lead.textContent = pacingLead(pacing);
    form.hidden = custom === null;
    put(chance, String(custom?.reply_chance ?? 0.5));
    put(min, String(custom?.min_delay ?? 2));
    put(max, String(custom?.max_delay ?? 20));
  });
}
