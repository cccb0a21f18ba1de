// Runs before the first paint: the remembered theme, or what the system prefers where none is remembered.
(() => {
  try {
    const theme = localStorage.getItem("groupchat.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the system decides.
  }
})();
