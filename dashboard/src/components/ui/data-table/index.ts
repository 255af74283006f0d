export { DataTable } from "./data-table";
export { TableSkeleton } from "./skeleton";
export type { Column, Selection } from "./types";
