"""Kinds of providers: ours, plugins, and plugins that are broken."""

from importlib.metadata import EntryPoint

import pytest
from pydantic import BaseModel, SecretStr

from taskflow.audience.channels import Channel
from taskflow.delivery.providers.contract import Kind
from taskflow.delivery.providers.fields import described, secret_names
from taskflow.delivery.providers.registry import GROUP, Registry, UnknownKindError


class PigeonFields(BaseModel):
    """Where pigeons live."""

    loft: str
    whistle: SecretStr | None = None


PIGEON = Kind("pigeon", "Pigeon post", Channel.EMAIL, PigeonFields, lambda _fields, _surroundings: None)  # type: ignore[arg-type,return-value]  # never opened
SMTP_AGAIN = Kind("smtp", "Impostor", Channel.EMAIL, PigeonFields, lambda _fields, _surroundings: None)  # type: ignore[arg-type,return-value]  # never opened


def plugin(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_a_plugin_brings_its_kind_along() -> None:
    registry = Registry(plugins=[plugin("pigeon", f"{__name__}:PIGEON")])
    assert registry.kind("pigeon") is PIGEON
    assert registry.broken == []
    assert secret_names(PIGEON) == {"whistle"}
    assert [(one["name"], one["is_required"], one["is_secret"]) for one in described(PIGEON)] == [
        ("loft", True, False),
        ("whistle", False, True),
    ]


def test_broken_plugins_are_told_and_all_else_goes_on() -> None:
    registry = Registry(
        plugins=[
            plugin("gone", "no_such_module_of_anybody:KIND"),
            plugin("none", f"{__name__}:plugin"),
            plugin("impostor", f"{__name__}:SMTP_AGAIN"),
            plugin("pigeon", f"{__name__}:PIGEON"),
        ]
    )
    assert [one.name for one in registry.broken] == ["gone", "none", "impostor"]
    assert ["no_such_module" in registry.broken[0].reason, "is no Kind" in registry.broken[1].reason] == [True, True]
    assert registry.kind("smtp").title == "SMTP server"
    assert registry.kind("pigeon") is PIGEON


def test_an_unknown_kind_is_told_with_those_that_are_there() -> None:
    with pytest.raises(
        UnknownKindError, match="there are smtp, gmail, ses, sendgrid, mailgun, postmark, http, sandbox"
    ):
        Registry().kind("fax")


@pytest.mark.parametrize("kind", Registry().kinds, ids=lambda kind: kind.name)
def test_every_secret_field_says_so_and_every_field_says_what_it_is(kind: Kind) -> None:
    for field in described(kind):
        word = field["name"].rpartition("_")[2]
        assert field["is_secret"] == (
            word in ("password", "secret", "token", "key") and field["name"] != "access_key_id"
        )
        assert field["default"] is None or not field["is_secret"]
