"""Addresses: what is safe to put behind RCPT TO, and nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.delivery import addresses
from taskflow.delivery.addresses import UnsafeAddressError


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("anna@example.org", "anna@example.org"),
        ("o'brien+news@mail.example.org", "o'brien+news@mail.example.org"),
        ("root@localhost", "root@localhost"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("añña@bücher.example", "añña@xn--bcher-kva.example"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
    ],
)
def test_a_plain_address_is_taken(text: str, wire: str) -> None:
    assert str(addresses.parse(text)) == wire


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "anna",
        "anna@",
        "@example.org",
        "a@b@example.org",
        "-anna@example.org",
        "-oQ/tmp@example.org",
        "<anna@example.org>",
        "anna@example.org>",
        "an na@example.org",
        " anna@example.org",
        "anna@example.org ",
        "anna@example.org\n",
        "anna@example.org\r\nRCPT TO:<b@example.org>",
        "anna\x00@example.org",
        "anna\x85@example.org",
        "anna\u2028@example.org",
        "anna\u202e@example.org",
        "anna\ud800@example.org",
        '"anna"@example.org',
        "anna(comment)@example.org",
        "anna,berta@example.org",
        "a..b@example.org",
        ".a@example.org",
        "a.@example.org",
        "anna@-example.org",
        "anna@example..org",
        "anna@exa_mple.org",
        "anna@[127.0.0.1]",
        "a" * 65 + "@example.org",
        "ü" * 33 + "@example.org",
        "a@" + "b" * 64 + ".org",
        "a@" + ".".join(["b" * 60] * 5),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UnsafeAddressError):
        addresses.parse(text)


@given(st.text(max_size=60))
def test_what_passes_can_end_no_command(text: str) -> None:
    for candidate in (text, f"{text}@example.org", f"a@{text}", f"a@{text}.org"):
        try:
            wire = str(addresses.parse(candidate))
        except UnsafeAddressError:
            continue
        assert re.search(r"[\x00-\x20\x7f-\x9f<>\"\\,;:()\[\]]", wire) is None
        assert not wire.startswith("-")
        assert len(wire.encode()) <= addresses.MAX_ADDRESS_BYTES


@pytest.mark.parametrize("name", ["mail.example.org", "host-7", "[127.0.0.1]", "[IPv6:::1]"])
def test_a_host_name_or_a_literal_is_an_ehlo_name(name: str) -> None:
    assert addresses.check_ehlo_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a\r\nMAIL FROM:<x>", "-a", "a_b", "ü.de", "[x]", "a" * 254])
def test_anything_else_is_no_ehlo_name(name: str) -> None:
    with pytest.raises(UnsafeAddressError):
        addresses.check_ehlo_name(name)
