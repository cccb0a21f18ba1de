import { h } from "../../dom.js";

/**
 * A row of choices of which one holds.
 *
 * @param {HTMLElement} group
 * @param {string} name
 * @param {readonly (readonly [value: string, label: string])[]} choices
 * @param {(value: string) => void} onChoice
 */
export function segments(group, name, choices, onChoice) {
  const inputs = choices.map(([value]) => h("input", { type: "radio", name, value, onchange: () => onChoice(value) }));
  group.replaceChildren(...choices.map(([, label], place) => h("label", {}, inputs[place], h("span", {}, label))));
  return {
    /** @param {string} value */
    show(value) {
      for (const input of inputs) input.checked = input.value === value;
    },
  };
}
