"""Whether DNS shows the keys of DKIM as they are here, and whether their signatures reach anybody."""

from taskflow.delivery.domains import carriers
from taskflow.delivery.domains.checks.patient import Patient
from taskflow.delivery.domains.findings import Finding, fail, ok, warn
from taskflow.delivery.domains.models import DkimKey, KeyState
from taskflow.delivery.domains.zone import txt


async def check(patient: Patient, published: set[str]) -> list[Finding]:
    """Look at all keys that are not retired; the selectors of those that DNS shows are added to `published`."""
    keys = [key for key in patient.domain.keys if key.state is not KeyState.RETIRED]
    found = [await _check_key(patient, key, published) for key in keys]
    if not any(key.state is KeyState.ACTIVE for key in keys) and not published:
        found.append(fail("dkim", "No mail is signed yet.", "Publish the records of the keys, then check once more."))
    signing = (carriers.signing_by(outlet, patient.domain.domain) for outlet in patient.outlets)
    return [*found, *(finding for finding in signing if finding is not None)]


async def _check_key(patient: Patient, key: DkimKey, published: set[str]) -> Finding:
    record = txt(key.name, key.record, f"DKIM, {key.state.value}")
    missing = fail if key.state is KeyState.ACTIVE else warn
    texts = await patient.resolver.txt(key.name)
    if not texts:
        return missing("dkim", f"{key.name} has no TXT record.", "Publish the record.", record)
    if len(texts) > 1:
        return missing(
            "dkim", f"{key.name} has {len(texts)} TXT records: receivers may take any.", "Leave one.", record
        )
    tags = _tags(texts[0])
    public = "".join(tags.get("p", "").split())
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        return missing("dkim", f"{key.name} holds no DKIM key.", "Publish the record.", record)
    if not public:
        return missing("dkim", f"{key.name} says that its key is revoked.", "Publish the record.", record)
    if public != key.public_key or tags.get("k", "rsa") != _tags(key.record)["k"]:
        return missing("dkim", f"{key.name} holds another key than ours.", "Publish the record.", record)
    if "sha256" not in tags.get("h", "sha256").split(":"):
        return missing("dkim", f"{key.name} forbids SHA-256.", "Take `h=` out of the record.", record)
    published.add(key.selector)
    if "y" in tags.get("t", "").split(":"):
        return warn("dkim", f"{key.name} says `t=y`: receivers may ignore it.", "Take `t=y` out of the record.")
    return ok("dkim", f"{key.name} shows our {key.algorithm.value} key ({key.state.value}).")


def _tags(text: str) -> dict[str, str]:
    """Return the tags of a DKIM record; the first of a name counts."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip(), value.strip())
    return tags
