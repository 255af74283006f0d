"""The keeper of the rendering jail: a pool of child processes, many recipients a call.

A message that breaks a limit gets the problem `template_limit`; its neighbours are rendered, if need be by a new
child. What runs inside is `taskflow.content.jail`.
"""

from taskflow.content.rendering.models import CompiledTemplate, Format, Inspection, Rendered, RenderProblem, Template
from taskflow.content.rendering.pool import RenderPool

__all__ = ["CompiledTemplate", "Format", "Inspection", "RenderPool", "RenderProblem", "Rendered", "Template"]
