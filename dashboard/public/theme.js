// Runs before the first paint so that a dark page never flashes white. A file of its own: the CSP allows no inline script.
(() => {
  let choice = "system";
  try {
    choice = localStorage.getItem("taskflow.theme") || "system";
  } catch {
    // Storage is blocked: follow the system.
  }
  const dark =
    choice === "dark" ||
    (choice === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
