"""The arguments of a task: its function's signature as a Pydantic model, and the way old arguments become new ones."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError, create_model

from taskflow.base.errors import ConfigurationError, InvalidInputError
from taskflow.engine.payload import InvalidTaskArgumentsError

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


class UpgradeError(InvalidInputError):
    """These arguments are of an older version, and cannot be turned into the present one."""

    code = "upgrade_failed"


class Arguments:
    """The signature of a function as a Pydantic model."""

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        """Take the (annotation, default) of each argument of the task called `name`."""
        self._name = name
        self._fields = fields
        self._parts: dict[frozenset[str], Arguments] = {}
        self.names = tuple(fields)
        self.model = create_model(
            f"{name}.arguments", __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields
        )

    @classmethod
    def of(cls, name: str, function: Callable[..., Any], provided: Collection[str] = ()) -> "Arguments":
        """Read a signature; the parameters `provided` are the worker's business.

        Raises:
            ConfigurationError: it has *args or **kwargs, or one of `provided` cannot be given by name.
        """
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(function, eval_str=True).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise ConfigurationError(f"Task {name!r}: *args and **kwargs cannot be checked; name the parameters.")
            if parameter.name in provided:
                if parameter.kind is parameter.POSITIONAL_ONLY:
                    raise ConfigurationError(f"Task {name!r}: {parameter.name} is provided, so it must have a name.")
                continue
            annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (annotation, default)
        return cls(name, fields)

    def without(self, names: frozenset[str]) -> "Arguments":
        """Return the same but for some arguments, which are not known before the task runs.

        Raises:
            InvalidTaskArgumentsError: one of them is none of the task's.
        """
        part = self._parts.get(names)
        if part is None:
            for name in sorted(names - self._fields.keys()):
                raise InvalidTaskArgumentsError(f"{self._name} has no argument {name!r} to take a result.")
            fields = {name: spec for name, spec in self._fields.items() if name not in names}
            part = self._parts[names] = Arguments(self._name, fields)
        return part

    def named(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Return arguments by name, unchecked.

        Raises:
            InvalidTaskArgumentsError: there are too many of them, or one is given twice.
        """
        given = dict(kwargs or {})
        if args:
            if len(args) > len(self.names):
                raise InvalidTaskArgumentsError(
                    f"{self._name} takes {len(self.names)} arguments, {len(args)} were given."
                )
            for name, value in zip(self.names, args, strict=False):
                if name in given:
                    raise InvalidTaskArgumentsError(f"{self._name}: {name} is given twice.")
                given[name] = value
        return given

    def validate(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Return every argument by name, converted to its annotated type.

        Raises:
            InvalidTaskArgumentsError: they do not fit; the sentence names each misfit.
        """
        if not args and not kwargs and not self.names:
            return {}
        given = self.named(args, kwargs)
        try:
            checked = self.model.model_validate(given)
        except ValidationError as error:
            problems = [
                {"field": ".".join(map(str, item["loc"])), "message": item["msg"]}
                for item in error.errors(include_url=False, include_input=False)
            ]
            sentence = "; ".join(f"{problem['field']}: {problem['message']}" for problem in problems)
            raise InvalidTaskArgumentsError(f"{self._name}: {sentence}", problems=problems) from error
        return {name: getattr(checked, name) for name in self.names}


class Upgrades:
    """The functions that turn arguments of one version of a task into those of the next."""

    def __init__(self, name: str, version: int) -> None:
        """Belong to the task called `name`, whose present version is `version`."""
        self._name = name
        self._version = version
        self._steps: dict[int, Upgrade] = {}

    def add(self, version: int, step: Upgrade) -> None:
        """Take the function that turns arguments of `version` into those of the next.

        Raises:
            ConfigurationError: the task has no such older version, or the step is there already.
        """
        if not 1 <= version < self._version:
            raise ConfigurationError(
                f"Task {self._name!r} is at version {self._version}; there is nothing to upgrade from {version}."
            )
        if version in self._steps and self._steps[version].__qualname__ != step.__qualname__:
            raise ConfigurationError(f"Task {self._name!r} has two upgrades from version {version}.")
        self._steps[version] = step

    def apply(self, version: int, args: Any, kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return arguments of `version` as keyword arguments of the present one.

        Raises:
            UpgradeError: a step is missing or raises, or they are positional, whose names no longer are known.
        """
        if args:
            raise UpgradeError(
                f"{self._name}: arguments of version {version} came as a list, and their names are not known any more."
            )
        given = dict(kwargs or {})
        for number in range(version, self._version):
            step = self._steps.get(number)
            if step is None:
                raise UpgradeError(
                    f"{self._name}: these are arguments of version {version}, this is version {self._version}, and"
                    f" there is no upgrade from {number}. Add a function under @{self._name}.upgrade({number})."
                )
            try:
                given = step(given)
            except Exception as error:
                raise UpgradeError(
                    f"{self._name}: the upgrade from version {number} failed: {type(error).__name__}: {error}"
                ) from error
        return given
