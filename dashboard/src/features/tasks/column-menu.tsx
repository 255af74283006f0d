import { Columns3 } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Menu, MenuCheck, MenuLabel } from "@/components/ui/menu";
import { taskColumns } from "./columns";

const KEY = "taskflow.tasks.hidden";
const fixed = new Set(["status", "task"]);
const optional = taskColumns.filter((column) => !fixed.has(column.id ?? ""));

/** Which columns this browser does without. */
export function useHiddenColumns(): [ReadonlySet<string>, (id: string, shown: boolean) => void] {
  const [hidden, setHidden] = useState<ReadonlySet<string>>(
    () => new Set((localStorage.getItem(KEY) ?? "").split(",").filter(Boolean)),
  );
  const toggle = (id: string, shown: boolean) => {
    const next = new Set(hidden);
    if (shown) next.delete(id);
    else next.add(id);
    localStorage.setItem(KEY, [...next].join(","));
    setHidden(next);
  };
  return [hidden, toggle];
}

interface ColumnMenuProps {
  hidden: ReadonlySet<string>;
  onToggle: (id: string, shown: boolean) => void;
}

export function ColumnMenu({ hidden, onToggle }: ColumnMenuProps) {
  return (
    <Menu
      trigger={
        <Button className="max-md:hidden">
          <Columns3 aria-hidden size={14} />
          Columns
        </Button>
      }
    >
      <MenuLabel>Shown columns</MenuLabel>
      {optional.map((column) => {
        const id = column.id ?? "";
        return (
          <MenuCheck key={id} checked={!hidden.has(id)} onChange={(shown) => onToggle(id, shown)}>
            {String(column.header)}
          </MenuCheck>
        );
      })}
    </Menu>
  );
}
