"""The wire between keeper and jail: frames over one socket, one request at a time.

A frame is `length: u32, kind: u8, payload`. Requests:

- COMPILE: JSON `{id, subject, preheader, html, text, format, inline_css, locale, snippets, variables, seconds}`;
  answered by one COMPILED with JSON, either `{"required": [...], "optional": [...], "text_source": ...}` (paths as
  lists) or `{"problems": [{code, part, line, snippet, message}]}`.
- RENDER: `template id: 16 bytes, CPU seconds per message: f64, careful: u8`, then a JSON list of contexts; answered by
  UNKNOWN (the template is not in the cache: compile it again) or by RESULTS until all contexts are answered. A careful
  answer has one message per frame, so that the keeper knows exactly whom a dying child was rendering.
- INSPECT: `CPU seconds: f64`, then HTML; answered by one INSPECTED with JSON (`inspection.inspect`, or null).

RESULTS: `flags: u8, count: u32`, a table of `status: u8, three lengths: u32`, then the bytes: subject, HTML and text
when the status is OK, else a JSON problem. The child opens with READY, or with FAILED and the reason.
"""

import struct
from typing import Final

HEADER: Final = struct.Struct("!IB")
RENDER_HEAD: Final = struct.Struct("!16sdB")
INSPECT_HEAD: Final = struct.Struct("!d")
RESULTS_HEAD: Final = struct.Struct("!BI")
RESULT: Final = struct.Struct("!BIII")

READY: Final = 0
FAILED: Final = 1
COMPILE: Final = 2
COMPILED: Final = 3
RENDER: Final = 4
RESULTS: Final = 5
UNKNOWN: Final = 6
INSPECT: Final = 7
INSPECTED: Final = 8

OK: Final = 0
PROBLEM: Final = 1

LAST: Final = 1
"""Flag of RESULTS: the answer is complete."""
RETIRE: Final = 2
"""Flag of RESULTS: memory ran out at least once; replace this child."""
