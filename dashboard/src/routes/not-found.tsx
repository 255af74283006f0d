import { SearchX } from "lucide-react";
import { Link } from "react-router";
import { Button } from "@/components/ui/button";
import { Empty } from "@/components/ui/feedback";
import { Page } from "@/components/ui/page";

export default function NotFound() {
  return (
    <Page title="Page not found">
      <Empty
        icon={SearchX}
        title="There is nothing at this address"
        action={
          <Button asChild>
            <Link to="/">Go to the overview</Link>
          </Button>
        }
      />
    </Page>
  );
}
