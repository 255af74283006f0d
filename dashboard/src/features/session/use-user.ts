import { useSyncExternalStore } from "react";
import { currentUser, subscribe } from "@/api/session";
import type { Me } from "@/api/types";

/** Who is signed in, or null. */
export function useUser(): Me | null {
  return useSyncExternalStore(subscribe, currentUser);
}
