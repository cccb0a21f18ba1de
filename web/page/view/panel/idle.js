import { byId } from "../../dom.js";
import { Section } from "./part.js";

/** What is offered until somebody sets another silence. */
const SECONDS = 60;

/** @param {import("./part.js").Ask} ask */
export function idlePart(ask) {
  const section = new Section("idle", ask);
  const isOn = byId("idle-on", HTMLInputElement);
  const form = byId("idle-form", HTMLFormElement);
  const seconds = byId("idle-seconds", HTMLInputElement);
  const send = () => void section.run(`/idle ${seconds.value}s`);
  isOn.addEventListener("change", () => (isOn.checked ? send() : void section.run("/idle off")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  return section.shows(({ settings: { idle_seconds } }, put) => {
    isOn.checked = idle_seconds !== null;
    if (idle_seconds !== null || seconds.value === "") put(seconds, String(idle_seconds ?? SECONDS));
  });
}
