"""Prometheus metrics of the coordinator."""

from prometheus_client import Counter, Gauge, Histogram

LEADER = Gauge("taskflow_coordinator_leader", "1 while this process leads, 0 while it stands by.")
TERM = Gauge("taskflow_coordinator_term", "The last term that this process led.")
RUNS = Counter("taskflow_duty_runs_total", "Runs of a duty.", ["duty"])
ERRORS = Counter("taskflow_duty_errors_total", "Runs of a duty that failed.", ["duty"])
ITEMS = Counter("taskflow_duty_items_total", "Things that a duty has done.", ["duty"])
LAST_SUCCESS = Gauge(
    "taskflow_duty_last_success_timestamp_seconds",
    "When a run of a duty last ended well, in Unix time; 0 while this process has not led.",
    ["duty"],
)
SECONDS = Histogram(
    "taskflow_duty_seconds",
    "Duration of a duty's run.",
    ["duty"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
DRIFT = Gauge(
    "taskflow_drift_tasks",
    "Where Redis and PostgreSQL disagree: missing (PENDING, not in Redis), ghosts (in Redis, not PENDING), "
    "running_lost (RUNNING, but no living worker or claim), blocked_lost (BLOCKED, but waiting for nobody), "
    "orphans (executions, or edges that wait, without a task).",
    ["kind"],
)
BACKLOG = Gauge("taskflow_dispatch_waiting", "Ids in the window of a queue.", ["queue"])
IN_FLIGHT = Gauge("taskflow_dispatch_running", "Ids of a queue handed to workers.", ["queue"])
