import type { TaskGraph } from "@/api/types";

export interface Neighbour {
  node: TaskGraph["nodes"][number];
  /** Arguments of the child that take the parent's result. */
  hands: string[];
}

/** The tasks on the other ends of a task's edges, in the order of the graph. */
export function neighbours(taskId: string, { nodes, edges }: TaskGraph) {
  const parents = new Map<string, string[]>();
  const children = new Map<string, string[]>();
  for (const edge of edges) {
    const hands = [...new Set((edge.arguments ?? []).map(([name]) => String(name)))];
    if (edge.child_id === taskId) parents.set(edge.parent_id, hands);
    if (edge.parent_id === taskId) children.set(edge.child_id, hands);
  }
  const pick = (side: Map<string, string[]>): Neighbour[] =>
    nodes.flatMap((node) => {
      const hands = side.get(node.task_id);
      return hands ? [{ node, hands }] : [];
    });
  return { parents: pick(parents), children: pick(children) };
}
