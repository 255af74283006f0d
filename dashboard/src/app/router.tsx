import type { ComponentType } from "react";
import { createBrowserRouter } from "react-router";
import { RouteFailed } from "./route-failed";
import { Shell } from "./shell/shell";

type RouteModule = { default: ComponentType };

const page = (load: () => Promise<RouteModule>) => async () => ({
  Component: (await load()).default,
});

export const router = createBrowserRouter([
  {
    path: "/",
    Component: Shell,
    ErrorBoundary: RouteFailed,
    HydrateFallback: () => null,
    children: [
      {
        ErrorBoundary: RouteFailed,
        children: [
          { index: true, lazy: page(() => import("@/routes/overview")) },
          { path: "campaigns", lazy: page(() => import("@/routes/campaigns")) },
          { path: "campaigns/new", lazy: page(() => import("@/routes/campaign-new")) },
          { path: "campaigns/:campaignId", lazy: page(() => import("@/routes/campaign")) },
          { path: "tasks", lazy: page(() => import("@/routes/tasks")) },
          { path: "tasks/:taskId", lazy: page(() => import("@/routes/task")) },
          { path: "workers", lazy: page(() => import("@/routes/workers")) },
          { path: "dead-letters", lazy: page(() => import("@/routes/dead-letters")) },
          { path: "dead-letters/:dlqId", lazy: page(() => import("@/routes/dead-letter")) },
          { path: "inbox/:messageId?", lazy: page(() => import("@/routes/inbox")) },
          { path: "settings/:tab?", lazy: page(() => import("@/routes/settings")) },
          { path: "*", lazy: page(() => import("@/routes/not-found")) },
        ],
      },
    ],
  },
]);
