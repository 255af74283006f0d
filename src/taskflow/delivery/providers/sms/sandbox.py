"""Texts into the sandbox inbox: each comes as a mail to `<number>@sms.invalid`, so that everything there is for mails
(the dashboard, `/api/v1/inbox`, `taskflow inbox`, rules to fail on purpose) is there for texts.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from taskflow.audience.channels import Channel
from taskflow.content.sms import sms_length
from taskflow.delivery.dlt import Facts
from taskflow.delivery.mime import Skeleton
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.providers.contract import Kind, ProviderUnusableError, Sms
from taskflow.delivery.providers.sandbox_faults import Faults, SandboxFields
from taskflow.delivery.providers.sms.sender import common_refusal
from taskflow.delivery.smtp import Envelope, SmtpPool
from taskflow.delivery.smtp.connection import ProviderFaultError
from taskflow.settings.smtp import SmtpSettings

DOMAIN: Final = "sms.invalid"
_FROM: Final = f"sms@{DOMAIN}"


class SmsSandbox:
    """Keeps texts for people to look at."""

    def __init__(self, host: str, port: int, faults: Faults | None = None) -> None:
        """Connect to nothing yet."""
        self._pool = SmtpPool(SmtpSettings().or_sandbox(host, port))
        self._faults = faults or Faults(SandboxFields())

    @property
    def longest_send_seconds(self) -> float:
        """Return what its mail server may take, or what it is to take."""
        return self._pool.longest_send_seconds + self._faults.seconds

    async def send(self, texts: Sequence[Sms], deadline: float) -> list[Outcome]:
        """Hand over texts in turn, unless they are to fail."""
        return await self._faults.meet(texts, deadline, self._hand_over)

    async def _hand_over(self, texts: Sequence[Sms], deadline: float) -> list[Outcome]:
        refusals = [common_refusal(text, supports_dlt=True) for text in texts]
        mails = [_mail(text) for text, refusal in zip(texts, refusals, strict=True) if refusal is None]
        async with self._pool.session() as session:
            sent = iter(await session.send_window(mails, deadline))
        return [refusal or _named(next(sent), text) for text, refusal in zip(texts, refusals, strict=True)]

    async def check(self) -> str:
        """Connect, and say whether it fails on purpose."""
        try:
            await self._pool.features()
        except ProviderFaultError as error:
            raise ProviderUnusableError(f"The sandbox does not answer: {error}") from error
        return "The sandbox answers." + self._faults.check()

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()


def _mail(text: Sms) -> Envelope:
    length = sms_length(text.text)
    parts = "1 part" if length.segments == 1 else f"{length.segments} parts"
    words = [f"SMS of {parts}", {"gsm7": "GSM-7", "ucs2": "UCS-2"}[length.encoding]]
    if template_id := Facts.of(text.template).template_id:
        words.append(f"DLT template {template_id}")
    to = f"{text.rcpt_to}@{DOMAIN}"
    skeleton = Skeleton(from_email=_FROM, from_name=text.sender, purpose="transactional")
    body = skeleton.build(
        to=to, subject=", ".join(words), text=text.text, message_id=f"<{text.message_id.hex}@{DOMAIN}>"
    )
    return Envelope(_FROM, to, body)


def _named(outcome: Outcome, text: Sms) -> Outcome:
    if outcome.kind is not OutcomeKind.ACCEPTED:
        return outcome
    return replace(outcome, provider_id=str(text.message_id))


KIND = Kind(
    name="sms-sandbox",
    title="SMS sandbox",
    channel=Channel.SMS,
    settings=SandboxFields,
    open=lambda fields, around: SmsSandbox(*around.sandbox, Faults(fields)),
    priority=9,
    supports_dlt=True,
    is_sandbox=True,
)
