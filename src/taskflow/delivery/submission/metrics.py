"""Prometheus metrics of the SMTP relay."""

from prometheus_client import Counter, Gauge, Histogram

CONNECTIONS = Gauge("taskflow_submission_connections", "Open connections.")
MAILS = Counter("taskflow_submission_mails_total", "Mails that were kept.")
MESSAGES = Counter("taskflow_submission_messages_total", "Messages that they became, one a recipient.")
REFUSALS = Counter(
    "taskflow_submission_refusals_total",
    "Replies that refused a command, by their code: 421 (too many connections), 451 (too many mails, or they could not "
    "be kept), 454 and 535 (sign-in), 550 and 552 (the mail), 553 (an address) and others.",
    ["code"],
)
SECONDS = Histogram(
    "taskflow_submission_seconds",
    "How long it took to keep a mail, or to give up: what its client waits for.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
