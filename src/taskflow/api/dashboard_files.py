"""The built dashboard: files of `api/dashboard/`, and `index.html` for every address that is the dashboard's own.

Names under `assets/` carry a hash of their content and may be kept for ever; everything else is asked for again.
"""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

from taskflow.identity.access import public

FOLDER = Path(__file__).parent / "dashboard"
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_NO_PAGES = frozenset({"api", "hooks"})  # for programs
_LONGEST = 255  # of a file's name: a longer one makes the system call fail, and is a name of none of ours
_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>TaskFlow</title><style>
body { font: 16px/1.6 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1.5rem; color: #1f2937 }
code { background: #f3f4f6; padding: .15em .4em; border-radius: .3em }
@media (prefers-color-scheme: dark) { body { background: #0b1120; color: #e5e7eb } code { background: #1f2937 } }
</style></head><body>
<h1>TaskFlow is running</h1>
<p>The dashboard has not been built in this installation. <code>make up</code> and <code>make demo</code> build it; the
API is at <code>/api/v1</code> meanwhile, and <code>taskflow --help</code> shows what the command line does.</p>
</body></html>
"""


def install(app: FastAPI, folder: Path = FOLDER) -> None:
    """Serve the dashboard wherever no other route is. Must come last."""
    root = folder.resolve()

    async def dashboard(path: str) -> Response:
        if path.partition("/")[0] in _NO_PAGES:
            raise HTTPException(405 if app.state.methods_of("/" + path) else 404)
        if "\0" in path:
            raise HTTPException(404)
        file = (root / path).resolve() if len(path) <= _LONGEST else root
        if path and file.is_relative_to(root) and file.is_file():
            kept = path.startswith("assets/")
            return FileResponse(file, headers={"Cache-Control": _FOR_EVER if kept else _ASK_AGAIN})
        if "." in path.rpartition("/")[2]:
            raise HTTPException(404)  # a file that is not there is no page of the dashboard
        index = root / "index.html"
        headers: dict[str, Any] = {"Cache-Control": _ASK_AGAIN}
        if index.is_file():
            return FileResponse(index, headers=headers)
        return HTMLResponse(_NOT_BUILT, headers=headers)

    app.add_api_route(
        "/{path:path}", dashboard, methods=["GET", "HEAD"], include_in_schema=False, dependencies=[public()]
    )
