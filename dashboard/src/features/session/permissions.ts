import type { Role } from "@/api/types";
import { useUser } from "./use-user";

/** What a role may do here. The API decides; this only keeps buttons that would be refused off the page. */
const allowed = {
  campaigns: ["admin", "operator", "marketer"],
  inbox: ["admin", "operator", "marketer"],
  tasks: ["admin", "operator"],
  workers: ["admin", "operator"],
  deadLetters: ["admin", "operator"],
  access: ["admin"],
} as const satisfies Record<string, readonly Role[]>;

export type Area = keyof typeof allowed;

export function may(role: Role | undefined, area: Area): boolean {
  return role !== undefined && (allowed[area] as readonly Role[]).includes(role);
}

export function useMay(area: Area): boolean {
  return may(useUser()?.role, area);
}
