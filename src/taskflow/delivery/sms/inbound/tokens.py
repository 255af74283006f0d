"""Under which tokens Twilio may have signed: those of the providers here, and those of the settings."""

from pydantic import SecretStr

from taskflow.audience.channels import Channel
from taskflow.base.envelope import SealBrokenError, Vault
from taskflow.base.logging import get_logger
from taskflow.db.pool import Pool
from taskflow.delivery.providers.opening import opened
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.delivery.providers.sms.twilio.provider import KIND
from taskflow.settings.sms import SmsSettings

log = get_logger(__name__)


async def twilio_tokens(pool: Pool, vault: Vault, settings: SmsSettings) -> list[SecretStr]:
    """Return the tokens of accounts.

    A provider that signs in with an API key has that key's secret instead, under which nothing is signed: its account's
    token stands in the settings, and so does a former one while it is replaced.
    """
    found = list(settings.twilio_auth_tokens)
    for row in await ProviderReader(pool).all(Channel.SMS):
        if row.kind != KIND.name or row.settings.get("api_key_sid") is not None:
            continue
        try:
            found.append(SecretStr(opened(vault, row)["auth_token"]))
        except (SealBrokenError, KeyError) as error:
            log.warning("twilio_token_unreadable", provider=row.name, error=type(error).__name__)
    return found
