"""What can be wrong with a stored template."""

from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError


class TemplateNotFoundError(NotFoundError):
    """There is no such template."""

    code = "template_not_found"


class TemplateVersionNotFoundError(NotFoundError):
    """The template has no such version."""

    code = "template_version_not_found"


class TemplateNameTakenError(ConflictError):
    """Another template has this name."""

    code = "template_name_taken"


class TemplateChangedError(ConflictError):
    """Somebody else has saved a newer version: look at it first."""

    code = "template_changed"


class TemplateArchivedError(ConflictError):
    """The template is archived: it can be read, not changed and not used."""

    code = "template_archived"


class TemplateShapeError(InvalidInputError):
    """The variants or attachments do not fit the template's channel."""

    code = "template_shape"
