import type { TaskDetail } from "@/api/types";
import { Code, Json } from "@/components/ui/code";
import { Panel } from "@/components/ui/panel";

/** What came of it: the error first, because that is what one came for. */
export function Outcome({ task }: { task: TaskDetail }) {
  const { result } = task;
  if (!result) return null;
  if (result.error_message || result.stack_trace) {
    return (
      <Panel title={task.completed_at ? "Error" : "Last error"}>
        {result.error_message && (
          <p className="break-words font-medium text-failed-fg text-sm">{result.error_message}</p>
        )}
        {result.stack_trace && (
          <Code text={result.stack_trace} label="stack trace" className="mt-3" />
        )}
      </Panel>
    );
  }
  return (
    <Panel title="Result">
      {result.result_data === null || result.result_data === undefined ? (
        <p className="text-muted text-sm">It returned nothing.</p>
      ) : (
        <Json value={result.result_data} label="result" />
      )}
    </Panel>
  );
}
