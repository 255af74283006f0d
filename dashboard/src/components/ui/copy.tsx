import { Check, Copy as CopyIcon } from "lucide-react";
import { useState } from "react";
import { cx } from "@/lib/cx";
import { shortId } from "@/lib/format";
import { IconButton } from "./icon-button";

const SHOWN_MS = 1_200;

function useCopied(text: string): [boolean, () => void] {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    void navigator.clipboard?.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), SHOWN_MS);
    });
  };
  return [copied, copy];
}

/** The tail of an id; a click copies the whole. */
export function CopyId({ id, className }: { id: string; className?: string }) {
  const [copied, copy] = useCopied(id);
  return (
    <button
      type="button"
      title={`Copy ${id}`}
      aria-label={`${shortId(id)}, copy id`}
      onClick={(event) => {
        event.stopPropagation();
        event.preventDefault();
        copy();
      }}
      className={cx(
        "rounded-sm px-1 font-mono text-muted text-xs hover:bg-active hover:text-fg",
        className,
      )}
    >
      {copied ? "copied" : shortId(id)}
    </button>
  );
}

export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [copied, copy] = useCopied(text);
  return (
    <IconButton label={copied ? "Copied" : label} onClick={copy}>
      {copied ? <Check aria-hidden size={14} /> : <CopyIcon aria-hidden size={14} />}
    </IconButton>
  );
}

/** A command to run, with a button that copies it: what an empty page teaches. */
export function Command({ children }: { children: string }) {
  return (
    <div className="flex items-center gap-2 rounded-md border bg-subtle py-0.5 pr-1 pl-3 text-left">
      <code className="min-w-0 flex-1 whitespace-pre-wrap py-1 text-sm [overflow-wrap:anywhere]">
        {children}
      </code>
      <CopyButton text={children} label="Copy command" />
    </div>
  );
}
