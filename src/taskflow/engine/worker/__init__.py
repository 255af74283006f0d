"""The worker node: a parent that supervises children, which claim tasks, run them and write how they ended.

```
node.py ── spawns ──▶ child.py ─┬─ poller.py     Redis suggests ids, PostgreSQL gives leases
   │                            ├─ executor.py   runs them: async here, sync in slots.py
   │ board.py (shared memory)   ├─ publisher.py  group commit, then events
   ◀────────────────────────────┴─ watchdog.py   breaks a task that blocks the loop
   └─ heartbeat.py  beats in Redis and PostgreSQL, hears commands
```
"""
