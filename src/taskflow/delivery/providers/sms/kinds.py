"""The kinds of SMS providers that come with us."""

from typing import Final

from taskflow.delivery.providers.contract import Kind
from taskflow.delivery.providers.sms import sandbox
from taskflow.delivery.providers.sms.bulksms import provider as bulksms
from taskflow.delivery.providers.sms.fast2sms import provider as fast2sms
from taskflow.delivery.providers.sms.http_api import provider as http_api
from taskflow.delivery.providers.sms.twilio import provider as twilio

KINDS: Final[tuple[Kind, ...]] = (
    fast2sms.KIND,
    bulksms.KIND,
    twilio.KIND,
    http_api.KIND,
    http_api.DLT_KIND,
    sandbox.KIND,
)
