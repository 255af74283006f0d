import type { ComponentProps } from "react";
import { cx } from "@/lib/cx";
import { Tooltip } from "./tooltip";

interface IconButtonProps extends ComponentProps<"button"> {
  /** Says what it does, to a screen reader and in the tooltip. */
  label: string;
  shortcut?: string;
}

export function IconButton({ label, shortcut, className, ...rest }: IconButtonProps) {
  return (
    <Tooltip label={label} shortcut={shortcut}>
      <button
        type="button"
        aria-label={label}
        className={cx(
          "inline-flex size-7 shrink-0 items-center justify-center rounded-md text-muted transition-colors duration-100 hover:bg-hover hover:text-fg disabled:opacity-50 max-md:size-10",
          className,
        )}
        {...rest}
      />
    </Tooltip>
  );
}
