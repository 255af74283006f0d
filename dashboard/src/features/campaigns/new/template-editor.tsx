import { lazy, Suspense, useCallback, useRef, useState } from "react";
import { Skeleton } from "@/components/ui/feedback";

const Editor = lazy(() => import("./editor"));

interface TemplateEditorProps {
  value: string;
  onChange: (value: string) => void;
  variables: string[];
}

/** The HTML of the mail, with the columns of the file as chips that insert themselves. */
export function TemplateEditor({ value, onChange, variables }: TemplateEditorProps) {
  // The editor owns its text; another file is another editor.
  const [generation, setGeneration] = useState(0);
  const picker = useRef<HTMLInputElement>(null);
  const load = async (file: File | undefined) => {
    if (!file) return;
    onChange(await file.text());
    setGeneration((current) => current + 1);
  };
  const insert = useRef<(text: string) => void>(() => undefined);
  const onReady = useCallback((put: (text: string) => void) => {
    insert.current = put;
  }, []);
  return (
    <div className="flex flex-col gap-1.5">
      <div className="flex flex-wrap items-center justify-between gap-x-3 gap-y-1.5">
        <span className="flex items-center gap-2 text-sm">
          <span className="font-medium">HTML</span>
          <input
            ref={picker}
            type="file"
            accept=".html,.htm,.j2,text/html"
            aria-label="HTML file of the mail"
            tabIndex={-1}
            className="sr-only"
            onChange={(event) => void load(event.target.files?.[0])}
          />
          <button
            type="button"
            onClick={() => picker.current?.click()}
            className="rounded-sm text-faint hover:text-fg"
          >
            Open a file
          </button>
        </span>
        {variables.length > 0 && (
          <fieldset aria-label="Insert a variable" className="flex flex-wrap gap-1">
            {variables.map((name) => (
              <button
                key={name}
                type="button"
                title={`Insert {{ ${name} }}`}
                onClick={() => insert.current(`{{ ${name} }}`)}
                className="rounded-sm border bg-subtle px-1.5 font-mono text-muted text-xs leading-5 hover:border-line-strong hover:text-fg max-md:leading-7"
              >
                {name}
              </button>
            ))}
          </fieldset>
        )}
      </div>
      <div className="h-80 resize-y overflow-hidden rounded-md border border-line-strong focus-within:border-fg">
        <Suspense fallback={<Skeleton className="h-full rounded-none" />}>
          <Editor
            key={generation}
            label="HTML of the mail"
            value={value}
            onChange={onChange}
            onReady={onReady}
          />
        </Suspense>
      </div>
      <p className="text-faint text-xs">
        <code>{"{{ name }}"}</code> inserts a column,{" "}
        <code>{'{{ name | default("friend") }}'}</code> has a fallback,{" "}
        <code>{"{% if city %}…{% endif %}"}</code> decides. An unsubscribe link goes with every
        mail.
      </p>
    </div>
  );
}
