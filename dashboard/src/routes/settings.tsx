import { useNavigate, useParams } from "react-router";
import { Page } from "@/components/ui/page";
import { Tabs } from "@/components/ui/tabs";
import { useMay } from "@/features/session/permissions";
import { ApiKeys } from "@/features/settings/api-keys";
import { AuditLog } from "@/features/settings/audit-log";
import { Profile } from "@/features/settings/profile";
import { Users } from "@/features/settings/users";

export default function Settings() {
  const { tab = "" } = useParams();
  const navigate = useNavigate();
  const may = useMay("access");
  return (
    <Page title="Settings">
      <div className="flex max-w-3xl flex-col gap-4">
        {may && (
          <Tabs
            label="Parts of the settings"
            value={tab}
            onChange={(next) => navigate(`/settings/${next}`)}
            tabs={[
              { value: "", label: "You" },
              { value: "users", label: "Users" },
              { value: "keys", label: "API keys" },
              { value: "audit", label: "Audit log" },
            ]}
          />
        )}
        {(tab === "" || !may) && <Profile />}
        {may && tab === "users" && <Users />}
        {may && tab === "keys" && <ApiKeys />}
        {may && tab === "audit" && <AuditLog />}
      </div>
    </Page>
  );
}
