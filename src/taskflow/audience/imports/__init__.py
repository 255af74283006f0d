"""Recipients from files and requests: read as a stream, every row checked, nothing altered.

`CsvSource` reads CSV files, `json_batches` lists of objects; both yield `Batch`es of accepted rows and rejections.
Duplicates are not found here: only the database sees all rows.
"""

from taskflow.audience.imports.json_list import json_batches
from taskflow.audience.imports.rows import AcceptedRow, Batch, Rejection, RejectionCode
from taskflow.audience.imports.source import CsvSource

__all__ = ["AcceptedRow", "Batch", "CsvSource", "Rejection", "RejectionCode", "json_batches"]
