"""Content that is compiled, and rendered for people: each reads the variant of their locale."""

from collections.abc import Mapping, Sequence
from typing import Any

from taskflow.content.rendering import CompiledTemplate, Rendered, RenderPool, RenderProblem
from taskflow.content.templates.models import Content
from taskflow.content.templates.service import compile_content


class Words:
    """Content that is compiled: what each person reads, by their locale."""

    def __init__(self, rendering: RenderPool, content: Content, compiled: Mapping[str, CompiledTemplate]) -> None:
        """Use `Words.of`."""
        self._rendering = rendering
        self.content = content
        self.compiled = compiled

    @classmethod
    async def of(cls, rendering: RenderPool, content: Content) -> "Words":
        """Compile content.

        Raises:
            TemplateSyntaxProblem, TemplateLimitError: a variant is not usable.
        """
        return cls(rendering, content, await compile_content(rendering, content))

    async def render(self, contexts: Sequence[Mapping[str, Any]]) -> list[Rendered | RenderProblem]:
        """Return one result for each context, in order, each from the variant of its `locale`.

        Raises:
            RenderingUnavailableError: no rendering process can be started.
        """
        if len(self.compiled) == 1:
            return await self._rendering.render(self.compiled[self.content.default_locale], contexts)
        places: dict[str, list[int]] = {}
        for place, context in enumerate(contexts):
            places.setdefault(self.content.choose(context.get("locale")), []).append(place)
        done: dict[int, Rendered | RenderProblem] = {}
        for locale, mine in places.items():
            found = await self._rendering.render(self.compiled[locale], [contexts[place] for place in mine])
            done |= dict(zip(mine, found, strict=True))
        return [done[place] for place in range(len(contexts))]
