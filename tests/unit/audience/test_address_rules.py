"""Addresses: plain ones fast, unusual ones right, hostile ones never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.growth import grows_linearly
from taskflow.audience.imports.addresses import InvalidAddressError, normalise

GOOD = {
    "ada@example.com": "ada@example.com",
    "Ada.Lovelace+x@Mail.EXAMPLE.com": "Ada.Lovelace+x@mail.example.com",
    "o'brien@example.co.uk": "o'brien@example.co.uk",
    "a@b.co": "a@b.co",
    "x@bücher.example": "x@xn--bcher-kva.example",
    "x@xn--bcher-kva.example": "x@xn--bcher-kva.example",
    "用户@例子.example": "用户@xn--fsqu00a.example",
    "a" * 64 + "@example.com": "a" * 64 + "@example.com",
}
BAD = [
    "",
    "plain",
    "@example.com",
    "a@",
    "a@b",
    "a@@example.com",
    "a b@example.com",
    "a@exa mple.com",
    ".a@example.com",
    "a.@example.com",
    "a..b@example.com",
    "a@-example.com",
    "a@example-.com",
    "a@example..com",
    "a@.example.com",
    "a@example.com.",
    "a@127.0.0.1",
    "a@[127.0.0.1]",
    '"a b"@example.com',
    "Ada <ada@example.com>",
    "<ada@example.com>",
    "-f@example.com",
    "a@example.com\r\nBcc: b@example.com",
    "a@example.com\n",
    "a\x00@example.com",
    "a\u2028@example.com",
    "a@example.com,b@example.com",
    "a" * 65 + "@example.com",
    "a@" + "b" * 64 + ".com",
    "a@" + ".".join(["b" * 60] * 5) + ".com",
    "a\udc80@example.com",
]


@pytest.mark.parametrize("address", GOOD)
def test_an_address_is_normalised(address: str) -> None:
    assert normalise(address) == GOOD[address]
    assert normalise(GOOD[address]) == GOOD[address]


@pytest.mark.parametrize("address", BAD)
def test_what_is_not_an_address_is_refused_with_a_sentence(address: str) -> None:
    with pytest.raises(InvalidAddressError, match=r"\w"):
        normalise(address)


@given(st.text(max_size=300))
def test_whatever_is_accepted_is_one_safe_token(text: str) -> None:
    for candidate in (text, f"{text}@example.com", f"a@{text}.com"):
        try:
            accepted = normalise(candidate)
        except InvalidAddressError:
            continue
        assert len(accepted) <= 254
        assert accepted.isprintable()
        assert not set(accepted) & set(" <>\r\n\t")
        assert accepted.count("@") == 1
        assert accepted.rpartition("@")[2].isascii()


@pytest.mark.parametrize(("head", "unit", "tail"), [("", "a.", "@"), ("", "@", ""), ("a@", "a-", ""), ("a@", "a.", "")])
async def test_an_addresss_cost_grows_with_its_length_and_no_faster(head: str, unit: str, tail: str) -> None:
    def refuse(count: int) -> None:
        with pytest.raises(InvalidAddressError):
            normalise(head + unit * count + tail)

    await grows_linearly(refuse, 100_000)
