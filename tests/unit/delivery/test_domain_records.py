"""Domains, their zone, and SPF and DMARC records as strangers write them."""

import contextlib

import pytest
from dns import rdata, rdataclass, rdatatype
from hypothesis import given
from hypothesis import strategies as st

from taskflow.delivery.domains import dmarc, spf
from taskflow.delivery.domains.models import InvalidDomainError, domain_name, lineage, primary_domain
from taskflow.delivery.domains.outlets import Outlets
from taskflow.delivery.domains.zone import spf_mechanisms, txt, with_mechanisms
from taskflow.settings import Settings


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.ORG", "example.org"),
        ("mail.example.co.uk.", "mail.example.co.uk"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_domain_has_one_spelling(text: str, name: str) -> None:
    assert domain_name(text) == name


@pytest.mark.parametrize(
    "text",
    ["", ".", "localhost", "com", "co.uk", "a b.org", "a@b.org", "exa\nmple.org", "a..org", "-a.org", "1.2.3.4/x",
     "x" * 64 + ".org", ".".join(["abcdefgh"] * 40), "ex\u202eample.org", "*.example.org", "_dmarc.example.org"],
)  # fmt: skip
def test_what_is_none_or_everybodys_is_refused(text: str) -> None:
    with pytest.raises(InvalidDomainError):
        domain_name(text)


def test_subdomains_belong_to_the_domain_that_somebody_registered() -> None:
    assert primary_domain("a.b.example.co.uk") == "example.co.uk"
    assert primary_domain("me.github.io") == "me.github.io"
    assert lineage("A.b.example.co.uk") == ["a.b.example.co.uk", "b.example.co.uk", "example.co.uk"]
    assert lineage("example.org") == ["example.org"]
    assert lineage("co.uk") == []


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=1500))
def test_a_zone_line_says_what_it_should_however_long(value: str) -> None:
    line = txt("a.example.org", value or "x", "test").line
    name, _, kind, strings = line.split(" ", 3)
    assert (name, kind) == ("a.example.org.", "TXT")
    parsed = rdata.from_text(rdataclass.IN, rdatatype.TXT, strings)
    assert b"".join(parsed.strings).decode() == (value or "x")
    assert max(map(len, parsed.strings)) <= 255


@pytest.mark.parametrize(
    ("host", "terms"),
    [
        (None, []),
        ("127.0.0.1", []),
        ("localhost", []),
        ("mail.example.org", ["a:mail.example.org"]),
        ("email-smtp.eu-west-1.amazonaws.com", ["include:amazonses.com"]),
        ("smtp.gmail.com", ["include:_spf.google.com"]),
        ("evilamazonaws.com", ["a:evilamazonaws.com"]),
    ],
)
def test_spf_names_where_mail_leaves_from(host: str | None, terms: list[str]) -> None:
    settings = Settings()
    settings.smtp.host = host
    assert spf_mechanisms(settings, Outlets(settings, []).of("example.org")) == terms


@pytest.mark.parametrize(
    ("record", "merged"),
    [
        ("v=spf1 mx ~all", "v=spf1 mx a:m.example.org ~all"),
        ("v=spf1 redirect=_spf.example.net", "v=spf1 a:m.example.org redirect=_spf.example.net"),
        ("v=spf1 a:m.example.org -ALL", "v=spf1 a:m.example.org -ALL"),
        ("v=spf1", "v=spf1 a:m.example.org"),
    ],
)
def test_further_terms_stand_before_the_end(record: str, merged: str) -> None:
    assert with_mechanisms(record, ["a:m.example.org"]) == merged


@pytest.mark.parametrize(
    "record",
    ["v=spf1 include", "v=spf1 include: -all", "v=spf1 ip4:999.1.1.1", "v=spf1 ip4:2001:db8::1", "v=spf1 ip6:1.2.3.4",
     "v=spf1 a/33", "v=spf1 a//129", "v=spf1 ipv4:1.2.3.4", "v=spf1 -", "v=spf1 redirect=",
     "v=spf1 redirect=a redirect=b", "v=spf1 ip4:1.2.3.4/99", "v=spf1 \u202eall", "v=spf1 " + "x" * 5000],
)  # fmt: skip
def test_a_term_that_is_none_is_named(record: str) -> None:
    with pytest.raises(spf.SpfError) as caught:
        spf.parse(record)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=300))
def test_no_text_breaks_the_readers(text: str) -> None:
    with contextlib.suppress(spf.SpfError):
        spf.parse(f"v=spf1 {text}")
    found = dmarc._parse("_dmarc.example.org", f"v=DMARC1; {text}")
    assert found.problem is not None or found.policy in ("none", "quarantine", "reject")


@pytest.mark.parametrize(
    ("text", "policy", "problem"),
    [
        ("v=DMARC1; p=reject; adkim=s", "reject", False),
        ("v=DMARC1;p=NONE;", "none", False),
        ("v=DMARC1; p=", "", True),
        ("v=DMARC1", "none", True),
        ("v=DMARC1; p=none; nonsense", "none", True),
        ("v=DMARC1; p=none; p=reject", "none", False),
    ],
)
def test_dmarc_is_read(text: str, policy: str, problem: bool) -> None:
    found = dmarc._parse("_dmarc.example.org", text)
    assert (found.policy, found.problem is not None) == (policy, problem)


@pytest.mark.parametrize(
    ("tags", "domain", "aligned"),
    [
        ({}, "mail.example.org", True),
        ({}, "example.net", False),
        ({"aspf": "s"}, "mail.example.org", False),
        ({"aspf": "s"}, "news.example.org", True),
        ({"aspf": "r"}, "example.org", True),
    ],
)
def test_alignment_is_relaxed_unless_the_record_says_strict(tags: dict[str, str], domain: str, aligned: bool) -> None:
    assert dmarc.Dmarc("_dmarc.example.org", tags).aligned(domain, "news.example.org", "aspf") is aligned
