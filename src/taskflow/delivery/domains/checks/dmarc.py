"""DMARC: whether there is a policy, and whether our mail is aligned with it."""

from taskflow.delivery.domains import dmarc
from taskflow.delivery.domains.checks.patient import Patient
from taskflow.delivery.domains.findings import Finding, fail, ok, warn
from taskflow.delivery.domains.models import KeyState
from taskflow.delivery.domains.zone import txt


async def check(patient: Patient) -> list[Finding]:
    """Look at the policy of the domain, or of the one above it."""
    domain = patient.domain.domain
    minimum = txt(f"_dmarc.{domain}", "v=DMARC1; p=none", "DMARC")
    policy = await dmarc.published(patient.resolver, domain)
    if policy is None:
        sentence = f"{domain} has no DMARC record: Gmail, Yahoo and Microsoft refuse bulk mail without one."
        return [fail("dmarc", sentence, "Publish one.", minimum)]
    if policy.problem is not None:
        return [fail("dmarc", f"{policy.where} cannot be used: {policy.problem}.", "Mend it.", minimum)]
    found = [ok("dmarc", f"{policy.where} says `p={policy.policy}`.")]
    return_path = patient.domain.envelope_domain
    if not policy.aligned(return_path, domain, "aspf"):
        sentence = f"The return path's domain {return_path} is not aligned with {domain}: only DKIM counts."
        found.append(warn("dmarc", sentence, f"Take a return path under {domain}, or `aspf=r`."))
    if policy.policy != "none" and not patient.domain.keys_in(KeyState.ACTIVE):
        sentence = f"The policy is {policy.policy}, and no mail is signed: what is forwarded is lost."
        found.append(fail("dmarc", sentence, "Publish the DKIM records, then check once more."))
    return found
