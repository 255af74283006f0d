/** Rows that lack a variable of the template: why a campaign refuses to start. */
import type { ProblemBody } from "@/api/problem";

export interface MissingVariable {
  variable: string;
  /** Line of the CSV file of the first such row, when the recipients came from one. */
  row_number: number | null;
  email: string | null;
  count: number;
}

export function missingVariables(body: ProblemBody): MissingVariable[] {
  if (!Array.isArray(body.problems)) return [];
  return body.problems.map((problem: Partial<MissingVariable>) => ({
    variable: String(problem.variable ?? ""),
    row_number: problem.row_number ?? null,
    email: problem.email ?? null,
    count: problem.count ?? 1,
  }));
}

/** The column that was probably meant, when it is at most two letters away: `first_nmae` → `first_name`. */
export function likely(variable: string, columns: readonly string[]): string | null {
  const ranked = columns
    .map((column) => ({ column, distance: distance(variable.toLowerCase(), column.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= 2 && best.column !== variable ? best.column : null;
}

/** Levenshtein distance, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      next[j] = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + cost);
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
