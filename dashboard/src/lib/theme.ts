import { useSyncExternalStore } from "react";

export type ThemeChoice = "system" | "light" | "dark";

const KEY = "taskflow.theme";
const listeners = new Set<() => void>();
const systemDark = matchMedia("(prefers-color-scheme: dark)");

function stored(): ThemeChoice {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

function apply(): void {
  const choice = stored();
  const dark = choice === "dark" || (choice === "system" && systemDark.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const background = getComputedStyle(document.documentElement).getPropertyValue("--bg").trim();
  document.querySelector('meta[name="theme-color"]')?.setAttribute("content", background);
  for (const listener of listeners) listener();
}

systemDark.addEventListener("change", apply);

export function setTheme(choice: ThemeChoice): void {
  localStorage.setItem(KEY, choice);
  apply();
}

export function useTheme(): { choice: ThemeChoice; dark: boolean } {
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    choice: useSyncExternalStore(subscribe, stored),
    dark: useSyncExternalStore(subscribe, () => document.documentElement.dataset.theme === "dark"),
  };
}
