"""Every Redis key of TaskFlow, in one place. `FLUSHALL` at any moment loses nothing: the last column tells who rebuilds.

| key | type | holds | rebuilt by |
|---|---|---|---|
| `task:queue:{dispatch_key}` | sorted set | the next task ids of a queue, or of one campaign in it; score = (10 - priority) · 1e14 + birth in ms, so strict priority, then first in first out; a window of the backlog | relay |
| `task:running:{dispatch_key}` | sorted set | ids handed to a worker and not settled; score = lease deadline in ms | expires into a look at PostgreSQL |
| `dispatch:ready` | sorted set | dispatch keys with something to do; score = virtual time (fairness between keys) | relay |
| `dispatch:paused` | set | dispatch keys that hand out nothing (paused campaigns) | relay |
| `dispatch:overflow` | set | dispatch keys whose backlog in PostgreSQL is longer than their window | relay |
| `dispatch:rates` | hash | dispatch key → dispatches per minute | relay |
| `dispatch:tokens:{dispatch_key}` | hash | token bucket of a rated key; starts empty, so a flush never allows a burst | first claim |
| `dispatch:throttled` | sorted set | rated keys without a token; score = ms at which the next is due | first claim |
| `dispatch:generation` | string | names this life of the dispatch; absent after a flush: claims then answer NOGEN until it is rebuilt | relay |
| `dispatch:server` | string | run id of the server that the generation was built on: another one (a restart, a failover, an old snapshot) means that the content is not ours | relay |
| `dispatch:rebuild` | string | names the rebuild under way; a flush in its middle takes it away, and the rebuild starts over | relay |
| `dispatch:idle` | list | consumers that found nothing and wait on their own wake list | the next claim |
| `dispatch:wake:{consumer}` | list | a token wakes that consumer (BLPOP, 1 s net) | the next claim |
| `task:scheduled` | sorted set | SCHEDULED task ids by due time in seconds: the coming minute, as a mirror | scheduler |
| `task:meta:{task_id}` | hash | status, worker_id, started_at, retry_count of a task that has run for a second or more; TTL 60 s | worker |
| `task:dependencies:{task_id}` | set | child ids of a parent; TTL 1 day | enqueue |
| `task:completed` | stream | events of tasks, campaigns and workers, about the last 100,000 | restarts under a new generation; clients resync |
| `worker:{worker_id}` | hash | hostname, status, current_load, capacity, last_heartbeat; TTL 60 s | worker |
| `worker:registry` | set | ids of live workers | worker |
| `worker:commands:{worker_id}` | channel | pause, resume, drain; the row in `workers` is the truth | - |
| `coordinator:wake` | list | names of duties that have something to do now | duties poll anyway |
| `campaign:{campaign_id}:progress` | hash | total, sent, failed, pending … as absolute sums | campaigns duty |
| `rate_limit:{resource}:{identifier}` | string | requests of the last 60 s; TTL 60 s; beside it `…:log`, the sliding window | starts again |
| `auth:*` | string | one-use WebSocket tickets, sign-in attempts; seconds to minutes | sign in again |
"""  # noqa: E501 - a table

from uuid import UUID


class Keys:
    """Key names under an optional prefix (a hash tag, for Redis Cluster)."""

    def __init__(self, prefix: str = "") -> None:
        """Fix the names that take no argument."""
        self.prefix = prefix
        self.ready = f"{prefix}dispatch:ready"
        self.paused = f"{prefix}dispatch:paused"
        self.overflow = f"{prefix}dispatch:overflow"
        self.rates = f"{prefix}dispatch:rates"
        self.throttled = f"{prefix}dispatch:throttled"
        self.generation = f"{prefix}dispatch:generation"
        self.server = f"{prefix}dispatch:server"
        self.rebuild = f"{prefix}dispatch:rebuild"
        self.idle = f"{prefix}dispatch:idle"
        self.scheduled = f"{prefix}task:scheduled"
        self.events = f"{prefix}task:completed"
        self.worker_registry = f"{prefix}worker:registry"
        self.coordinator_wake = f"{prefix}coordinator:wake"

    def queue(self, dispatch_key: str) -> str:
        """Return the sorted set of waiting ids."""
        return f"{self.prefix}task:queue:{dispatch_key}"

    def running(self, dispatch_key: str) -> str:
        """Return the sorted set of ids handed out."""
        return f"{self.prefix}task:running:{dispatch_key}"

    def wake(self, consumer: str) -> str:
        """Return the wake list of a consumer."""
        return f"{self.prefix}dispatch:wake:{consumer}"

    def task_meta(self, task_id: UUID) -> str:
        """Return the hash of a long-running task."""
        return f"{self.prefix}task:meta:{task_id}"

    def task_dependencies(self, task_id: UUID) -> str:
        """Return the set of a task's children."""
        return f"{self.prefix}task:dependencies:{task_id}"

    def worker(self, worker_id: UUID) -> str:
        """Return the hash of a worker node."""
        return f"{self.prefix}worker:{worker_id}"

    def worker_commands(self, worker_id: UUID) -> str:
        """Return the channel of a worker node's commands."""
        return f"{self.prefix}worker:commands:{worker_id}"

    def campaign_progress(self, campaign_id: UUID) -> str:
        """Return the hash of a campaign's sums."""
        return f"{self.prefix}campaign:{campaign_id}:progress"

    def rate_limit(self, resource: str, identifier: str) -> str:
        """Return the request count of one caller."""
        return f"{self.prefix}rate_limit:{resource}:{identifier}"

    def auth(self, kind: str, identifier: str) -> str:
        """Return a short-lived key of the sign-in."""
        return f"{self.prefix}auth:{kind}:{identifier}"
