import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

export interface Tab {
  value: string;
  label: ReactNode;
  count?: number | string | null;
}

interface TabsProps {
  tabs: Tab[];
  value: string;
  onChange: (value: string) => void;
  label: string;
  children?: ReactNode;
}

/**
 * Views of one thing, kept in the URL by the page. They are buttons with `aria-pressed` rather than ARIA tabs: each one
 * is a place of its own to which Back leads.
 */
export function Tabs({ tabs, value, onChange, label, children }: TabsProps) {
  return (
    <div className="flex items-end justify-between gap-3 border-b">
      <nav aria-label={label} className="-mb-px flex min-w-0 gap-4 overflow-x-auto">
        {tabs.map((tab) => (
          <button
            key={tab.value}
            type="button"
            aria-pressed={tab.value === value}
            onClick={() => onChange(tab.value)}
            className={cx(
              "flex h-9 shrink-0 items-center gap-1.5 border-b-2 px-0.5 text-sm focus-visible:-outline-offset-2 max-md:h-11",
              tab.value === value
                ? "border-fg font-medium text-fg"
                : "border-transparent text-muted hover:text-fg",
            )}
          >
            {tab.label}
            {tab.count !== undefined && tab.count !== null && (
              <span className="text-faint text-xs">{tab.count}</span>
            )}
          </button>
        ))}
      </nav>
      {children && <div className="flex items-center gap-2 pb-1">{children}</div>}
    </div>
  );
}

/** A row of filters of which one holds: all, running, failed… */
export function Chips({ tabs, value, onChange, label }: TabsProps) {
  return (
    <fieldset
      className="flex min-h-7 min-w-0 gap-1 overflow-x-auto max-md:min-h-9"
      aria-label={label}
    >
      {tabs.map((tab) => (
        <button
          key={tab.value}
          type="button"
          aria-pressed={tab.value === value}
          onClick={() => onChange(tab.value)}
          className={cx(
            "flex h-7 shrink-0 items-center gap-1.5 rounded-md px-2 text-sm focus-visible:-outline-offset-2 max-md:h-9 max-md:px-3",
            tab.value === value
              ? "bg-active font-medium text-fg"
              : "text-muted hover:bg-hover hover:text-fg",
          )}
        >
          {tab.label}
          {tab.count !== undefined && tab.count !== null && (
            <span className="text-faint text-xs">{tab.count}</span>
          )}
        </button>
      ))}
    </fieldset>
  );
}
