"""SPF: whether it lets pass what leaves from us and from providers, and what it costs receivers."""

from taskflow.delivery.domains import spf
from taskflow.delivery.domains.checks.patient import UNKNOWN_ACTION, Patient
from taskflow.delivery.domains.findings import Finding, fail, ok, warn
from taskflow.delivery.domains.zone import spf_mechanisms, txt, with_mechanisms


async def check(patient: Patient) -> list[Finding]:
    """Look at the record, and judge by it every address that mail leaves from."""
    domain, terms = patient.domain.envelope_domain, spf_mechanisms(patient.settings, patient.outlets)
    minimum = (txt(domain, f"v=spf1 {' '.join(terms)} ~all", "SPF"),) if terms else ()
    texts = await spf.published(patient.resolver, domain)
    if not texts:
        action = "Publish one." if minimum else f"Publish one. {UNKNOWN_ACTION}"
        return [fail("spf", f"{domain} has no SPF record.", action, *minimum)]
    if len(texts) > 1:
        return [fail("spf", f"{domain} has {len(texts)} SPF records: receivers use none.", "Make one of them.")]
    walk = spf.Walk()
    try:
        await spf.judge(patient.resolver, domain, None, walk)
        found = _costs(domain, walk)
        found += _of_providers(patient, domain, texts[0], walk)
        outgoing = await patient.outgoing()
        results = {str(one): await spf.judge(patient.resolver, domain, one, spf.Walk()) for one in outgoing}
    except spf.SpfError as error:
        return [fail("spf", f"The SPF record of {domain} cannot be used: {error}.", "Mend it.")]
    merged = (txt(domain, with_mechanisms(texts[0], terms), "SPF"),) if terms else ()
    for address, result in results.items():
        if result == "pass":
            found.append(ok("spf", f"SPF of {domain} lets mail from {address} pass."))
        else:
            found.append(
                fail("spf", f"SPF of {domain} says {result} to mail from {address}.", "Name it there.", *merged)
            )
    if not results and not patient.leaves_from_providers_only:
        found.append(warn("spf", "Nobody can tell whether SPF lets our mail pass.", UNKNOWN_ACTION))
    if spf.parse(texts[0]).allows_everybody:
        found.append(fail("spf", f"SPF of {domain} lets everybody pass (+all).", "End it with ~all."))
    return found


def _costs(domain: str, walk: spf.Walk) -> list[Finding]:
    found = []
    if walk.lookups > spf.MOST_LOOKUPS:
        sentence = f"SPF of {domain} takes {walk.lookups} lookups; receivers stop at {spf.MOST_LOOKUPS}."
        found.append(fail("spf", sentence, "Take out includes that are not needed, or name networks instead."))
    if walk.void > spf.MOST_VOID:
        sentence = f"{walk.void} terms in SPF of {domain} find nothing; receivers stop at {spf.MOST_VOID}."
        found.append(fail("spf", sentence, "Take them out."))
    if walk.macros:
        sentence = f"SPF of {domain} has macros, which are not followed here: {walk.macros[0][:100]}."
        found.append(warn("spf", sentence, "See for yourself whether they let our mail pass."))
    return found


def _of_providers(patient: Patient, domain: str, text: str, walk: spf.Walk) -> list[Finding]:
    """Say whether the record names what the documentation of providers tells their customers to."""
    found = []
    for outlet in patient.outlets:
        label, term = outlet.label[:100], outlet.term
        if term is None and outlet.host is None:
            sentence = f"What SPF of {domain} has to name for {label} stands in its documentation."
            found.append(warn("spf", sentence, "See there."))
        elif term is not None and term.removeprefix("include:") in walk.followed:
            found.append(ok("spf", f"SPF of {domain} has {term}, as the documentation of {label} asks."))
        elif term is not None:
            sentence = f"SPF of {domain} lacks {term}, which the documentation of {label} names."
            action = "Name it, unless it sends with a return path of its own."
            found.append(warn("spf", sentence, action, txt(domain, with_mechanisms(text, [term]), "SPF")))
    return found
