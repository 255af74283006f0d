import { ChevronLeft } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import { Link } from "react-router";
import { cx } from "@/lib/cx";

interface PageProps {
  title: string;
  /** What the tab says, when it is more than the title. */
  documentTitle?: string;
  back?: { to: string; label: string };
  /** Beside the title: a state, a count. */
  badge?: ReactNode;
  actions?: ReactNode;
  description?: ReactNode;
  /** Fills the height of the window, for lists that scroll inside themselves. */
  fill?: boolean;
  children: ReactNode;
}

export function Page(props: PageProps) {
  const { title, documentTitle, back, badge, actions, description, fill = false, children } = props;
  useEffect(() => {
    document.title = `${documentTitle ?? title} · TaskFlow`;
  }, [title, documentTitle]);
  return (
    <div
      className={cx(
        "mx-auto flex w-full max-w-[1360px] flex-col gap-4 px-4 pt-4 pb-6 md:px-6 md:pt-5",
        fill ? "h-full min-h-0 max-md:pb-0 md:pb-4" : "",
      )}
    >
      <header className="flex flex-wrap items-center gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1 basis-44">
          {back && (
            <Link
              to={back.to}
              className="-ml-1 mb-0.5 inline-flex items-center gap-0.5 rounded-sm pr-1 text-faint text-sm hover:text-fg"
            >
              <ChevronLeft aria-hidden size={14} />
              {back.label}
            </Link>
          )}
          <div className="flex min-w-0 flex-wrap items-center gap-x-3 gap-y-1">
            <h1 className="min-w-0 truncate font-semibold text-xl tracking-[-0.01em]">{title}</h1>
            {badge}
          </div>
          {description && <p className="mt-0.5 text-muted text-sm">{description}</p>}
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}
