"""The keeper of the rendering jail: a pool of child processes, many recipients a call.

A message that breaks a limit gets the problem `template_limit`; its neighbours are rendered, if need be by a new
child. What runs inside is `taskflow.content.jail`.
"""

from taskflow.content.rendering.pool import RenderPool
from taskflow.content.templates import CompiledTemplate, Rendered, RenderProblem, Template

__all__ = ["CompiledTemplate", "RenderPool", "RenderProblem", "Rendered", "Template"]
