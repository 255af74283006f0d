import { Pause, Play, X } from "lucide-react";
import { useState } from "react";
import { ApiProblem } from "@/api/problem";
import { actOnCampaign, type CampaignAction, campaignKeys } from "@/api/queries/campaigns";
import type { Campaign } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { useMay } from "@/features/session/permissions";
import { useAction } from "@/features/shared/use-action";
import { plural } from "@/lib/format";
import { type MissingVariable, missingVariables } from "./missing";
import { isOpen, remaining } from "./progress";

interface CampaignActionsProps {
  campaign: Campaign;
  onMissing: (problems: MissingVariable[]) => void;
}

const said: Record<CampaignAction, string> = {
  start: "Campaign started",
  pause: "Campaign paused",
  resume: "Campaign resumed",
  cancel: "Campaign cancelled",
};

export function CampaignActions({ campaign, onMissing }: CampaignActionsProps) {
  const may = useMay("campaigns");
  const [asking, setAsking] = useState<"start" | "cancel" | null>(null);
  const action = useAction({
    run: (what: CampaignAction) => actOnCampaign(campaign.campaign_id, what),
    done: (_, what) => said[what],
    touches: [campaignKeys.all],
    onFailed: (error) => {
      if (!(error instanceof ApiProblem) || error.code !== "missing_variables") return false;
      onMissing(missingVariables(error.body));
      return true;
    },
  });
  if (!may) return null;
  const busy = (what: CampaignAction) => action.isPending && action.variables === what;
  const { status } = campaign;
  const left = remaining(campaign.progress);
  const open = isOpen(campaign);
  return (
    <>
      {["DRAFT", "SCHEDULED"].includes(status) && (
        <Button variant="primary" busy={busy("start")} onClick={() => setAsking("start")}>
          <Play aria-hidden size={14} />
          {status === "SCHEDULED" ? "Start now" : "Start"}
        </Button>
      )}
      {status === "RUNNING" && (
        <Button busy={busy("pause")} onClick={() => action.mutate("pause")}>
          <Pause aria-hidden size={14} />
          Pause
        </Button>
      )}
      {status === "PAUSED" && (
        <Button variant="primary" busy={busy("resume")} onClick={() => action.mutate("resume")}>
          <Play aria-hidden size={14} />
          Resume
        </Button>
      )}
      {["RUNNING", "PAUSED", "SCHEDULED", "DRAFT"].includes(status) && (
        <Button variant="danger" busy={busy("cancel")} onClick={() => setAsking("cancel")}>
          <X aria-hidden size={14} />
          Cancel
        </Button>
      )}
      <Confirm
        open={asking === "start"}
        onClose={() => setAsking(null)}
        onConfirm={() => action.mutate("start")}
        title={`Start ${campaign.name}?`}
        action={open ? "Mail its audience" : `Mail ${plural(campaign.progress.total, "recipient")}`}
      >
        {open
          ? `Who is in its audience now gets a mail from ${campaign.from_email}.`
          : `${plural(campaign.progress.total, "mail")} from ${campaign.from_email}.`}{" "}
        You can pause at any time; what has been sent stays sent.
      </Confirm>
      <Confirm
        open={asking === "cancel"}
        onClose={() => setAsking(null)}
        onConfirm={() => action.mutate("cancel")}
        title={`Cancel ${campaign.name}?`}
        action="Cancel campaign"
        dismiss="Keep it"
        danger
      >
        {open ? "Nobody" : plural(left, "recipient")} will get {open ? "a" : "no"} mail. This cannot
        be undone. To stop for a while, pause it instead.
      </Confirm>
    </>
  );
}
