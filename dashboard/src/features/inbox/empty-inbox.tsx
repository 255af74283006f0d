import { Trash2 } from "lucide-react";
import { useState } from "react";
import { emptyInbox, inboxKeys } from "@/api/queries/inbox";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { useAction } from "@/features/shared/use-action";

export function EmptyInbox({ onDone }: { onDone: () => void }) {
  const [asking, setAsking] = useState(false);
  const empty = useAction({
    run: emptyInbox,
    done: () => "Inbox emptied",
    // Not the mail that is open: it is gone.
    touches: [inboxKeys.lists()],
    onDone,
  });
  return (
    <>
      <Button variant="danger" busy={empty.isPending} onClick={() => setAsking(true)}>
        <Trash2 aria-hidden size={14} />
        Empty
      </Button>
      <Confirm
        open={asking}
        onClose={() => setAsking(false)}
        onConfirm={() => empty.mutate(undefined)}
        title="Empty the sandbox inbox?"
        action="Delete all mails"
        danger
      >
        All received test mails are deleted for good. Campaigns and their recipients are not
        touched.
      </Confirm>
    </>
  );
}
