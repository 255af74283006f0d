import type { Role } from "@/api/types";

export const roles: readonly { value: Role; label: string; may: string }[] = [
  { value: "viewer", label: "Viewer", may: "reads everything" },
  { value: "marketer", label: "Marketer", may: "campaigns and inbox" },
  { value: "operator", label: "Operator", may: "also tasks, workers and dead letters" },
  { value: "admin", label: "Admin", may: "everything, also users and keys" },
];
