import { byId } from "../../dom.js";
import { tuneCommand } from "../../words.js";
import { Section } from "./part.js";

/** @type {readonly (keyof import("../../backend.js").Sampling)[]} */
const KNOBS = ["temperature", "top_p", "top_k"];

/** @param {import("./part.js").Ask} ask */
export function tunePart(ask) {
  const section = new Section("tune", ask);
  const knobs = KNOBS.map((key) => ({ key, range: byId(key, HTMLInputElement), number: byId(`${key}-number`, HTMLInputElement) }));
  const value = (/** @type {string} */ key) => Number(knobs.find((knob) => knob.key === key)?.number.value);
  const send = () => void section.run(tuneCommand({ temperature: value("temperature"), top_p: value("top_p"), top_k: value("top_k") }));
  for (const { range, number } of knobs) {
    range.addEventListener("input", () => {
      number.value = range.value;
    });
    range.addEventListener("change", send);
    number.addEventListener("change", () => {
      range.value = number.value;
      send();
    });
  }
  return section.shows(({ settings: { sampling } }, put) => {
    for (const { key, range, number } of knobs) {
      put(range, String(sampling[key]));
      put(number, String(sampling[key]));
    }
  });
}
