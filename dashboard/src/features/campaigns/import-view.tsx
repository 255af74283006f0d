import { Download } from "lucide-react";
import { download } from "@/api/client";
import type { Campaign, ImportReport } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Panel, Properties } from "@/components/ui/panel";
import { Legend, type Segment, SegmentedBar } from "@/components/ui/segmented-bar";
import { useAction } from "@/features/shared/use-action";
import { count } from "@/lib/format";

const delimiters: Record<string, string> = {
  ",": "comma",
  ";": "semicolon",
  "\t": "tab",
  "|": "pipe",
};

export function ImportView({ campaign, report }: { campaign: Campaign; report: ImportReport }) {
  const keep = useAction({
    run: () =>
      download(
        `/campaigns/${campaign.campaign_id}/import/rejected.csv`,
        `${campaign.name} rejected rows.csv`,
      ),
    touches: [],
  });
  const segments: Segment[] = [
    { label: "Accepted", value: report.accepted, tone: "done" },
    { label: "Rejected", value: report.rejected, tone: "failed" },
    { label: "Duplicates", value: report.duplicates, tone: "waiting" },
  ];
  return (
    <Panel
      title="Import"
      aside={
        report.rejected + report.duplicates > 0 && (
          <Button size="sm" busy={keep.isPending} onClick={() => keep.mutate()}>
            <Download aria-hidden size={13} />
            Download rejected rows
          </Button>
        )
      }
    >
      <div className="mb-3">
        <SegmentedBar label="Rows" segments={segments} total={report.rows} thick />
      </div>
      <Legend segments={segments} total={report.rows} />
      <div className="mt-5">
        <Properties
          items={[
            ["File", report.filename ?? "sent as JSON"],
            ["Rows", count(report.rows)],
            ["Encoding", report.encoding ?? "–"],
            [
              "Delimiter",
              report.delimiter ? (delimiters[report.delimiter] ?? report.delimiter) : "–",
            ],
          ]}
        />
      </div>
    </Panel>
  );
}
