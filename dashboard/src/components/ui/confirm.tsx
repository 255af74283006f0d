import { AlertDialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { Button } from "./button";

interface ConfirmProps {
  open: boolean;
  onClose: () => void;
  onConfirm: () => void;
  /** Names the thing and the count: "Cancel Black Friday?". */
  title: string;
  /** What happens then, and what cannot be undone. */
  children: ReactNode;
  /** A verb: "Cancel campaign". */
  action: string;
  /** What the other button says when "Cancel" would be read as the action. */
  dismiss?: string;
  danger?: boolean;
}

export function Confirm(props: ConfirmProps) {
  const { open, onClose, onConfirm, title, children, action, dismiss = "Cancel", danger } = props;
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fade-in fixed inset-0 z-50 bg-overlay" />
        <Radix.Content className="rise-in fixed inset-x-4 top-[18vh] z-50 mx-auto max-w-md rounded-lg border border-line-strong bg-raised p-5">
          <Radix.Title className="font-semibold text-base">{title}</Radix.Title>
          <Radix.Description asChild>
            <div className="mt-2 text-muted text-sm">{children}</div>
          </Radix.Description>
          <div className="mt-5 flex justify-end gap-2">
            <Radix.Cancel asChild>
              <Button>{dismiss}</Button>
            </Radix.Cancel>
            <Radix.Action asChild>
              <Button variant={danger ? "danger" : "primary"} onClick={onConfirm}>
                {action}
              </Button>
            </Radix.Action>
          </div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
