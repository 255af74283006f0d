import { X } from "lucide-react";
import { useEffect, useState } from "react";
import { Input } from "@/components/ui/field";
import { Select } from "@/components/ui/select";
import { Chips } from "@/components/ui/tabs";
import { shortId } from "@/lib/format";
import { stateLook, taskStatuses } from "@/lib/states";
import { ranges } from "./filters";

const TYPING_MS = 350;

interface TaskFiltersProps {
  get: (key: string) => string;
  set: (changes: Record<string, string | null>) => void;
  queues: string[];
}

interface TextFilterProps {
  label: string;
  className: string;
  value: string;
  onChange: (value: string) => void;
}

/** Keeps what is being typed and hands it on when the typing stops. */
function TextFilter({ label, className, value, onChange }: TextFilterProps) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, value, onChange]);
  return (
    <Input
      type="search"
      data-filter
      aria-label={label}
      placeholder={label}
      value={text}
      onChange={(event) => setText(event.target.value)}
      className={`${className} max-md:w-full!`}
    />
  );
}

export function TaskFilters({ get, set, queues }: TaskFiltersProps) {
  const queue = get("queue");
  const known = queue && !queues.includes(queue) ? [...queues, queue] : queues;
  const campaign = get("campaign_id");
  const tabs = [
    { value: "", label: "All" },
    ...taskStatuses.map((status) => ({ value: status, label: stateLook("task", status).label })),
  ];
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
      <Chips
        label="Status"
        tabs={tabs}
        value={get("status")}
        onChange={(status) => set({ status })}
      />
      <div className="flex min-w-0 items-center gap-2 max-md:grid max-md:w-full max-md:grid-cols-2">
        <TextFilter
          label="Task name"
          className="w-36!"
          value={get("task_name")}
          onChange={(task_name) => set({ task_name })}
        />
        <TextFilter
          label="Tags"
          className="w-28!"
          value={get("tag")}
          onChange={(tag) => set({ tag })}
        />
        <Select
          aria-label="Queue"
          className="w-32! max-md:w-full!"
          value={queue}
          onChange={(value) => set({ queue: value })}
          options={[
            { value: "", label: "All queues" },
            ...known.map((name) => ({ value: name, label: name })),
          ]}
        />
        <Select
          aria-label="Created"
          className="w-32! max-md:w-full!"
          value={get("since")}
          onChange={(value) => set({ since: value })}
          options={ranges}
        />
        {campaign && (
          <button
            type="button"
            aria-label="Show tasks of all campaigns"
            onClick={() => set({ campaign_id: null })}
            className="flex h-8 shrink-0 items-center gap-1.5 rounded-md bg-active px-2 text-sm hover:bg-hover"
          >
            Campaign <span className="font-mono text-xs">{shortId(campaign)}</span>
            <X aria-hidden size={13} />
          </button>
        )}
      </div>
    </div>
  );
}
