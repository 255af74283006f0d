import { TriangleAlert } from "lucide-react";
import { cx } from "@/lib/cx";
import type { CsvHead } from "./csv";

const SHOWN = 4;

/** The first rows, so that a wrong delimiter or encoding shows before the upload. */
export function CsvPreview({ head }: { head: CsvHead }) {
  if (head.columns.length === 0) {
    return (
      <p role="alert" className="flex items-center gap-2 text-failed-fg text-sm">
        <TriangleAlert aria-hidden size={14} />
        The file is empty.
      </p>
    );
  }
  return (
    <div className="flex flex-col gap-2">
      <section
        aria-label="First rows of the file"
        tabIndex={0}
        className="overflow-x-auto rounded-md border"
      >
        <table className="w-full text-sm">
          <thead>
            <tr className="border-b bg-subtle text-left text-xs">
              {head.columns.map((column, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: columns may share a name
                <th key={index} className="whitespace-nowrap px-3 py-1.5 font-medium">
                  {column}
                  {column === head.emailColumn && (
                    <span className="ml-1.5 font-normal text-faint">address</span>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {head.rows.slice(0, SHOWN).map((row, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: rows of a file have no other identity
              <tr key={at} className="border-b last:border-0">
                {head.columns.map((column, index) => (
                  <td
                    // biome-ignore lint/suspicious/noArrayIndexKey: columns may share a name
                    key={index}
                    className={cx(
                      "max-w-48 truncate whitespace-nowrap px-3 py-1.5",
                      column === head.emailColumn ? "text-fg" : "text-muted",
                    )}
                  >
                    {row[index] ?? ""}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {head.emailColumn === null && (
        <p role="alert" className="flex items-center gap-2 text-failed-fg text-sm">
          <TriangleAlert aria-hidden size={14} className="shrink-0" />
          No column looks like addresses. Name one of them “email”.
        </p>
      )}
    </div>
  );
}
