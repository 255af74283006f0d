import type { Progress } from "@/api/types";
import { SegmentedBar } from "@/components/ui/segmented-bar";
import { segments } from "./progress";

interface ProgressBarProps {
  progress: Progress;
  thick?: boolean;
}

export function ProgressBar({ progress, thick = false }: ProgressBarProps) {
  return (
    <SegmentedBar
      label="Progress"
      segments={segments(progress)}
      total={progress.total}
      thick={thick}
    />
  );
}
