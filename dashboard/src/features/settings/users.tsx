import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { accessKeys, changeUser, createUser, usersQuery } from "@/api/queries/access";
import type { Role, User } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Dialog, DialogActions } from "@/components/ui/dialog";
import { Skeleton } from "@/components/ui/feedback";
import { Field, Input } from "@/components/ui/field";
import { Panel } from "@/components/ui/panel";
import { Select } from "@/components/ui/select";
import { useUser } from "@/features/session/use-user";
import { Loaded } from "@/features/shared/loaded";
import { useAction } from "@/features/shared/use-action";
import { roles } from "./roles";

const MIN_PASSWORD = 12;

function NewUser({ onClose }: { onClose: () => void }) {
  const [role, setRole] = useState<Role>("viewer");
  const create = useAction({
    run: createUser,
    done: (user) => `${user.email} can sign in`,
    touches: [accessKeys.users],
    onDone: onClose,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    create.mutate({
      email: String(form.get("email")),
      password: String(form.get("password")),
      role,
    });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <Field label="E-mail">
        {(ids) => <Input {...ids} name="email" type="email" required autoComplete="off" />}
      </Field>
      <Field
        label="First password"
        hint={`At least ${MIN_PASSWORD} characters. Hand it over in person.`}
      >
        {(ids) => (
          <Input
            {...ids}
            name="password"
            type="password"
            required
            minLength={MIN_PASSWORD}
            autoComplete="new-password"
          />
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
          Add user
        </Button>
      </DialogActions>
    </form>
  );
}

function UserLine({ user }: { user: User }) {
  const me = useUser()?.user_id === user.user_id;
  const change = useAction({
    run: (part: { role?: Role; is_active?: boolean }) => changeUser(user.user_id, part),
    done: (changed) => `${changed.email} changed`,
    touches: [accessKeys.users],
  });
  const active = user.is_active !== false;
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2">
      <span className="min-w-40 flex-1 truncate text-sm max-sm:basis-full">
        <span className={active ? "font-medium" : "text-faint line-through"}>{user.email}</span>
        {me && <span className="ml-2 text-faint">you</span>}
      </span>
      {me ? (
        <span className="text-muted text-sm">
          {roles.find((role) => role.value === user.role)?.label}
        </span>
      ) : (
        <>
          <Select
            aria-label={`Role of ${user.email}`}
            className="w-32!"
            value={user.role}
            onChange={(role) => change.mutate({ role: role as Role })}
            options={roles}
          />
          <Button
            size="sm"
            variant={active ? "danger" : "secondary"}
            busy={change.isPending}
            onClick={() => change.mutate({ is_active: !active })}
          >
            {active ? "Lock out" : "Let in"}
          </Button>
        </>
      )}
    </li>
  );
}

export function Users() {
  const query = useQuery(usersQuery());
  const [adding, setAdding] = useState(false);
  return (
    <Panel
      title="Users"
      flush
      aside={
        <Button size="sm" onClick={() => setAdding(true)}>
          <Plus aria-hidden size={13} />
          Add user
        </Button>
      }
    >
      <Loaded query={query} skeleton={<Skeleton className="m-4 h-32" />} compact>
        {(data) => (
          <ul className="divide-y divide-line">
            {data.items.map((user) => (
              <UserLine key={user.user_id} user={user} />
            ))}
          </ul>
        )}
      </Loaded>
      <Dialog open={adding} onClose={() => setAdding(false)} title="Add user">
        <NewUser onClose={() => setAdding(false)} />
      </Dialog>
    </Panel>
  );
}
