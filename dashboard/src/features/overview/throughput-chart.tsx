/** Completed and failed tasks a minute. Loaded on its own: the chart library is the heaviest part of the page. */
import {
  Bar,
  CartesianGrid,
  ComposedChart,
  Line,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from "recharts";
import type { Stats } from "@/api/types";
import { clockTime, compact, count } from "@/lib/format";

interface Point {
  t: string;
  completed: number;
  failed: number;
}

interface TipProps {
  active?: boolean;
  payload?: readonly { payload?: Point }[];
}

function Tip({ active, payload }: TipProps) {
  const point = payload?.[0]?.payload;
  if (!active || !point) return null;
  return (
    <div className="rounded-md border border-line-strong bg-raised px-2.5 py-1.5 text-xs">
      <p className="text-faint">{clockTime(point.t)}</p>
      <p>
        <span className="font-medium">{count(point.completed)}</span> completed
      </p>
      <p className={point.failed > 0 ? "text-failed-fg" : "text-muted"}>
        <span className="font-medium">{count(point.failed)}</span> failed
      </p>
    </div>
  );
}

const tick = { fill: "var(--fg-faint)", fontSize: 11.5 };

export default function ThroughputChart({ points }: { points: Stats["throughput"] }) {
  return (
    <ResponsiveContainer width="100%" height="100%" initialDimension={{ width: 640, height: 208 }}>
      <ComposedChart
        data={points}
        margin={{ top: 8, right: 4, bottom: 0, left: 0 }}
        accessibilityLayer={false}
      >
        <CartesianGrid vertical={false} stroke="var(--line)" />
        <XAxis
          dataKey="t"
          tickFormatter={clockTime}
          tick={tick}
          tickLine={false}
          axisLine={false}
          minTickGap={56}
        />
        <YAxis
          tickFormatter={compact}
          tick={tick}
          tickLine={false}
          axisLine={false}
          width={52}
          allowDecimals={false}
        />
        <Tooltip
          content={<Tip />}
          cursor={{ stroke: "var(--line-strong)" }}
          isAnimationActive={false}
        />
        <Bar dataKey="failed" fill="var(--failed)" barSize={4} isAnimationActive={false} />
        <Line
          dataKey="completed"
          type="monotone"
          stroke="var(--done)"
          strokeWidth={1.75}
          dot={false}
          activeDot={{ r: 3, strokeWidth: 0 }}
          isAnimationActive={false}
        />
      </ComposedChart>
    </ResponsiveContainer>
  );
}
