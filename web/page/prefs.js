// What this browser remembers of its visitor. Storage may be forbidden or full; then nothing is remembered.

/** @typedef {"system" | "light" | "dark"} Theme */

/** @param {string} key */
function read(key) {
  try {
    return localStorage.getItem(`groupchat.${key}`);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string | null} value */
function write(key, value) {
  try {
    if (value === null) localStorage.removeItem(`groupchat.${key}`);
    else localStorage.setItem(`groupchat.${key}`, value);
  } catch {
    // It holds until the page is left.
  }
}

export const DEFAULT_NAME = "Guest";

/** What the visitor is called. */
export function visitorName() {
  return read("name") ?? DEFAULT_NAME;
}

/** Every name that this browser has used: what was said under it stays on the visitor's side. @returns {Set<string>} */
export function visitorNames() {
  return new Set([visitorName(), ...(read("names") ?? "").split("\n").filter(Boolean)]);
}

/** @param {string} name */
export function rememberName(name) {
  const names = visitorNames().add(name);
  write("name", name);
  write("names", [...names].slice(-20).join("\n"));
}

export function hasSeenHint() {
  return read("hint") === "seen";
}

export function rememberHint() {
  write("hint", "seen");
}

/** @returns {Theme} */
export function theme() {
  const theme = read("theme");
  return theme === "light" || theme === "dark" ? theme : "system";
}

/** @param {Theme} theme */
export function setTheme(theme) {
  write("theme", theme === "system" ? null : theme);
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Whether the page is dark at this moment. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
