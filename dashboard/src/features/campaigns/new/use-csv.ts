import { useState } from "react";
import { type CsvHead, HEAD_BYTES, readHead } from "./csv";

/** The chosen file and its head; only the head is read here, however large the file is. */
export function useCsv() {
  const [file, setFile] = useState<File | null>(null);
  const [head, setHead] = useState<CsvHead | null>(null);
  const choose = async (next: File | null) => {
    if (!next) {
      setFile(null);
      setHead(null);
      return;
    }
    const bytes = new Uint8Array(await next.slice(0, HEAD_BYTES).arrayBuffer());
    setHead(readHead(bytes));
    setFile(next);
  };
  return { file, head, choose };
}
