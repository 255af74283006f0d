"""Links are asked for only on demand, past the guard, and nothing of an answer is kept but its status."""

from ipaddress import ip_network

from support.receiver import plain, receiving
from taskflow.content.lint.links import LinkChecker

LOOPBACK = [ip_network("127.0.0.0/8")]


async def test_a_link_that_is_gone_or_silent_is_found_and_one_that_answers_is_not() -> None:
    async with receiving() as there:
        url = f"http://127.0.0.1:{there.port}"
        there.replies = [plain(200), plain(404), plain(302, "Location: http://10.0.0.1/"), plain(500), plain(403)]
        found = []
        for path in ("fine", "gone", "moved", "broken", "private"):
            found += await LinkChecker(LOOPBACK, 5).check([f"{url}/{path}#part"])
        assert [one.message for one in found] == [f"{url}/gone answers 404.", f"{url}/broken answers 500."]
        assert len(there.messages) == 5


async def test_nothing_inside_is_asked() -> None:
    async with receiving() as there:
        here = f"127.0.0.1:{there.port}"
        inside = [f"http://{here}/", f"https://{here}/", "https://[::1]/", "https://10.0.0.1/"]
        inside += ["https://169.254.169.254/latest", f"https://user:pass@{here}/", "file:///etc/passwd"]
        found = await LinkChecker([], 5).check([*inside, *inside])
        assert [one.code for one in found] == ["link_unreachable"] * len(inside)
        assert all("was not asked" in one.message for one in found)
        assert there.connections == 0
