import { Slot } from "radix-ui";
import type { ComponentProps } from "react";
import { cx } from "@/lib/cx";

type Variant = "primary" | "secondary" | "ghost" | "danger";
type Size = "sm" | "md";

const base =
  "inline-flex shrink-0 select-none items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap transition-colors duration-100 disabled:opacity-50 aria-disabled:opacity-50";

const variants: Record<Variant, string> = {
  primary: "bg-accent text-accent-fg not-disabled:hover:bg-accent-hover",
  secondary: "border border-line-strong bg-raised text-fg not-disabled:hover:bg-hover",
  ghost: "text-muted not-disabled:hover:bg-hover not-disabled:hover:text-fg",
  danger: "border border-line-strong bg-raised text-failed-fg not-disabled:hover:bg-failed-bg",
};

const sizes: Record<Size, string> = {
  sm: "h-7 px-2 text-sm max-md:h-9 max-md:px-3",
  md: "h-8 px-3 text-sm max-md:h-10",
};

export interface ButtonProps extends ComponentProps<"button"> {
  variant?: Variant;
  size?: Size;
  /** Shows that the click was taken; the button keeps its width. */
  busy?: boolean;
  /** Lends the looks to the only child, a link mostly. */
  asChild?: boolean;
}

export function Button({
  variant = "secondary",
  size = "md",
  busy = false,
  asChild = false,
  className,
  disabled,
  children,
  ...rest
}: ButtonProps) {
  const classes = cx(base, variants[variant], sizes[size], className);
  if (asChild) {
    return (
      <Slot.Root className={classes} {...rest}>
        {children}
      </Slot.Root>
    );
  }
  return (
    <button
      type="button"
      className={cx(classes, busy && "animate-pulse")}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {children}
    </button>
  );
}
