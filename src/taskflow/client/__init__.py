"""Messaging over HTTP for Python programs: `Messaging` is async, `SyncMessaging` blocks. What both return are the API's
own models, what both raise are the domain errors of `taskflow.base.errors`, with the problem's `code` in `context`.

    wire          bodies, queries and files as the API takes them; nothing waits here
    link          one connection: ask, make, pages, streams, watching
    contacts …    one module a noun, thin
    messaging     `Messaging`, which has one of each
    fields        what methods take, as typed dictionaries; generated from the API's models
    blocking/     the same, blocking; generated from the async modules

`make generate` writes the last two anew (`tools/client_code.py`).
"""

from taskflow.client.blocking.messaging import SyncMessaging
from taskflow.client.messaging import Messaging

__all__ = ["Messaging", "SyncMessaging"]
