import { useMemo, useState } from "react";
import { useNavigate } from "react-router";
import { campaignKeys, createCampaign } from "@/api/queries/campaigns";
import { Button } from "@/components/ui/button";
import { Failed } from "@/components/ui/feedback";
import { Page } from "@/components/ui/page";
import {
  check,
  type Draft,
  emptyDraft,
  sharedValues,
  toForm,
} from "@/features/campaigns/new/draft";
import { CampaignForm } from "@/features/campaigns/new/form";
import { LivePreview } from "@/features/campaigns/new/live-preview";
import { useCsv } from "@/features/campaigns/new/use-csv";
import { useMay } from "@/features/session/permissions";
import { useAction } from "@/features/shared/use-action";
import { plural } from "@/lib/format";

const back = { to: "/campaigns", label: "Campaigns" };
const forbidden = {
  status: 403,
  code: "forbidden",
  title: "Your role does not create campaigns",
  detail: "Ask an administrator for the role marketer or operator.",
  requestId: null,
};

export default function CampaignNew() {
  const may = useMay("campaigns");
  const navigate = useNavigate();
  const [draft, setDraft] = useState<Draft>(emptyDraft);
  const [tried, setTried] = useState(false);
  const { file, head, choose } = useCsv();
  const create = useAction({
    run: (chosen: File) => createCampaign(toForm(draft, chosen)),
    done: (campaign) => `${plural(campaign.total_recipients, "recipient")} imported`,
    touches: [campaignKeys.lists()],
    onDone: (campaign) => navigate(`/campaigns/${campaign.campaign_id}`, { replace: true }),
  });
  const shared = useMemo(() => sharedValues(draft), [draft]);
  const errors = check(draft, file, head);
  const wrong = Object.keys(errors).length;
  const submit = () => {
    setTried(true);
    if (wrong === 0 && file) create.mutate(file);
  };
  if (!may) {
    return (
      <Page title="New campaign" back={back}>
        <Failed failure={forbidden} />
      </Page>
    );
  }
  const from = draft.fromName ? `${draft.fromName} <${draft.fromEmail}>` : draft.fromEmail;
  return (
    <Page title="New campaign" back={back}>
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-x-8 gap-y-6 xl:grid-cols-[minmax(0,1fr)_minmax(0,30rem)]">
        <CampaignForm
          draft={draft}
          errors={tried ? errors : {}}
          onChange={(change) => setDraft((current) => ({ ...current, ...change }))}
          file={file}
          head={head}
          onFile={(next) => void choose(next)}
        />
        <div className="min-w-0 xl:sticky xl:top-4">
          <LivePreview
            subject={draft.subject}
            body={draft.body}
            from={from}
            shared={shared}
            head={head}
          />
        </div>
      </div>
      <footer className="sticky bottom-0 -mx-4 -mb-6 flex items-center justify-end gap-3 border-t bg-bg px-4 py-3 md:-mx-6 md:px-6">
        <p className="min-w-0 flex-1 text-muted text-sm" role="status">
          {tried && wrong > 0
            ? (Object.values(errors)[0] ?? "")
            : "Nothing is sent yet: you look at the import first and start from there."}
        </p>
        <Button variant="primary" busy={create.isPending} onClick={submit}>
          {create.isPending ? "Importing" : "Create campaign"}
        </Button>
      </footer>
    </Page>
  );
}
