import { QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { Toaster } from "sonner";
import { live } from "@/api/live";
import { queryClient } from "@/api/query-client";
import { currentUser, subscribe } from "@/api/session";
import { TooltipProvider } from "@/components/ui/tooltip";
import { useTheme } from "@/lib/theme";

function useTabLife(): void {
  useEffect(() => {
    const onVisibility = () => live.setHidden(document.hidden);
    const onOnline = () => live.retryNow();
    document.addEventListener("visibilitychange", onVisibility);
    window.addEventListener("online", onOnline);
    // Nothing of one user may be shown to the next.
    const stop = subscribe(() => {
      if (currentUser()) return;
      live.hangUp();
      queryClient.clear();
    });
    return () => {
      document.removeEventListener("visibilitychange", onVisibility);
      window.removeEventListener("online", onOnline);
      stop();
    };
  }, []);
}

export function Providers({ children }: { children: ReactNode }) {
  const { dark } = useTheme();
  useTabLife();
  return (
    <QueryClientProvider client={queryClient}>
      <TooltipProvider delayDuration={350} skipDelayDuration={200}>
        {children}
        <Toaster
          theme={dark ? "dark" : "light"}
          position="bottom-right"
          gap={8}
          toastOptions={{
            classNames: {
              toast:
                "!rounded-lg !border !border-line-strong !bg-raised !text-fg !text-sm !font-sans !shadow-none",
              description: "!text-muted",
            },
          }}
        />
      </TooltipProvider>
    </QueryClientProvider>
  );
}
