import { Plus, Trash2 } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { IconButton } from "@/components/ui/icon-button";
import type { SharedValue } from "./draft";

interface SharedValuesProps {
  values: SharedValue[];
  onChange: (values: SharedValue[]) => void;
}

/** Variables that are the same for everybody: the shop's name, the last day of the sale. */
export function SharedValues({ values, onChange }: SharedValuesProps) {
  const change = (key: string, part: Partial<SharedValue>) =>
    onChange(values.map((value) => (value.key === key ? { ...value, ...part } : value)));
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1.5 font-medium text-sm">
        Values for everybody <span className="ml-1 font-normal text-faint">optional</span>
      </legend>
      {values.map((value) => (
        <div key={value.key} className="flex items-center gap-2">
          <Input
            aria-label="Variable"
            placeholder="shop"
            value={value.name}
            onChange={(event) => change(value.key, { name: event.target.value })}
            className="w-40! shrink-0 font-mono max-md:w-32!"
          />
          <Input
            aria-label={`Value of ${value.name || "the variable"}`}
            placeholder="Nordlicht & Co."
            value={value.value}
            onChange={(event) => change(value.key, { value: event.target.value })}
          />
          <IconButton
            label="Remove value"
            onClick={() => onChange(values.filter((each) => each.key !== value.key))}
          >
            <Trash2 aria-hidden size={15} />
          </IconButton>
        </div>
      ))}
      <Button
        variant="ghost"
        className="-ml-2 self-start"
        onClick={() => onChange([...values, { key: crypto.randomUUID(), name: "", value: "" }])}
      >
        <Plus aria-hidden size={14} />
        Add a value
      </Button>
    </fieldset>
  );
}
