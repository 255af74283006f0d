import { signOut } from "@/api/session";
import { Button } from "@/components/ui/button";
import { Panel, Properties } from "@/components/ui/panel";
import { Select } from "@/components/ui/select";
import { useUser } from "@/features/session/use-user";
import { setTheme, type ThemeChoice, useTheme } from "@/lib/theme";
import { roles } from "./roles";

const themes = [
  { value: "system", label: "Like the system" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
];

export function Profile() {
  const user = useUser();
  const { choice } = useTheme();
  const role = roles.find((each) => each.value === user?.role);
  return (
    <Panel
      title="You"
      aside={
        <Button size="sm" onClick={() => void signOut()}>
          Sign out
        </Button>
      }
    >
      <Properties
        items={[
          ["E-mail", user?.email ?? "–"],
          ["Role", role ? `${role.label}: ${role.may}` : "–"],
          [
            "Appearance",
            <Select
              key="theme"
              aria-label="Appearance"
              className="w-44!"
              value={choice}
              onChange={(value) => setTheme(value as ThemeChoice)}
              options={themes}
            />,
          ],
        ]}
      />
    </Panel>
  );
}
