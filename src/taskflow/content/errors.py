"""What can be wrong with a template."""

from taskflow.base.errors import ConflictError, InvalidInputError


class TemplateSyntaxProblem(InvalidInputError):  # noqa: N818  # jinja2 owns the name TemplateSyntaxError
    """The template cannot be read.

    `context["problems"]` lists every finding: `{code, part, line, message}`.
    """

    code = "template_syntax"


class TemplateLimitError(InvalidInputError):
    """The template is too large, or needs more time, memory or output than a message may take."""

    code = "template_limit"


class MissingVariableError(ConflictError):
    """Some recipients lack a value that the template needs.

    `context["problems"]` says which: `{variable, row_number, email, count}`.
    """

    code = "missing_variables"
