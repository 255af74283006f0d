/**
 * The head of a CSV file, read in the browser to show what the server will see. The server reads the file itself and
 * decides; this is only a picture of its first rows.
 */
export interface CsvHead {
  columns: string[];
  rows: string[][];
  delimiter: string;
  encoding: "UTF-8" | "Windows-1252";
  /** The column that holds addresses, by name or else by content; null when there is none. */
  emailColumn: string | null;
}

export const HEAD_BYTES = 256 * 1024;
const MAX_ROWS = 50;
const DELIMITERS = [",", ";", "\t", "|"];
const EMAIL_NAMES = ["email", "e-mail", "email_address", "e-mail address", "mail", "address"];

export function decode(bytes: Uint8Array): { text: string; encoding: CsvHead["encoding"] } {
  try {
    // `stream` forgives a character that the cut at HEAD_BYTES has torn apart.
    return {
      text: new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true }),
      encoding: "UTF-8",
    };
  } catch {
    return { text: new TextDecoder("windows-1252").decode(bytes), encoding: "Windows-1252" };
  }
}

/** The delimiter that cuts the first lines into the most columns of the same number. */
export function sniff(text: string): string {
  const scores = DELIMITERS.map((delimiter) => {
    const widths = parse(text, delimiter, 5).map((row) => row.length);
    const first = widths[0] ?? 1;
    const even = widths.filter((width) => width === first).length / Math.max(widths.length, 1);
    return { delimiter, score: first > 1 ? first * even : 0 };
  });
  return scores.sort((a, b) => b.score - a.score)[0]?.delimiter ?? ",";
}

/** RFC 4180 with any delimiter: quotes, doubled quotes, line breaks inside quotes. */
export function parse(text: string, delimiter: string, maxRows: number): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = "";
  let quoted = false;
  const endField = () => {
    row.push(field.trim());
    field = "";
  };
  const endRow = () => {
    endField();
    if (row.some((value) => value !== "")) rows.push(row);
    row = [];
  };
  for (let i = 0; i < text.length && rows.length < maxRows; i++) {
    const char = text[i];
    if (quoted) {
      if (char !== '"') field += char;
      else if (text[i + 1] === '"') {
        field += '"';
        i++;
      } else quoted = false;
    } else if (char === '"' && field.trim() === "") {
      field = "";
      quoted = true;
    } else if (char === delimiter) endField();
    else if (char === "\n") endRow();
    else if (char !== "\r") field += char;
  }
  if (rows.length < maxRows && (field !== "" || row.length > 0)) endRow();
  return rows;
}

function emailColumn(columns: string[], rows: string[][]): string | null {
  const named = columns.find((column) => EMAIL_NAMES.includes(column.toLowerCase()));
  if (named) return named;
  const index = columns.findIndex(
    (_, at) =>
      rows.length > 0 && rows.filter((row) => row[at]?.includes("@")).length > rows.length / 2,
  );
  return columns[index] ?? null;
}

export function readHead(bytes: Uint8Array): CsvHead {
  const { text, encoding } = decode(bytes);
  const clean = text.replace(/^\uFEFF/, "");
  const delimiter = sniff(clean);
  const [columns = [], ...rows] = parse(clean, delimiter, MAX_ROWS + 1);
  return { columns, rows, delimiter, encoding, emailColumn: emailColumn(columns, rows) };
}

/** A row as the template sees it. */
export function asFields(head: CsvHead, index: number): Record<string, string> {
  const row = head.rows[index] ?? [];
  const fields = Object.fromEntries(head.columns.map((column, at) => [column, row[at] ?? ""]));
  return head.emailColumn ? { ...fields, email: fields[head.emailColumn] ?? "" } : fields;
}
