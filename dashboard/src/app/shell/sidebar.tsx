import { CircleHelp, Search } from "lucide-react";
import { NavLink } from "react-router";
import { IconButton } from "@/components/ui/icon-button";
import { Kbd } from "@/components/ui/kbd";
import { Logo } from "@/components/ui/logo";
import { cx } from "@/lib/cx";
import { modKey } from "./keys";
import { LiveSign } from "./live-sign";
import { destinations } from "./navigation";
import { UserMenu } from "./user-menu";

interface SidebarProps {
  onSearch: () => void;
  onHelp: () => void;
}

export function Sidebar({ onSearch, onHelp }: SidebarProps) {
  return (
    <aside className="flex w-56 shrink-0 flex-col border-r bg-subtle max-md:hidden">
      <div className="flex h-14 items-center gap-2 px-4">
        <Logo />
        <span className="font-semibold tracking-[-0.01em]">TaskFlow</span>
      </div>
      <div className="px-3 pb-2">
        <button
          type="button"
          onClick={onSearch}
          className="flex h-8 w-full items-center gap-2 rounded-md border border-line-strong bg-bg px-2 text-faint text-sm hover:border-faint hover:text-fg"
        >
          <Search aria-hidden size={14} />
          <span className="flex-1 text-left">Search</span>
          <Kbd>{modKey} K</Kbd>
        </button>
      </div>
      <nav aria-label="Main" className="flex flex-1 flex-col gap-0.5 overflow-y-auto px-3 py-1">
        {destinations.map(({ to, label, icon: Icon }) => (
          <NavLink
            key={to}
            to={to}
            end={to === "/"}
            className={({ isActive }) =>
              cx(
                "flex h-8 items-center gap-2.5 rounded-md px-2 text-sm transition-colors duration-100",
                isActive
                  ? "bg-active font-medium text-fg"
                  : "text-muted hover:bg-hover hover:text-fg",
              )
            }
          >
            <Icon aria-hidden size={16} strokeWidth={1.75} />
            {label}
          </NavLink>
        ))}
      </nav>
      <div className="flex flex-col gap-1 border-t p-3">
        <div className="flex items-center justify-between pl-2">
          <LiveSign />
          <IconButton label="Keyboard shortcuts" shortcut="?" onClick={onHelp}>
            <CircleHelp aria-hidden size={16} />
          </IconButton>
        </div>
        <UserMenu />
      </div>
    </aside>
  );
}
