import { FileSpreadsheet, Upload, X } from "lucide-react";
import { type DragEvent, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { IconButton } from "@/components/ui/icon-button";
import { cx } from "@/lib/cx";
import { bytes, plural } from "@/lib/format";
import type { CsvHead } from "./csv";

interface CsvDropProps {
  file: File | null;
  head: CsvHead | null;
  onFile: (file: File | null) => void;
}

const delimiterNames: Record<string, string> = {
  ",": "comma",
  ";": "semicolon",
  "\t": "tab",
  "|": "pipe",
};

export function CsvDrop({ file, head, onFile }: CsvDropProps) {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const dropped = event.dataTransfer.files[0];
    if (dropped) onFile(dropped);
  };
  const chooser = (
    <input
      ref={input}
      type="file"
      accept=".csv,.tsv,.txt,text/csv"
      aria-label="CSV file with recipients"
      className="sr-only"
      tabIndex={-1}
      onChange={(event) => onFile(event.target.files?.[0] ?? null)}
    />
  );
  if (file && head) {
    return (
      <div className="flex items-center gap-3 rounded-md border px-3 py-2">
        {chooser}
        <FileSpreadsheet aria-hidden size={18} strokeWidth={1.5} className="shrink-0 text-muted" />
        <div className="min-w-0 flex-1">
          <p className="truncate font-medium text-sm">{file.name}</p>
          <p className="text-faint text-xs">
            {bytes(file.size)} · {plural(head.columns.length, "column")} · {head.encoding} ·{" "}
            {delimiterNames[head.delimiter]}
          </p>
        </div>
        <Button size="sm" onClick={() => input.current?.click()}>
          Replace
        </Button>
        <IconButton label="Remove file" onClick={() => onFile(null)}>
          <X aria-hidden size={15} />
        </IconButton>
      </div>
    );
  }
  return (
    <div
      role="group"
      aria-label="Recipients file"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      className={cx(
        "flex flex-col items-center gap-1 rounded-md border border-dashed px-4 py-8 text-center",
        over ? "border-fg bg-hover" : "border-line-strong",
      )}
    >
      {chooser}
      <Upload aria-hidden size={20} strokeWidth={1.5} className="mb-1 text-faint" />
      <p className="text-sm">
        Drop a CSV here or{" "}
        <button
          type="button"
          onClick={() => input.current?.click()}
          className="rounded-sm font-medium underline underline-offset-2"
        >
          choose a file
        </button>
      </p>
      <p className="text-faint text-xs">
        One row a recipient, with a column for the address. Every other column is a variable.
      </p>
    </div>
  );
}
