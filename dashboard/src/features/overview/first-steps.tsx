import { Rocket } from "lucide-react";
import { Link } from "react-router";
import { Button } from "@/components/ui/button";
import { Command } from "@/components/ui/copy";
import { Empty } from "@/components/ui/feedback";

/** An installation in which nothing has happened yet. */
export function FirstSteps() {
  return (
    <div className="rounded-lg border">
      <Empty
        icon={Rocket}
        title="TaskFlow is ready"
        action={
          <>
            <Button asChild variant="primary">
              <Link to="/campaigns/new">Create a campaign</Link>
            </Button>
            <span className="py-1 text-faint text-xs">or submit a task from a terminal</span>
            <div className="w-full">
              <Command>taskflow task submit taskflow.echo message=hello --wait</Command>
            </div>
          </>
        }
      >
        No task has run and no campaign has been sent. Here is where both will show up.
      </Empty>
    </div>
  );
}
