import { TriangleAlert, X } from "lucide-react";
import { IconButton } from "@/components/ui/icon-button";
import { count, plural } from "@/lib/format";
import { likely, type MissingVariable } from "./missing";

interface MissingPanelProps {
  problems: MissingVariable[];
  /** Columns that the recipients do have, to guess a misspelling. */
  columns: readonly string[];
  onClose: () => void;
}

export function MissingPanel({ problems, columns, onClose }: MissingPanelProps) {
  const rows = problems.reduce((sum, problem) => sum + problem.count, 0);
  return (
    <section role="alert" className="rounded-lg border border-retrying bg-retrying-bg">
      <header className="flex items-start gap-2.5 px-4 py-3">
        <TriangleAlert aria-hidden size={16} className="mt-0.5 shrink-0 text-retrying-fg" />
        <div className="min-w-0 flex-1">
          <h2 className="font-semibold text-sm">
            The campaign was not started: variables are missing
          </h2>
          <p className="mt-0.5 text-sm">
            The template uses {plural(problems.length, "variable")} for which{" "}
            {plural(rows, "recipient")} {rows === 1 ? "has" : "have"} no value. No mail has gone
            out.
          </p>
        </div>
        <IconButton label="Close" onClick={onClose}>
          <X aria-hidden size={16} />
        </IconButton>
      </header>
      <ul className="divide-y divide-line border-t bg-bg">
        {problems.map((problem) => {
          const guess = likely(problem.variable, columns);
          return (
            <li
              key={problem.variable}
              className="flex flex-wrap items-baseline gap-x-4 gap-y-0.5 px-4 py-2 text-sm"
            >
              <code className="font-medium">{`{{ ${problem.variable} }}`}</code>
              <span className="text-muted">{plural(problem.count, "row")}</span>
              {problem.email && (
                <span className="min-w-0 truncate text-muted">
                  first: {problem.row_number !== null && `line ${count(problem.row_number)}, `}
                  {problem.email}
                </span>
              )}
              {guess && (
                <span>
                  Did you mean <code>{`{{ ${guess} }}`}</code>?
                </span>
              )}
            </li>
          );
        })}
      </ul>
      <p className="border-t px-4 py-2.5 text-muted text-sm">
        {problems.some((problem) => problem.row_number !== null)
          ? "Fill the column in the file"
          : "Fill the attribute of these contacts"}
        , or give the template a fallback:{" "}
        <code className="text-fg">{`{{ ${problems[0]?.variable ?? "name"} | default("friend") }}`}</code>
        . Then create the campaign again.
      </p>
    </section>
  );
}
