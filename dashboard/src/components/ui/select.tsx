import { Check, ChevronDown } from "lucide-react";
import { Select as Radix } from "radix-ui";
import { cx } from "@/lib/cx";
import { controlClass } from "./field";

export interface Option {
  value: string;
  label: string;
}

interface SelectProps {
  value: string;
  onChange: (value: string) => void;
  options: readonly Option[];
  id?: string;
  "aria-label"?: string;
  "aria-describedby"?: string;
  className?: string;
}

/** Radix keeps "" for itself, so an empty choice travels under another name. */
const EMPTY = "__empty__";

export function Select({ value, onChange, options, className, ...rest }: SelectProps) {
  return (
    <Radix.Root
      value={value === "" ? EMPTY : value}
      onValueChange={(next) => onChange(next === EMPTY ? "" : next)}
    >
      <Radix.Trigger
        className={cx(
          controlClass,
          "flex h-8 items-center justify-between gap-2 text-left max-md:h-10",
          className,
        )}
        {...rest}
      >
        <span className="truncate">
          <Radix.Value />
        </span>
        <ChevronDown aria-hidden size={14} className="shrink-0 text-faint" />
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          position="popper"
          sideOffset={4}
          className="rise-in z-50 max-h-80 min-w-(--radix-select-trigger-width) overflow-hidden rounded-lg border border-line-strong bg-raised"
        >
          <Radix.Viewport className="p-1">
            {options.map((option) => (
              <Radix.Item
                key={option.value}
                value={option.value === "" ? EMPTY : option.value}
                className="flex h-7 items-center justify-between gap-4 rounded-sm px-2 text-sm outline-none data-highlighted:bg-hover max-md:h-10"
              >
                <Radix.ItemText>{option.label}</Radix.ItemText>
                <Radix.ItemIndicator>
                  <Check aria-hidden size={14} />
                </Radix.ItemIndicator>
              </Radix.Item>
            ))}
          </Radix.Viewport>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
