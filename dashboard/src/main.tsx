import "./styles/index.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router";
import { restore } from "./api/session";
import { Providers } from "./app/providers";
import { router } from "./app/router";

async function start(): Promise<void> {
  // Only where the browser allows it (https, or this machine), and nothing waits for it.
  if (import.meta.env.PROD) void navigator.serviceWorker?.register("/sw.js").catch(() => undefined);
  const root = document.getElementById("root");
  if (!root) throw new Error("index.html has no #root");
  // Known before the first paint: nobody sees the sign-in page flash by.
  await restore().catch(() => undefined);
  createRoot(root).render(
    <StrictMode>
      <Providers>
        {/* A transition gives way to every live update: on a busy page a click would wait for a quiet moment. */}
        <RouterProvider router={router} useTransitions={false} />
      </Providers>
    </StrictMode>,
  );
}

void start();
