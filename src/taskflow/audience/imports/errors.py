"""Why a whole file cannot be imported. A single bad row is never an error: it is rejected and reported."""

from taskflow.base.errors import InvalidInputError


class ImportFileError(InvalidInputError):
    """The file cannot be imported."""

    code = "import_failed"


class EmptyFileError(ImportFileError):
    """The file is empty."""

    code = "csv_empty"


class NoRowsError(ImportFileError):
    """The file has a header but no rows."""

    code = "csv_no_rows"


class NoHeaderError(ImportFileError):
    """The first row holds an address where the names of the columns should be."""

    code = "csv_no_header"


class NoEmailColumnError(ImportFileError):
    """No column holds e-mail addresses."""

    code = "csv_no_email_column"


class TooManyColumnsError(ImportFileError):
    """The file has too many columns."""

    code = "csv_too_many_columns"


class TooManyRejectedError(ImportFileError):
    """Nearly every row is unusable: this is not a list of recipients."""

    code = "csv_too_many_rejected"


class TooManyRowsError(ImportFileError):
    """The list has more rows than one file or campaign may have."""

    code = "too_many_recipients"


class UnreadableFileError(ImportFileError):
    """The file is not a text file that can be read."""

    code = "csv_unreadable"


class BrokenQuotesError(ImportFileError):
    """Too many quotes are opened and never closed."""

    code = "csv_broken_quotes"
