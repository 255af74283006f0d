"""Pages for recipients: one question, one button, no scripts and nothing from elsewhere.

GET never changes anything, because mail scanners follow links; the button (and RFC 8058's one-click) POSTs.
"""

from collections.abc import Sequence
from html import escape

SCOPE, EVERYTHING = "scope", "everything"
"""The field of a form that says how much somebody wants to be rid of."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText;
  font: 16px/1.5 system-ui, sans-serif; }}
main {{ max-width: 26rem; padding: 2rem; text-align: center; }}
h1 {{ font-size: 1.35rem; margin: 0 0 .75rem; }}
p {{ margin: 0 0 1.5rem; opacity: .8; }}
label {{ display: block; text-align: left; margin: 0 0 1rem; }}
input {{ font: inherit; box-sizing: border-box; width: 100%; padding: .6rem; border: 1px solid GrayText;
  border-radius: .4rem; background: Field; color: FieldText; }}
.trap {{ position: absolute; left: -100rem; }}
button {{ font: inherit; font-weight: 600; padding: .7rem 1.6rem; border: 0; border-radius: .6rem; cursor: pointer;
  background: #1d4ed8; color: #fff; }}
.also {{ margin-top: .75rem; background: none; color: LinkText; text-decoration: underline; font-weight: 400; }}
button:focus-visible {{ outline: 3px solid #93c5fd; outline-offset: 2px; }}
</style>
</head>
<body><main><h1>{title}</h1><p>{text}</p>{form}</main></body>
</html>
"""


def frame(title: str, text: str, form: str = "") -> str:
    """Return a page; `text` and `form` are HTML, made of escaped parts."""
    return _PAGE.format(title=escape(title), text=text, form=form)


def button(label: str) -> str:
    """Return a form with one button, which POSTs to the page's own address."""
    return f'<form method="post"><button type="submit">{escape(label)}</button></form>'


def question(masked: str, sender: str, lists: Sequence[str] = ()) -> str:
    """Return the page that asks: about these lists, or else about all mail."""
    what = f"{_named(lists)} to" if lists else "mail to"
    text = f"{escape(sender)} will no longer send {what} {escape(masked)}."
    return frame("Unsubscribe?", text, button("Unsubscribe") + (_everything() if lists else ""))


def confirmation(masked: str, sender: str, lists: Sequence[str] = (), *, everything: bool = True) -> str:
    """Return the page that says it is done: with all mail (`everything`), or with a list, or these lists."""
    if everything:
        return frame("You are unsubscribed", f"{escape(sender)} sends no more mail to {escape(masked)}.")
    what = _named(lists) if lists else "this"
    return frame("You are unsubscribed", f"{escape(sender)} no longer sends {what} to {escape(masked)}.", _everything())


def _named(lists: Sequence[str]) -> str:
    return ", ".join(f"<strong>{escape(name)}</strong>" for name in lists)


def _everything() -> str:
    """Return the form of who wants no mail at all."""
    return (
        f'<form method="post"><input type="hidden" name="{SCOPE}" value="{EVERYTHING}">'
        '<button class="also" type="submit">No more mail at all</button></form>'
    )


def invalid() -> str:
    """Return the page for a link that is not ours or too old."""
    text = "It was cut off or changed on its way. Open it again from the mail, with the whole address."
    return frame("This link does not work", text)
