"""What a configured API tells: JSON or a form, whose settings say where in it things stand and what words mean."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.fields import Fields, Line
from taskflow.delivery.providers.rules import JsonPath, found_at
from taskflow.delivery.providers.sms.hooks import Reply, Report, ReportStatus, Told
from taskflow.delivery.providers.sms.reading import dicts, form_of, instant_of, json_of, text_of

Words = Annotated[list[Line], Field(max_length=50)]


class HookFields(Fields):
    """Fields that say how to read what comes to the provider's address: `taskflow sms hooks`."""

    told_path: JsonPath | None = Field(
        None, description="Where a call has its list of reports and replies, if not at its top."
    )
    report_id: JsonPath | None = Field(
        None, description="Where a report has the text's id: what id_path found, or message_id."
    )
    report_status: JsonPath | None = Field(
        None, description="Where it has the word that says how far the text has come."
    )
    report_code: JsonPath | None = Field(None, description="Where it has the code of an error.")
    report_to: JsonPath | None = Field(None, description="Where it has the number; without it nobody is suppressed.")
    report_delivered: Words = Field([], description="Words, or codes, of a text that arrived.")
    report_failed: Words = Field([], description="Of one that did not.")
    report_no_number: Words = Field([], description="Of one that did not, because there is no such number: suppressed.")
    report_opted_out: Words = Field([], description="Of one that did not, because its person wants none: suppressed.")
    reply_from: JsonPath | None = Field(None, description="Where a reply has the number that wrote it.")
    reply_text: JsonPath | None = Field(None, description="Where it has its words: STOP, START.")
    reply_to: JsonPath | None = Field(None, description="Where it has the number that it was sent to.")
    reply_id: JsonPath | None = Field(None, description="Where it has its id, so that it counts once.")
    reply_at: JsonPath | None = Field(None, description="Where it has its time (ISO 8601 with the offset).")

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        ends = (self.report_delivered, self.report_failed, self.report_no_number, self.report_opted_out)
        if (self.report_id is None) != (self.report_status is None) or bool(any(ends)) != (self.report_id is not None):
            raise ValueError("reports need report_id, report_status, and words such as report_delivered")
        if (self.reply_from is None) != (self.reply_text is None):
            raise ValueError("replies need reply_from and reply_text")
        return self


def read(fields: HookFields, body: bytes) -> list[Told]:
    """Return what a call tells; what makes no sense is left out."""
    found = json_of(body)
    if found is None:
        found = dict(form_of(body) or ())
    if fields.told_path is not None:
        found = found_at(found, fields.told_path)
    return [told for item in dicts(found) if (told := _report(fields, item) or _reply(fields, item)) is not None]


def _report(fields: HookFields, item: dict[str, Any]) -> Report | None:
    provider_id, said = _text(item, fields.report_id), _text(item, fields.report_status)
    if not provider_id or not said:
        return None
    code = _text(item, fields.report_code)
    status, cause = _meaning(fields, {said.casefold(), code.casefold()})
    return Report(provider_id, status, cause, code or said, "", _text(item, fields.report_to))


def _meaning(fields: HookFields, words: set[str]) -> tuple[ReportStatus, Cause | None]:
    """Return what words of a report mean, the most particular first; others mean that it is on its way."""
    for listed, status, cause in (
        (fields.report_opted_out, ReportStatus.FAILED, Cause.OPTED_OUT),
        (fields.report_no_number, ReportStatus.FAILED, Cause.ADDRESS),
        (fields.report_failed, ReportStatus.FAILED, Cause.UNKNOWN),
        (fields.report_delivered, ReportStatus.DELIVERED, None),
    ):
        if words & {word.casefold() for word in listed}:
            return status, cause
    return ReportStatus.SENT, None


def _reply(fields: HookFields, item: dict[str, Any]) -> Reply | None:
    sender, text = _text(item, fields.reply_from), _text(item, fields.reply_text)
    if not sender or not text:
        return None
    at = instant_of(found_at(item, fields.reply_at)) if fields.reply_at is not None else None
    return Reply(_text(item, fields.reply_id), sender, _text(item, fields.reply_to), text, at)


def _text(item: dict[str, Any], path: str | None) -> str:
    return text_of(found_at(item, path)) if path is not None else ""
