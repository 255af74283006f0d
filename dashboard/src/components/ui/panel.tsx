import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

interface PanelProps {
  title?: ReactNode;
  /** Right of the title: a link to all, a count, a button. */
  aside?: ReactNode;
  children: ReactNode;
  /** Without padding, for tables and lists that bring their own. */
  flush?: boolean;
  className?: string;
}

export function Panel({ title, aside, children, flush = false, className }: PanelProps) {
  return (
    <section className={cx("min-w-0 rounded-lg border bg-bg", className)}>
      {(title || aside) && (
        <header className="flex min-h-11 items-center justify-between gap-3 border-b px-4 py-1.5">
          <h2 className="font-semibold text-sm">{title}</h2>
          {aside && <div className="flex items-center gap-2 text-muted text-sm">{aside}</div>}
        </header>
      )}
      <div className={flush ? "" : "p-4"}>{children}</div>
    </section>
  );
}

interface PropertiesProps {
  items: [label: string, value: ReactNode][];
}

/** Label and value, one a line: the facts of a thing. */
export function Properties({ items }: PropertiesProps) {
  return (
    <dl className="grid grid-cols-[minmax(6.5rem,auto)_minmax(0,1fr)] gap-x-4 gap-y-2 text-sm">
      {items.map(([label, value]) => (
        <div key={label} className="contents">
          <dt className="text-faint">{label}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
