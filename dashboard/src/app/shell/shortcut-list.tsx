import { Dialog } from "@/components/ui/dialog";
import { Kbd } from "@/components/ui/kbd";
import { modKey } from "./keys";
import { destinations } from "./navigation";

const groups: [string, [string[], string][]][] = [
  [
    "Anywhere",
    [
      [[modKey, "K"], "Search and act"],
      [["?"], "This list"],
      [["/"], "Filter the list"],
      [["c"], "New campaign"],
    ],
  ],
  [
    "In a list",
    [
      [["↑", "↓"], "Move, also with j and k"],
      [["Enter"], "Open"],
      [["x"], "Select"],
      [["Home", "End"], "First and last"],
    ],
  ],
  ["Go to", destinations.map(({ key, label }): [string[], string] => [["g", key], label])],
];

export function ShortcutList({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} title="Keyboard shortcuts" wide>
      <div className="grid gap-x-10 gap-y-6 sm:grid-cols-2">
        {groups.map(([title, shortcuts]) => (
          <section key={title}>
            <h3 className="mb-2 text-faint text-xs">{title}</h3>
            <dl className="flex flex-col gap-1.5">
              {shortcuts.map(([keys, what]) => (
                <div key={what} className="flex items-center justify-between gap-4 text-sm">
                  <dt>{what}</dt>
                  <dd className="flex gap-1">
                    {keys.map((key) => (
                      <Kbd key={key}>{key}</Kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
