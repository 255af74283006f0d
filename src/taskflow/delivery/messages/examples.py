"""Calls to begin with, as the API's description shows them."""

from typing import Any, Final

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "mail": {
        "from_email": "shop@example.com",
        "from_name": "The shop",
        "to": [{"address": "ada@example.com", "name": "Ada", "variables": {"order": 17}}],
        "subject": "Order {{ order }}",
        "html": "<p>Order {{ order }} is on its way.</p>",
        "tags": ["order"],
    },
    "template": {
        "from_email": "shop@example.com",
        "template_id": "01937b5e-7a3c-7c58-9d0e-2b6f4a1c8e55",
        "to": ["ada@example.com", {"address": "bob@example.com", "locale": "de"}],
        "variables": {"shop": "Example"},
        "scheduled_at": "2030-01-31T09:00:00Z",
    },
    "promotional mail": {
        "from_email": "shop@example.com",
        "to": ["ada@example.com"],
        "subject": "A tenth off",
        "text": "Until Sunday. No more of these: {{ unsubscribe_url }}",
        "promotional": True,
    },
    "text": {
        "channel": "sms",
        "sender": "EXAMPLE",
        "to": ["+491711234567"],
        "text": "Your code is {{ code }}.",
        "variables": {"code": "4711"},
    },
    "DLT text": {
        "channel": "sms",
        "dlt_template": "otp",
        "to": [{"address": "+919876543210", "values": ["4711", "five minutes"]}],
    },
}
