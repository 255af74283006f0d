import { CircleHelp } from "lucide-react";
import { useState } from "react";
import { campaignKeys, resolveUncertain } from "@/api/queries/campaigns";
import type { Campaign, Resolution } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { useMay } from "@/features/session/permissions";
import { useAction } from "@/features/shared/use-action";
import { plural } from "@/lib/format";

const choices: { as: Resolution; label: string; question: string; means: string }[] = [
  {
    as: "sent",
    label: "Count as sent",
    question: "Count as sent",
    means: "Choose this when the provider's log shows them. Nothing goes out.",
  },
  {
    as: "failed",
    label: "Count as failed",
    question: "Count as failed",
    means: "Choose this when they must not be sent again. Nothing goes out.",
  },
  {
    as: "resend",
    label: "Send again",
    question: "Send again",
    means: "Whoever got the first one gets it twice.",
  },
];

/** Mails on the wire when their sender died: the one thing that TaskFlow leaves for a person to decide. */
export function UncertainPanel({ campaign }: { campaign: Campaign }) {
  const may = useMay("campaigns");
  const [asking, setAsking] = useState<Resolution | null>(null);
  const resolve = useAction({
    run: (as: Resolution) => resolveUncertain(campaign.campaign_id, as),
    done: ({ resolved }) => `${plural(resolved, "recipient")} decided`,
    touches: [campaignKeys.all],
  });
  const { uncertain } = campaign.progress;
  const choice = choices.find((each) => each.as === asking);
  return (
    <section className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-lg border px-4 py-2.5">
      <p className="flex min-w-64 flex-1 items-start gap-2.5 text-sm">
        <CircleHelp aria-hidden size={16} className="mt-0.5 shrink-0 text-uncertain-fg" />
        <span>
          {plural(uncertain, "mail")} may or may not have gone out: the connection broke before the
          server's answer.
        </span>
      </p>
      {may && (
        <div className="flex flex-wrap gap-2">
          {choices.map(({ as, label }) => (
            <Button
              key={as}
              size="sm"
              busy={resolve.isPending && resolve.variables === as}
              onClick={() => setAsking(as)}
            >
              {label}
            </Button>
          ))}
        </div>
      )}
      <Confirm
        open={choice !== undefined}
        onClose={() => setAsking(null)}
        onConfirm={() => asking && resolve.mutate(asking)}
        title={`${choice?.question ?? ""}: ${plural(uncertain, "uncertain mail")}?`}
        action={choice?.label ?? ""}
        danger={asking === "resend"}
      >
        {choice?.means}
      </Confirm>
    </section>
  );
}
