"""Looks for what is wrong with content: values that people lack, what mail clients and spam filters make of it, links.

A message is looked at as somebody would get it, once a locale; with the people at hand, or with samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from taskflow.audience.segments.audiences import Audience
from taskflow.base.errors import InvalidInputError
from taskflow.campaigns.composer import Addressee
from taskflow.campaigns.freezing import missing_variables
from taskflow.campaigns.models import Campaign, MissingVariable
from taskflow.campaigns.needs import needs_of
from taskflow.campaigns.proofs.samples import SAMPLE_ADDRESS, samples
from taskflow.campaigns.proofs.service import SAMPLE_SENDER, Proof, ProofService, sql
from taskflow.campaigns.repository import CampaignRepository
from taskflow.content.errors import TemplateLimitError, TemplateSyntaxProblem
from taskflow.content.lint.findings import Finding, Severity
from taskflow.content.lint.links import LinkChecker
from taskflow.content.lint.messages import Message, lint_message
from taskflow.content.lint.variables import Suggestions, lint_variables
from taskflow.content.rendering import Rendered, RenderPool, RenderProblem
from taskflow.content.templates.models import Content
from taskflow.content.templates.words import Words
from taskflow.db.pool import Database
from taskflow.delivery.letterhead import Letterhead

_LINK_SECONDS = 5.0


class Linter:
    """Looks at content as its recipients will."""

    def __init__(self, database: Database, rendering: RenderPool, proofs: ProofService) -> None:
        """Take what reads messages, and what composes them."""
        self._pool = database.pool
        self._campaigns = CampaignRepository(database.pool)
        self._rendering = rendering
        self._proofs = proofs

    async def lint(
        self,
        channel: str,
        content: Content,
        people: Sequence[Addressee],
        *,
        letterhead: Letterhead | None = None,
        check_links: bool = False,
        campaign: Campaign | None = None,
    ) -> list[Finding]:
        """Return everything that is wrong with content for these people, or for all recipients of a campaign."""
        try:
            words = await Words.of(self._rendering, content)
        except (TemplateSyntaxProblem, TemplateLimitError) as error:
            return [_finding(problem) for problem in error.context["problems"]]
        found = await self._lint_variables(words, people, campaign)
        try:
            composer = self._proofs.composer(words, letterhead or SAMPLE_SENDER)
        except InvalidInputError as error:
            return [*found, Finding(error.code, Severity.ERROR, str(error))]
        shown: set[str] = set()
        addresses: list[str] = []
        for person in [*people, *samples(words)]:
            chosen = content.choose(person.values.get("locale"))
            if chosen in shown:
                continue
            proof = await self._proofs.compose(words, composer, person)
            if isinstance(proof.result, RenderProblem):
                if person.email != SAMPLE_ADDRESS and not _is_said(proof.result, found):
                    found.append(replace(_finding(_problem(proof.result)), locale=chosen or None))
                continue
            shown.add(chosen)
            found += await self._lint_message(channel, words, chosen, proof, letterhead, addresses)
        for locale in words.compiled.keys() - shown:
            found.append(
                Finding(
                    "not_rendered", Severity.NOTICE, "No one at hand has all its values: it was not looked at as a"
                    " message.", locale=locale or None,
                )
            )  # fmt: skip
        if check_links:
            found += await LinkChecker((), _LINK_SECONDS).check(addresses)
        return list(dict.fromkeys(found))

    async def _lint_variables(
        self, words: Words, people: Sequence[Addressee], campaign: Campaign | None
    ) -> list[Finding]:
        rows = await self._pool.fetch(sql.field_names)
        known = frozenset(row["name"] for row in rows).union(*(person.values for person in people))
        given = frozenset(name for one in words.compiled.values() for name in one.source.variables)
        meant = Suggestions(known | given)
        found: list[Finding] = []
        for locale, compiled in words.compiled.items():
            readers = [
                (person.email, {**person.values, "email": person.email, **compiled.source.variables})
                for person in people
                if words.content.choose(person.values.get("locale")) == locale
            ]
            found += lint_variables(locale, compiled, readers, meant)
        if campaign is None:
            return found
        # Of a campaign, all recipients are asked, not only those at hand.
        missing = await self._missing(words, campaign)
        places = {finding.variable: finding for finding in found if finding.code == "missing_variable"}
        return [finding for finding in found if finding.code != "missing_variable"] + [
            replace(
                places.get(item.variable, Finding("missing_variable", Severity.ERROR, "", variable=item.variable)),
                message=f"{item.count:,} recipients lack '{item.variable}', first {item.email or 'one'}.",
                count=item.count,
            )
            for item in missing
        ]

    async def _missing(self, words: Words, campaign: Campaign) -> list[MissingVariable]:
        """Ask as the start does: all rows, or everybody who is in the audience now."""
        if not campaign.is_open:
            return await self._campaigns.missing_variables(campaign.campaign_id, needs_of(words))
        audience = Audience.model_validate(campaign.audience)
        async with self._pool.acquire() as connection, connection.transaction():
            return await missing_variables(connection, audience, needs_of(words))

    async def _lint_message(
        self,
        channel: str,
        words: Words,
        locale: str,
        proof: Proof,
        letterhead: Letterhead | None,
        addresses: list[str],
    ) -> list[Finding]:
        """Look at one finished message; its links are added to `addresses`."""
        if not isinstance(proof.result, Rendered):
            return []
        html, source = proof.result.html_bytes, words.compiled[locale].source
        inspection = await self._rendering.inspect(html) if html else None
        message = Message(
            channel,
            proof.result,
            inspection,
            proof.url,
            has_preheader=bool(source.preheader) or "<mj-preview" in source.html,
            from_email=letterhead.from_email if letterhead else None,
            inline_ids=frozenset(file.content_id for file in words.content.attachments if file.inline),
        )
        found = lint_message(message)
        if html and inspection is None:
            found.append(
                Finding("html_unreadable", Severity.WARNING, "Its HTML is too entangled to be read.", part="html")
            )
        if proof.refusal is not None:
            found.append(Finding("header", Severity.ERROR, f"The message cannot be built: {proof.refusal}."))
        if inspection is not None:
            links = (link for link, _ in inspection.links if link and link != proof.url)
            addresses += [link for link in links if link.startswith(("http://", "https://"))]
        return [replace(finding, locale=locale or None) for finding in found]


def _is_said(problem: RenderProblem, found: Sequence[Finding]) -> bool:
    """Tell whether a missing value has been found before it was rendered; inside loops only rendering finds it."""
    paths = [one.variable.split(".") for one in found if one.code == "missing_variable" and one.variable]
    return any(problem.variable in path for path in paths)


def _problem(problem: RenderProblem) -> dict[str, Any]:
    names = ("code", "message", "part", "line", "variable", "snippet")
    return {name: getattr(problem, name) for name in names}


def _finding(problem: Mapping[str, Any]) -> Finding:
    known = {name: problem.get(name) for name in ("locale", "part", "line", "snippet", "variable")}
    return Finding(str(problem["code"]), Severity.ERROR, str(problem["message"]), **known)
