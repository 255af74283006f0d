"""Every Redis key of TaskFlow, in one place. `FLUSHALL` at any moment loses nothing: the last column tells who rebuilds.

| key | type | holds | rebuilt by |
|---|---|---|---|
| `task:queue:{dispatch_key}` | sorted set | the next task ids of a queue, or of one campaign in it; score = (10 - priority) · 1e14 + birth in ms, so strict priority, then first in first out; a window of the backlog | relay |
| `task:running:{dispatch_key}` | sorted set | ids handed to a worker and not settled; score = lease deadline in ms | expires into a look at PostgreSQL |
| `dispatch:ready` | sorted set | queues with something to do; score = virtual time (weighted fairness between queues) | relay |
| `dispatch:ready:{queue}` | sorted set | the dispatch keys of a queue with something to do; score = virtual time (between keys) | relay |
| `dispatch:paused` | set | queues and dispatch keys that hand out nothing | relay |
| `dispatch:limits` | hash | subject (`queue:{queue}`, `campaign:{id}`, `task:{name}`, `task:{name}/{key}`; `task:{name}/*` for each key) → concurrency, dispatches per minute, weight, aging | relay |
| `dispatch:held` | hash | subject → its ids in `task:running:*`; no field when there are none | relay, from RUNNING rows |
| `dispatch:parked` | set | queues that their limit holds up: not in `dispatch:ready` | next claim |
| `dispatch:parked:{subject}` | set | dispatch keys that the limit of their part holds up; gone when it lets go | next claim |
| `dispatch:tokens:{subject}` | hash | token bucket of a rated subject; empty when the dispatch is opened, so a flush never allows a burst; forgets itself when full | next claim |
| `dispatch:throttled` | sorted set | rated subjects without a token; score = ms at which the next is due | next claim |
| `dispatch:overflow` | set | dispatch keys whose backlog in PostgreSQL is longer than their window | relay |
| `dispatch:generation` | string | names this life of the dispatch; absent after a flush: claims then answer NOGEN until it is rebuilt | relay |
| `dispatch:server` | string | run id of the server that the generation was built on: another one (a restart, a failover, an old snapshot) means that the content is not ours | relay |
| `dispatch:opened` | string | when (ms) the generation was opened | relay |
| `dispatch:rebuild` | string | names the rebuild under way; a flush in its middle takes it away, and the rebuild starts over | relay |
| `dispatch:ended:{queue}:{minute}` | string | how many tasks of a queue have ended in a minute; TTL 150 s | starts again |
| `dispatch:idle` | list | consumers (and the queues they serve) that found nothing and wait on their own wake list | the next claim |
| `dispatch:wake:{consumer}` | list | a token wakes that consumer (BLPOP, 1 s net) | the next claim |
| `task:scheduled` | sorted set | SCHEDULED task ids by due time in seconds: the coming minute, as a mirror | scheduler |
| `task:meta:{task_id}` | hash | status, worker_id, started_at, retry_count of a task that has run for a second or more; TTL 60 s | worker |
| `task:dependencies:{task_id}` | set | child ids of a parent; TTL 1 day | enqueue |
| `task:completed` | stream | events of tasks, campaigns and workers, about the last 100,000 | restarts under a new generation; clients resync |
| `worker:{worker_id}` | hash | hostname, status, current_load, capacity, last_heartbeat; TTL 60 s | worker |
| `worker:registry` | set | ids of live workers | worker |
| `worker:commands:{worker_id}` | channel | pause, resume, drain, shutdown; the row in `workers` is the truth | - |
| `coordinator:wake` | list | names of duties that have something to do now | duties poll anyway |
| `campaign:{campaign_id}:progress` | hash | total, sent, failed, pending … as absolute sums | campaigns duty |
| `rate_limit:{resource}:{identifier}` | string | requests of the last 60 s; TTL 60 s; beside it `…:log`, the sliding window | starts again |
| `router:generation` | string | when (ms) the router's counters were restored; absent after a flush, and whenever the dispatch is rebuilt: the next reservation restores them | first reservation |
| `router:provider:{provider}` | hash | circuit breaker: state (closed when absent), since, reason, till, opens, good, faults, began, seen, failed, and `forced` by a person; `first` day of use; `failovers`, `refused:{what}` | first reservation: what a person forced, first day, half-open if it was not closed |
| `router:probes:{provider}` | sorted set | tokens of probes of a half-open breaker; score = ms at which one is given up for lost | expires |
| `router:use:{subject}:{span}` | hash | messages given to a provider, or to a recipient domain with a limit (`@{domain}`), by buckets of `second`, `minute` and `day` | first reservation, from `provider_usage` |
| `router:took:{second}` | hash | messages handed to a provider, and to a recipient domain through it (`{provider}/{domain}`), in one second; TTL 10 s | counts on |
| `router:pace:{subject}` | hash | rate and tokens of a provider, or of a recipient domain through it, that has asked for less; TTL 1 h | learned anew |
| `router:slowed` | sorted set | the last 10,000 `{provider}/{domain}` that have asked for less, for people; score = when (ms); TTL 1 day | learned anew |
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
        self.limits = f"{prefix}dispatch:limits"
        self.held = f"{prefix}dispatch:held"
        self.throttled = f"{prefix}dispatch:throttled"
        self.generation = f"{prefix}dispatch:generation"
        self.server = f"{prefix}dispatch:server"
        self.opened = f"{prefix}dispatch:opened"
        self.rebuild = f"{prefix}dispatch:rebuild"
        self.idle = f"{prefix}dispatch:idle"
        self.scheduled = f"{prefix}task:scheduled"
        self.events = f"{prefix}task:completed"
        self.worker_registry = f"{prefix}worker:registry"
        self.coordinator_wake = f"{prefix}coordinator:wake"
        self.router_generation = f"{prefix}router:generation"

    def queue(self, dispatch_key: str) -> str:
        """Return the sorted set of waiting ids."""
        return f"{self.prefix}task:queue:{dispatch_key}"

    def running(self, dispatch_key: str) -> str:
        """Return the sorted set of ids handed out."""
        return f"{self.prefix}task:running:{dispatch_key}"

    def ready_keys(self, queue: str) -> str:
        """Return the line of a queue's dispatch keys."""
        return f"{self.ready}:{queue}"

    def parked_keys(self, subject: str) -> str:
        """Return the set of dispatch keys that a limit holds up."""
        return f"{self.prefix}dispatch:parked:{subject}"

    def ended(self, queue: str, minute: int) -> str:
        """Return the count of a queue's ends in a minute."""
        return f"{self.prefix}dispatch:ended:{queue}:{minute}"

    def tokens(self, subject: str) -> str:
        """Return the token bucket of a rated subject."""
        return f"{self.prefix}dispatch:tokens:{subject}"

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

    def router_provider(self, provider: str) -> str:
        """Return the hash of a provider's circuit breaker."""
        return f"{self.prefix}router:provider:{provider}"

    def rate_limit(self, resource: str, identifier: str) -> str:
        """Return the request count of one caller."""
        return f"{self.prefix}rate_limit:{resource}:{identifier}"

    def auth(self, kind: str, identifier: str) -> str:
        """Return a short-lived key of the sign-in."""
        return f"{self.prefix}auth:{kind}:{identifier}"
