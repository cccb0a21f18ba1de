import { byId } from "../../dom.js";
import { Section } from "./part.js";

/** @param {import("./part.js").Ask} ask */
export function topicPart(ask) {
  const section = new Section("topic", ask);
  const form = byId("topic-form", HTMLFormElement);
  const input = byId("topic", HTMLInputElement);
  const clear = byId("topic-clear", HTMLButtonElement);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void section.run(`/topic ${input.value.trim()}`.trim());
  });
  clear.addEventListener("click", () => {
    input.value = "";
    input.focus();
    void section.run("/topic");
  });
  return section.shows(({ settings }, put) => {
    put(input, settings.topic ?? "");
    clear.hidden = settings.topic === null;
  });
}
