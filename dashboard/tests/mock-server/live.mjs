// The WebSocket: a running campaign that moves, and tasks that end.
import { WebSocketServer } from "ws";
import { campaigns, tasks } from "./data.mjs";

const TICK_MS = 400;

export function attachLive(server, { still }) {
  const sockets = new WebSocketServer({ noServer: true });
  let sequence = 0;
  server.on("upgrade", (request, socket, head) => {
    if (!request.url.startsWith("/api/v1/ws?ticket=")) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.topics = [];
      client.on("message", (text) => {
        const message = JSON.parse(text);
        client.topics =
          message.op === "unsubscribe"
            ? client.topics.filter((topic) => !message.topics.includes(topic))
            : [...new Set([...client.topics, ...message.topics])];
        const cursor = message.cursor ?? `g1-0-${sequence}`;
        const quiet = still ? TICK_MS : 0;
        client.send(
          JSON.stringify({ type: "subscribed", topics: client.topics, cursor, quiet_ms: quiet }),
        );
      });
    });
  });
  const ping = setInterval(() => {
    for (const client of sockets.clients) client.send(JSON.stringify({ type: "ping" }));
  }, 15000);
  const tick = setInterval(() => {
    if (still) return;
    const events = [];
    for (const campaign of campaigns.filter((each) => each.status === "RUNNING")) {
      const step = Math.min(16, campaign.progress.pending);
      campaign.progress.sent += step;
      campaign.progress.pending -= step;
      campaign.progress.rate_per_second = step / (TICK_MS / 1000);
      events.push({
        topic: `campaign:${campaign.campaign_id}`,
        type: "campaign.progress",
        data: { ...campaign.progress },
      });
      events.push({
        topic: "campaigns",
        type: "campaign.progress",
        data: { campaign_id: campaign.campaign_id, ...campaign.progress },
      });
    }
    const running = tasks.filter((task) => task.status === "RUNNING");
    const ended = running[sequence % Math.max(running.length, 1)];
    const next = tasks.find((task) => task.status === "PENDING");
    if (ended && next) {
      Object.assign(ended, { status: "COMPLETED", completed_at: new Date().toISOString() });
      Object.assign(next, { status: "RUNNING", started_at: new Date().toISOString() });
      for (const { task_id, status } of [ended, next])
        events.push({ topic: "tasks", type: "task.status", data: { task_id, status } });
    }
    sequence += 1;
    for (const client of sockets.clients) {
      const wanted = events.filter((event) => client.topics.includes(event.topic));
      if (wanted.length > 0)
        client.send(JSON.stringify({ type: "events", cursor: `g1-0-${sequence}`, events: wanted }));
    }
  }, TICK_MS);
  return () => {
    clearInterval(ping);
    clearInterval(tick);
    for (const client of sockets.clients) client.terminate();
  };
}
