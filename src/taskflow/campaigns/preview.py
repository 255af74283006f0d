"""A campaign's own words, tried on somebody made up before the campaign is saved."""

from taskflow.campaigns.proofs.samples import sample_person
from taskflow.campaigns.proofs.service import ProofService, problems_of
from taskflow.campaigns.schemas import PreviewIn, PreviewOut, PreviewProblem
from taskflow.content.errors import TemplateLimitError, TemplateSyntaxProblem
from taskflow.content.rendering import Rendered, Template
from taskflow.content.rendering.models import ProblemCode
from taskflow.content.templates.models import Content
from taskflow.content.templates.words import Words


async def preview(proofs: ProofService, body: PreviewIn) -> PreviewOut:
    """Return the rendered message, or what keeps it from being rendered."""
    content = Content.plain(
        Template(body.template_subject, body.template_body, body.template_text, body.template_variables)
    )
    try:
        words = await proofs.words(content)
    except (TemplateSyntaxProblem, TemplateLimitError) as error:
        fields = PreviewProblem.model_fields
        found = [PreviewProblem(**{key: item[key] for key in fields if key in item}) for item in problems_of(error)]
        return PreviewOut(problems=found)
    if missing := _missing(words, body):
        return PreviewOut(problems=missing)
    proof = await proofs.proof(words, sample_person(body.sample))
    result = proof.result
    if isinstance(result, Rendered):
        return PreviewOut(subject=result.subject, html=result.html, text=result.text)
    fields = PreviewProblem.model_fields
    return PreviewOut(problems=[PreviewProblem(**{name: getattr(result, name) for name in fields})])


def _missing(words: Words, body: PreviewIn) -> list[PreviewProblem]:
    """Return every variable for which the sample has no value, or an empty one."""
    [compiled] = words.compiled.values()
    return [
        PreviewProblem(
            code=ProblemCode.MISSING_VARIABLE, message=f"The sample has no value for '{name}'.", variable=name
        )
        for name in compiled.required_variables
        if body.sample.get(name) in (None, "")
    ]
