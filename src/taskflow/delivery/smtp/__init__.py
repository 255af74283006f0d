"""Our SMTP sender: pooled connections, pipelined envelopes, and one exact outcome for every message.

    pool = SmtpPool(settings.smtp)
    async with pool.session() as session:
        outcomes = await session.send_window(envelopes, deadline=time.monotonic() + 20)

`reply` reads what a server says, `outcome` what it means for a message, `envelope` is what we say, `wire` carries
both, `connection` gets from a socket to a server that listens, `transaction` sends a window, `pool` keeps it all. The
words for outcomes are those of all providers: `delivery.outcome`.
"""

from taskflow.delivery.smtp.connection import Features
from taskflow.delivery.smtp.envelope import Envelope
from taskflow.delivery.smtp.pool import SmtpPool, SmtpSession
from taskflow.delivery.smtp.reply import Reply

__all__ = ["Envelope", "Features", "Reply", "SmtpPool", "SmtpSession"]
