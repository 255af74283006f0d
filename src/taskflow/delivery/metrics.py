"""What workers count of messages; their nodes show it."""

from taskflow.engine.metering import Family

ATTEMPTS = Family(
    "taskflow_message_attempts",
    "Messages that a provider was given, and what became of that: accepted, rejected, deferred, provider_fault, "
    "uncertain. One that fails over counts at each provider.",
    ("channel", "class", "outcome", "provider"),
)
SECONDS = Family(
    "taskflow_message_seconds",
    "From the moment that a single message was to be sent, its submission or the time that it was scheduled for, until "
    "a provider accepted it; retries are within.",
    ("channel",),
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
)
FAMILIES = (ATTEMPTS, SECONDS)
