"""URLs of others: they lead out of the house and nowhere else."""

from ipaddress import ip_address, ip_network

import pytest

from taskflow.base.outbound import AddressGuard, RefusedUrlError, Target


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "192.0.0.8", "fec0::1", "3fff::1", "5f00::1", "64:ff9b:1::808:808",
        "64:ff9b:1:7f00:0:100:808:808",  # 127.0.0.1 to a translator that keeps it behind its 48 bits
    ],
)  # fmt: skip
def test_what_is_inside_is_not_reached(address: str) -> None:
    assert not AddressGuard().may_reach(ip_address(address), plain=False)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:220:1::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]
)
def test_what_is_global_is_reached_but_not_in_the_clear(address: str) -> None:
    assert AddressGuard().may_reach(ip_address(address), plain=False)
    assert not AddressGuard().may_reach(ip_address(address), plain=True)


def test_an_operator_may_open_networks_inside() -> None:
    guard = AddressGuard([ip_network("10.1.0.0/16"), ip_network("fd00::/8")])
    for address in ("10.1.2.3", "fd00::1", "::ffff:10.1.2.3"):
        assert guard.may_reach(ip_address(address), plain=True), address
    for address in ("10.2.0.1", "127.0.0.1", "fc00::1"):
        assert not guard.may_reach(ip_address(address), plain=False), address


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "https://", "https:///path", "//example.com", "https://user:pass@example.com/",
        "https://example.com:99999/", "https://exa mple.com/", "https://example.com/\r\nX: y", "https://[::1/",
        "https://example.com/" + "x" * 2000, "https://exämple.com/", "javascript:alert(1)", "",
    ],
)  # fmt: skip
def test_what_is_no_http_address_is_refused(url: str) -> None:
    with pytest.raises(RefusedUrlError):
        Target(url)


def test_an_address_is_taken_apart() -> None:
    target = Target("https://Example.com:8443/a/b?c=d#e")
    assert (target.scheme, target.host, target.port, target.path) == ("https", "example.com", 8443, "/a/b?c=d")
    assert (Target("https://example.com").port, Target("https://example.com").path) == (443, "/")


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_loopback_is_refused_however_it_is_spelled(host: str) -> None:
    with pytest.raises(RefusedUrlError):
        await AddressGuard().find(Target(f"https://{host}/"))
