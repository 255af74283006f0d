import { ChevronsUpDown, LogOut, Monitor, Moon, Sun } from "lucide-react";
import { signOut } from "@/api/session";
import { Menu, MenuCheck, MenuItem, MenuLabel, MenuSeparator } from "@/components/ui/menu";
import { useUser } from "@/features/session/use-user";
import { setTheme, type ThemeChoice, useTheme } from "@/lib/theme";

const themes: [ThemeChoice, string, typeof Sun][] = [
  ["system", "Like the system", Monitor],
  ["light", "Light", Sun],
  ["dark", "Dark", Moon],
];

export function UserMenu() {
  const user = useUser();
  const { choice } = useTheme();
  if (!user) return null;
  return (
    <Menu
      side="top"
      align="start"
      trigger={
        <button
          type="button"
          className="flex h-10 w-full items-center gap-2 rounded-md px-2 text-left hover:bg-hover"
        >
          <span className="min-w-0 flex-1">
            <span className="block truncate text-sm leading-4">{user.email}</span>
            <span className="block text-faint text-xs">{user.role}</span>
          </span>
          <ChevronsUpDown aria-hidden size={14} className="shrink-0 text-faint" />
        </button>
      }
    >
      <MenuLabel>Appearance</MenuLabel>
      {themes.map(([value, label, Icon]) => (
        <MenuCheck key={value} checked={choice === value} onChange={() => setTheme(value)}>
          <Icon aria-hidden size={14} className="text-faint" />
          {label}
        </MenuCheck>
      ))}
      <MenuSeparator />
      <MenuItem onSelect={() => void signOut()}>
        <LogOut aria-hidden size={14} className="text-faint" />
        Sign out
      </MenuItem>
    </Menu>
  );
}
