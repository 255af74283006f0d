const apple = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** What the command key is called on this keyboard. */
export const modKey = apple ? "⌘" : "Ctrl";
