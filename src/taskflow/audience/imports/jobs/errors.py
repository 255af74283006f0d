"""What is wrong with the request for an import; what is wrong with the file says `taskflow.audience.imports.errors`."""

from taskflow.audience.imports.errors import ImportFileError
from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError


class ImportNotFoundError(NotFoundError):
    """There is no such import."""

    code = "import_not_found"


class ImportEndedError(ConflictError):
    """The import has ended already."""

    code = "import_ended"


class MappingError(InvalidInputError):
    """The mapping does not fit the file."""

    code = "import_mapping"


class AmbiguousColumnError(MappingError):
    """Two columns have the same name: say what each of them is."""

    code = "import_ambiguous_column"


class ImportOptionError(InvalidInputError):
    """An option of the import cannot be used."""

    code = "import_option"


class ArchiveError(ImportFileError):
    """The ZIP archive cannot be imported."""

    code = "zip_refused"


class ArchiveTooLargeError(ArchiveError):
    """The archive unpacks to more than is allowed."""

    code = "zip_too_large"
    status = 413


class ImportBodyError(InvalidInputError):
    """The form cannot be read."""

    code = "unreadable_body"
    status = 400


class NoImportFileError(InvalidInputError):
    """The form has no file."""

    code = "no_file"
