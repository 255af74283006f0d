import { useQuery } from "@tanstack/react-query";
import { KeyRound, Plus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { accessKeys, apiKeysQuery, createApiKey, revokeApiKey } from "@/api/queries/access";
import type { ApiKey, Role } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Command } from "@/components/ui/copy";
import { Dialog, DialogActions } from "@/components/ui/dialog";
import { Empty, Skeleton } from "@/components/ui/feedback";
import { Field, Input } from "@/components/ui/field";
import { Panel } from "@/components/ui/panel";
import { Select } from "@/components/ui/select";
import { Time } from "@/components/ui/time";
import { Loaded } from "@/features/shared/loaded";
import { useAction } from "@/features/shared/use-action";
import { roles } from "./roles";

function NewKey({ onClose }: { onClose: () => void }) {
  const [role, setRole] = useState<Role>("operator");
  const create = useAction({ run: createApiKey, touches: [accessKeys.apiKeys] });
  if (create.data?.key) {
    return (
      <div className="flex flex-col gap-3">
        <p className="text-sm">Copy it now: it is shown this once and kept only as a hash.</p>
        <Command>{create.data.key}</Command>
        <DialogActions>
          <Button variant="primary" onClick={onClose}>
            Done
          </Button>
        </DialogActions>
      </div>
    );
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    create.mutate({ name: String(new FormData(event.currentTarget).get("name")), role });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <Field label="Name" hint="What will use it.">
        {(ids) => (
          <Input {...ids} name="name" required placeholder="nightly import" autoComplete="off" />
        )}
      </Field>
      <Field label="Role" hint={roles.find((each) => each.value === role)?.may}>
        {(ids) => (
          <Select
            {...ids}
            value={role}
            onChange={(value) => setRole(value as Role)}
            options={roles}
          />
        )}
      </Field>
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" variant="primary" busy={create.isPending}>
          Create key
        </Button>
      </DialogActions>
    </form>
  );
}

function KeyLine({ apiKey }: { apiKey: ApiKey }) {
  const [asking, setAsking] = useState(false);
  const revoke = useAction({
    run: () => revokeApiKey(apiKey.key_id),
    done: () => `${apiKey.name} revoked`,
    touches: [accessKeys.apiKeys],
  });
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2 text-sm">
      <span className="min-w-40 flex-1 truncate font-medium">{apiKey.name}</span>
      <span className="text-muted">{apiKey.role}</span>
      <span className="w-32 text-right text-faint max-sm:hidden">
        {apiKey.last_used_at ? (
          <>
            used <Time iso={apiKey.last_used_at} className="" />
          </>
        ) : (
          "never used"
        )}
      </span>
      <Button size="sm" variant="danger" busy={revoke.isPending} onClick={() => setAsking(true)}>
        Revoke
      </Button>
      <Confirm
        open={asking}
        onClose={() => setAsking(false)}
        onConfirm={() => revoke.mutate(undefined)}
        title={`Revoke the key ${apiKey.name}?`}
        action="Revoke key"
        danger
      >
        Whatever uses it is refused from now on. This cannot be undone.
      </Confirm>
    </li>
  );
}

export function ApiKeys() {
  const query = useQuery(apiKeysQuery());
  const [adding, setAdding] = useState(false);
  return (
    <Panel
      title="API keys"
      flush
      aside={
        <Button size="sm" onClick={() => setAdding(true)}>
          <Plus aria-hidden size={13} />
          Create key
        </Button>
      }
    >
      <Loaded query={query} skeleton={<Skeleton className="m-4 h-24" />} compact>
        {(data) =>
          data.items.length > 0 ? (
            <ul className="divide-y divide-line">
              {data.items.map((apiKey) => (
                <KeyLine key={apiKey.key_id} apiKey={apiKey} />
              ))}
            </ul>
          ) : (
            <Empty icon={KeyRound} title="No API key" compact>
              Programs sign in with a key of their own instead of a password.
            </Empty>
          )
        }
      </Loaded>
      <Dialog open={adding} onClose={() => setAdding(false)} title="Create API key">
        <NewKey onClose={() => setAdding(false)} />
      </Dialog>
    </Panel>
  );
}
