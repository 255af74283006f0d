import { cx } from "@/lib/cx";
import { CopyButton } from "./copy";

interface CodeProps {
  text: string;
  label: string;
  wrap?: boolean;
  tone?: "plain" | "failed";
  className?: string;
}

/** Text as it is: stack traces, JSON, raw mail. It scrolls inside itself and never widens the page. */
export function Code({ text, label, wrap = false, tone = "plain", className }: CodeProps) {
  return (
    <div className={cx("relative rounded-md border bg-subtle", className)}>
      <div className="absolute top-1 right-1 rounded-md bg-subtle">
        <CopyButton text={text} label={`Copy ${label}`} />
      </div>
      <section aria-label={label} tabIndex={0} className="max-h-[28rem] overflow-auto rounded-md">
        <pre
          className={cx(
            "p-3 pr-10 text-[12.5px] leading-5",
            wrap && "whitespace-pre-wrap break-words",
            tone === "failed" && "text-failed-fg",
          )}
        >
          {text}
        </pre>
      </section>
    </div>
  );
}

export function Json({ value, label }: { value: unknown; label: string }) {
  return <Code text={JSON.stringify(value, null, 2)} label={label} />;
}
