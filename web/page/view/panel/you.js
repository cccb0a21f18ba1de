import { byId } from "../../dom.js";
import { setTheme, theme } from "../../prefs.js";
import { Section } from "./part.js";
import { segments } from "./segments.js";

/** @type {readonly (readonly [string, string])[]} */
const THEMES = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

/**
 * @param {(name: string) => Promise<void>} rename
 * @param {() => void} onTheme told after the theme was changed here
 */
export function youPart(rename, onTheme) {
  const section = new Section("you", async () => ({ audience: "asker", done: true, text: "" }));
  const form = byId("name-form", HTMLFormElement);
  const input = byId("name", HTMLInputElement);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void section.attempt(() => rename(input.value.trim()));
  });
  const colours = segments(byId("theme", HTMLElement), "theme", THEMES, (chosen) => {
    setTheme(chosen === "light" || chosen === "dark" ? chosen : "system");
    onTheme();
  });
  return {
    /** @param {string} name */
    showName(name) {
      input.value = name;
    },
    showTheme() {
      colours.show(theme());
    },
    focusName() {
      input.focus();
      input.select();
    },
  };
}
