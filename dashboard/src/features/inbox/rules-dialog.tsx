import { useQuery } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { inboxKeys, rulesQuery, saveRules } from "@/api/queries/inbox";
import type { InboxRule } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Dialog, DialogActions } from "@/components/ui/dialog";
import { Skeleton } from "@/components/ui/feedback";
import { Input } from "@/components/ui/field";
import { IconButton } from "@/components/ui/icon-button";
import { Select } from "@/components/ui/select";
import { Loaded } from "@/features/shared/loaded";
import { useAction } from "@/features/shared/use-action";

const actions = [
  { value: "reject", label: "Refuse (550)" },
  { value: "defer", label: "Defer (451)" },
  { value: "drop", label: "Drop connection" },
];

export function RulesDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const query = useQuery({ ...rulesQuery(), enabled: open });
  return (
    <Dialog
      open={open}
      onClose={onClose}
      wide
      title="Rules of the sandbox inbox"
      description="Addresses that match a pattern are answered with a failure, to see how a campaign takes it."
    >
      <Loaded query={query} skeleton={<Skeleton className="h-24" />} compact>
        {(rules) => <RulesForm rules={rules} onClose={onClose} />}
      </Loaded>
    </Dialog>
  );
}

function RulesForm({ rules, onClose }: { rules: InboxRule[]; onClose: () => void }) {
  const [draft, setDraft] = useState(() =>
    rules.map((rule) => ({ ...rule, key: crypto.randomUUID() })),
  );
  const save = useAction({
    run: () =>
      saveRules(
        draft
          .filter((rule) => rule.pattern.trim())
          .map(({ pattern, action, times }) => ({ pattern, action, times })),
      ),
    done: () => "Rules saved",
    touches: [inboxKeys.rules()],
    onDone: onClose,
  });
  const change = (key: string, part: Partial<InboxRule>) =>
    setDraft((current) => current.map((rule) => (rule.key === key ? { ...rule, ...part } : rule)));
  return (
    <>
      <ul className="flex flex-col gap-2">
        {draft.map((rule) => (
          <li key={rule.key} className="flex flex-wrap items-center gap-2">
            <Input
              aria-label="Pattern"
              placeholder="*@bounce.example"
              value={rule.pattern}
              onChange={(event) => change(rule.key, { pattern: event.target.value })}
              className="min-w-40 flex-1"
            />
            <Select
              aria-label="Answer"
              className="w-48!"
              value={rule.action}
              onChange={(action) => change(rule.key, { action: action as InboxRule["action"] })}
              options={actions}
            />
            <Input
              aria-label="How many times, empty for always"
              placeholder="always"
              inputMode="numeric"
              value={rule.times ?? ""}
              onChange={(event) => change(rule.key, { times: Number(event.target.value) || null })}
              className="w-20!"
            />
            <IconButton
              label="Remove rule"
              onClick={() => setDraft((current) => current.filter((each) => each.key !== rule.key))}
            >
              <Trash2 aria-hidden size={15} />
            </IconButton>
          </li>
        ))}
      </ul>
      <Button
        variant="ghost"
        className="mt-2"
        onClick={() =>
          setDraft((current) => [
            ...current,
            { key: crypto.randomUUID(), pattern: "", action: "reject", times: null },
          ])
        }
      >
        <Plus aria-hidden size={14} />
        Add a rule
      </Button>
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button variant="primary" busy={save.isPending} onClick={() => save.mutate()}>
          Save rules
        </Button>
      </DialogActions>
    </>
  );
}
