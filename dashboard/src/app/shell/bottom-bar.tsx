import { Menu as MenuIcon, Search } from "lucide-react";
import { useState } from "react";
import { NavLink } from "react-router";
import { Dialog } from "@/components/ui/dialog";
import { cx } from "@/lib/cx";
import { LiveSign } from "./live-sign";
import { destinations } from "./navigation";
import { UserMenu } from "./user-menu";

const itemClass = "flex h-14 flex-1 flex-col items-center justify-center gap-0.5 text-[11px]";
const first = destinations.filter(({ to }) => ["/", "/campaigns", "/tasks"].includes(to));
const rest = destinations.filter((destination) => !first.includes(destination));

/** The navigation of a phone, where the thumb is. */
export function BottomBar({ onSearch }: { onSearch: () => void }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <nav
        aria-label="Main"
        className="flex shrink-0 border-t bg-bg pb-[env(safe-area-inset-bottom)] md:hidden"
      >
        {first.map(({ to, label, icon: Icon }) => (
          <NavLink
            key={to}
            to={to}
            end={to === "/"}
            className={({ isActive }) =>
              cx(itemClass, isActive ? "font-medium text-fg" : "text-faint")
            }
          >
            <Icon aria-hidden size={20} strokeWidth={1.75} />
            {label}
          </NavLink>
        ))}
        <button type="button" onClick={onSearch} className={cx(itemClass, "text-faint")}>
          <Search aria-hidden size={20} strokeWidth={1.75} />
          Search
        </button>
        <button type="button" onClick={() => setOpen(true)} className={cx(itemClass, "text-faint")}>
          <MenuIcon aria-hidden size={20} strokeWidth={1.75} />
          More
        </button>
      </nav>
      <Dialog open={open} onClose={() => setOpen(false)} title="More" as="drawer">
        <div className="flex flex-col gap-1">
          {rest.map(({ to, label, icon: Icon }) => (
            <NavLink
              key={to}
              to={to}
              onClick={() => setOpen(false)}
              className="flex h-12 items-center gap-3 rounded-md px-2 text-base active:bg-hover"
            >
              <Icon aria-hidden size={20} strokeWidth={1.75} className="text-muted" />
              {label}
            </NavLink>
          ))}
          <div className="mt-3 flex flex-col gap-3 border-t pt-4">
            <div className="px-2">
              <LiveSign />
            </div>
            <UserMenu />
          </div>
        </div>
      </Dialog>
    </>
  );
}
