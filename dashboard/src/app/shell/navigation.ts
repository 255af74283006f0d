import {
  Gauge,
  Inbox,
  ListChecks,
  type LucideIcon,
  MailWarning,
  Megaphone,
  Server,
  Settings,
} from "lucide-react";

export interface Destination {
  to: string;
  label: string;
  icon: LucideIcon;
  /** Typed after `g`. */
  key: string;
}

export const destinations: readonly Destination[] = [
  { to: "/", label: "Overview", icon: Gauge, key: "o" },
  { to: "/campaigns", label: "Campaigns", icon: Megaphone, key: "c" },
  { to: "/tasks", label: "Tasks", icon: ListChecks, key: "t" },
  { to: "/workers", label: "Workers", icon: Server, key: "w" },
  { to: "/dead-letters", label: "Dead letters", icon: MailWarning, key: "d" },
  { to: "/inbox", label: "Inbox", icon: Inbox, key: "i" },
  { to: "/settings", label: "Settings", icon: Settings, key: "s" },
];
