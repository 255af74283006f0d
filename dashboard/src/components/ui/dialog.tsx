import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  description?: ReactNode;
  children: ReactNode;
  /** A drawer holds the detail of a row beside its list; a dialog asks something. */
  as?: "dialog" | "drawer";
  wide?: boolean;
}

export function Dialog(props: DialogProps) {
  const { open, onClose, title, description, children, as = "dialog", wide = false } = props;
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fade-in fixed inset-0 z-40 bg-overlay" />
        <Radix.Content
          {...(description ? {} : { "aria-describedby": undefined })}
          className={cx(
            "fixed z-40 flex flex-col border-line-strong bg-raised outline-none",
            as === "dialog" &&
              cx(
                "rise-in inset-x-4 top-[12vh] mx-auto max-h-[80vh] rounded-lg border",
                wide ? "max-w-2xl" : "max-w-md",
              ),
            as === "drawer" && "slide-in inset-y-0 right-0 w-full border-l sm:max-w-lg",
          )}
        >
          <header className="flex items-start gap-3 border-b px-4 py-3">
            <div className="min-w-0 flex-1">
              <Radix.Title className="truncate font-semibold text-base">{title}</Radix.Title>
              {description && (
                <Radix.Description className="mt-0.5 text-muted text-sm">
                  {description}
                </Radix.Description>
              )}
            </div>
            <Radix.Close
              aria-label="Close"
              className="-mr-1 inline-flex size-7 items-center justify-center rounded-md text-muted hover:bg-hover hover:text-fg max-md:size-10"
            >
              <X aria-hidden size={16} />
            </Radix.Close>
          </header>
          <div className="min-h-0 flex-1 overflow-y-auto p-4">{children}</div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export function DialogActions({ children }: { children: ReactNode }) {
  return <div className="mt-5 flex flex-wrap justify-end gap-2">{children}</div>;
}
