"""A template tried on one recipient."""

from taskflow.campaigns.schemas import PreviewIn, PreviewOut, PreviewProblem
from taskflow.content.errors import TemplateLimitError, TemplateSyntaxProblem
from taskflow.content.rendering import RenderPool, RenderProblem, Template
from taskflow.content.rendering.models import ProblemCode

_SAMPLE_ADDRESS = "someone@example.com"
_SAMPLE_LINK = "https://example.com/unsubscribe/sample"


async def preview(rendering: RenderPool, body: PreviewIn) -> PreviewOut:
    """Return the rendered message, or what keeps it from being rendered."""
    template = Template(body.template_subject, body.template_body, body.template_text, body.template_variables)
    try:
        compiled = await rendering.compile(template)
    except (TemplateSyntaxProblem, TemplateLimitError) as error:
        found = error.context.get("problems") or [{"code": error.code, "message": str(error)}]
        fields = PreviewProblem.model_fields
        return PreviewOut(
            problems=[PreviewProblem(**{key: item[key] for key in fields if key in item}) for item in found]
        )
    missing = [name for name in compiled.required_variables if body.sample.get(name) in (None, "")]
    if missing:
        return PreviewOut(problems=[_missing(name) for name in missing])
    context = {"email": _SAMPLE_ADDRESS, **body.sample, "unsubscribe_url": _SAMPLE_LINK}
    [result] = await rendering.render(compiled, [context])
    if isinstance(result, RenderProblem):
        return PreviewOut(
            problems=[
                PreviewProblem(
                    code=result.code,
                    message=result.message,
                    part=result.part,
                    line=result.line,
                    variable=result.variable,
                )
            ]
        )
    return PreviewOut(subject=result.subject, html=result.html, text=result.text)


def _missing(name: str) -> PreviewProblem:
    message = f"The sample has no value for '{name}'."
    return PreviewProblem(code=ProblemCode.MISSING_VARIABLE, message=message, variable=name)
