import { type ComponentProps, type ReactNode, useId } from "react";
import { cx } from "@/lib/cx";

export const controlClass =
  "w-full rounded-md border border-line-strong bg-bg px-2.5 text-sm text-fg transition-colors duration-100 hover:border-faint focus-visible:border-fg focus-visible:outline-1 focus-visible:outline-offset-0 disabled:bg-subtle disabled:text-muted max-md:text-[16px]";

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | null;
  optional?: boolean;
  className?: string;
  /** Gets the ids that tie control, hint and error together. */
  children: (ids: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ReactNode;
}

export function Field({ label, hint, error, optional, className, children }: FieldProps) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div className={cx("flex flex-col gap-1.5", className)}>
      <label htmlFor={id} className="font-medium text-sm">
        {label}
        {optional && <span className="ml-1.5 font-normal text-faint">optional</span>}
      </label>
      {children({
        id,
        ...(note ? { "aria-describedby": `${id}-note` } : {}),
        ...(error ? { "aria-invalid": true as const } : {}),
      })}
      {note && (
        <p id={`${id}-note`} className={cx("text-xs", error ? "text-failed-fg" : "text-faint")}>
          {note}
        </p>
      )}
    </div>
  );
}

export function Input({ className, ...rest }: ComponentProps<"input">) {
  return <input className={cx(controlClass, "h-8 max-md:h-10", className)} {...rest} />;
}

export function Textarea({ className, ...rest }: ComponentProps<"textarea">) {
  return <textarea className={cx(controlClass, "py-1.5 leading-5", className)} {...rest} />;
}
