import { useEffect, useRef, useState } from "react";
import { Outlet, useLocation } from "react-router";
import { useLive } from "@/api/live";
import { useUser } from "@/features/session/use-user";
import { SignIn } from "../sign-in";
import { BottomBar } from "./bottom-bar";
import { ConnectionSign } from "./connection-sign";
import { Palette } from "./palette";
import { ShortcutList } from "./shortcut-list";
import { Sidebar } from "./sidebar";
import { useShortcuts } from "./use-shortcuts";

const ALWAYS = ["workers"];
const ignore = () => undefined;

export function Shell() {
  return useUser() ? <SignedIn /> : <SignIn />;
}

function SignedIn() {
  const [open, setOpen] = useState<"palette" | "shortcuts" | null>(null);
  const content = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new page begins at its top
  useEffect(() => {
    content.current?.scrollTo(0, 0);
  }, [pathname]);
  // Open on every page, so that every page shows when it breaks.
  useLive(ALWAYS, ignore, ignore);
  useShortcuts({ onPalette: () => setOpen("palette"), onHelp: () => setOpen("shortcuts") });
  return (
    <div className="flex h-dvh flex-col md:flex-row">
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-md focus:bg-accent focus:px-3 focus:py-2 focus:text-accent-fg"
      >
        Skip to content
      </a>
      <Sidebar onSearch={() => setOpen("palette")} onHelp={() => setOpen("shortcuts")} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <ConnectionSign />
        <main
          ref={content}
          id="content"
          tabIndex={-1}
          className="min-h-0 flex-1 overflow-y-auto outline-none"
        >
          <Outlet />
        </main>
      </div>
      <BottomBar onSearch={() => setOpen("palette")} />
      <Palette
        open={open === "palette"}
        onClose={() => setOpen(null)}
        onHelp={() => setOpen("shortcuts")}
      />
      <ShortcutList open={open === "shortcuts"} onClose={() => setOpen(null)} />
    </div>
  );
}
