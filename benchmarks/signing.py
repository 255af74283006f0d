"""(i) Signing: the processor time that DKIM adds to a campaign message of 10 KB, by algorithm.

`signing.plain_us` is the message built without a signature, `signing.<algorithm>_us` with one, `signing.both_us` with
both; the HTML is that of the campaign benchmark, padded to 10 KB, with indentation and trailing spaces as templates
have them. Run it alone: `make bench ARGS="signing"`.
"""

import time

from benchmarks import people
from benchmarks.figures import Figures
from benchmarks.options import Options
from benchmarks.system import Servers
from taskflow.delivery.dkim import Algorithm, Signer, SigningKey
from taskflow.delivery.domains.keys import generate
from taskflow.delivery.mime import Skeleton

_BYTES = 10_000
_TEXT = b"Dear Person,\n\nthis week only: everything is a quarter off.\n\nSee you.\n"


def _html() -> bytes:
    html = (people.EXAMPLE / "template.html").read_bytes().replace(b"{{", b"").replace(b"}}", b"")
    line = b"    <p>Only this week:  everything a quarter off. </p>\n"
    return (html + line * (_BYTES // len(line)))[: _BYTES - len(_TEXT)]


async def run(_servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    keys = {algorithm: SigningKey(f"s{algorithm[0]}", algorithm, generate(algorithm)) for algorithm in Algorithm}
    signers = {
        "plain": None,
        "rsa": Signer("shop.example", (keys[Algorithm.RSA],)),
        "ed25519": Signer("shop.example", (keys[Algorithm.ED25519],)),
        "both": Signer("shop.example", tuple(keys.values())),
    }
    for _ in range(options.runs):
        for name, signer in signers.items():
            figures.add(f"signing.{name}_us", _measure(signer, max(200, options.recipients // 10)), "µs CPU/msg")


def _measure(signer: Signer | None, count: int) -> float:
    """Return the microseconds that one message takes."""
    skeleton = Skeleton(from_email="news@shop.example", from_name="Shop", feedback_id="c:campaign:s", signer=signer)
    html = _html()
    started = time.process_time()
    for number in range(count):
        skeleton.build(
            to=f"p{number}@bench.example",
            subject=f"For you, Person {number}",
            message_id=f"<{number}@shop.example>",
            html=html,
            text=_TEXT,
            unsubscribe_url=f"https://mail.example/unsubscribe/{number:064}",
        )
    return (time.process_time() - started) * 1e6 / count
