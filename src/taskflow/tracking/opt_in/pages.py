"""Pages of the double opt-in and of public forms. Whatever stands in them is escaped."""

from html import escape

from taskflow.tracking.pages import button, frame

TRAP = "website"
"""A field that people do not see: what fills it in is no person."""
_FORM = """<form method="post">
<label>E-mail address<input type="email" name="email" required maxlength="254" autocomplete="email"></label>
<label>First name<input name="first_name" maxlength="100" autocomplete="given-name"></label>
<label>Last name<input name="last_name" maxlength="100" autocomplete="family-name"></label>
<label class="trap" aria-hidden="true">Website<input name="{trap}" tabindex="-1" autocomplete="off"></label>
<button type="submit">Subscribe</button></form>"""


def form(list_name: str, wording: str, problem: str = "") -> str:
    """Return the form of a public list; `problem`: what was wrong with what was sent."""
    told = f"<strong>{escape(problem)}</strong><br>" if problem else ""
    return frame(list_name, told + escape(wording), _FORM.format(trap=TRAP))


def received(list_name: str) -> str:
    """Return the page that says the same whoever asked, and whatever became of it."""
    text = "If a confirmation is needed, a mail is on its way: open its link and press the button."
    return frame(f"Thank you: {list_name}", escape(text))


def question(masked: str, list_name: str, wording: str) -> str:
    """Return the page behind the link of a double opt-in."""
    return frame(f"Subscribe to {list_name}?", f"{escape(wording)}<br>{escape(masked)}", button("Confirm"))


def confirmed(masked: str, list_name: str) -> str:
    """Return the page that says it is done."""
    return frame("You are subscribed", f"{escape(list_name)} is sent to {escape(masked)}.")


def gone() -> str:
    """Return the page for a link that is not ours, too old, or was for another address."""
    text = "It is too old, was cut off on its way, or is no longer wanted. Subscribe again to get another one."
    return frame("This link does not work", text)
