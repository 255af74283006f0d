import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import { destinations } from "./navigation";

const CHORD_MS = 900;

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      target.closest("input, textarea, select, [role=dialog], [role=menu]") !== null)
  );
}

function focusFilter(): boolean {
  const filter = document.querySelector<HTMLInputElement>("[data-filter]");
  filter?.focus();
  filter?.select();
  return filter !== null;
}

interface Shortcuts {
  onPalette: () => void;
  onHelp: () => void;
}

/** ⌘K, `?`, `/`, `c` and `g` followed by the letter of a page. */
export function useShortcuts(actions: Shortcuts): void {
  const navigate = useNavigate();
  const latest = useRef(actions);
  useEffect(() => {
    latest.current = actions;
  });
  useEffect(() => {
    let chordUntil = 0;
    const onKeyDown = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        latest.current.onPalette();
        return;
      }
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
      if (Date.now() < chordUntil) {
        chordUntil = 0;
        const destination = destinations.find(({ key }) => key === event.key);
        if (destination) {
          event.preventDefault();
          navigate(destination.to);
        }
        return;
      }
      if (event.key === "g") chordUntil = Date.now() + CHORD_MS;
      else if (event.key === "?") latest.current.onHelp();
      else if (event.key === "c") navigate("/campaigns/new");
      else if (event.key === "/" && focusFilter()) event.preventDefault();
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [navigate]);
}
