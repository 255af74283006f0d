"""Dependencies: tasks that wait for other tasks.

A child is BLOCKED while it waits (`tasks.pending_parents` counts down), and each edge says what the end of its parent
means for it:

| the parent ends | `on_failure="fail"` | `"skip"` | `"run"` |
|---|---|---|---|
| COMPLETED | one less to wait for (with `on_success="skip"`: the child is skipped) | the same | the same |
| FAILED, TIMEOUT | the child fails | the child is skipped | one less to wait for |
| CANCELLED | the child is skipped | the child is skipped | one less to wait for |

A skipped child ends CANCELLED, one that fails ends FAILED, neither having run; both at once, whoever else it waits for,
and its own children follow. A **group** is a task without a body: it waits for all its members, then ends COMPLETED, or
FAILED when one of them did not complete.

`release.py` is the heart: whatever ends a task that has children releases them in the same transaction.
"""
