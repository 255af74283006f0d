"""Redis as a disposable accelerator: dispatch order, wake-ups, live events, counters. PostgreSQL decides."""
