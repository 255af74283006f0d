"""The unsubscribe page: one question, one button, no scripts and nothing from elsewhere.

GET never changes anything, because mail scanners follow links; the button (and RFC 8058's one-click) POSTs.
"""

from html import escape

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
button {{ font: inherit; font-weight: 600; padding: .7rem 1.6rem; border: 0; border-radius: .6rem; cursor: pointer;
  background: #1d4ed8; color: #fff; }}
button:focus-visible {{ outline: 3px solid #93c5fd; outline-offset: 2px; }}
</style>
</head>
<body><main><h1>{title}</h1><p>{text}</p>{form}</main></body>
</html>
"""
_FORM = '<form method="post"><button type="submit">Unsubscribe</button></form>'


def question(masked: str, sender: str) -> str:
    """Return the page that asks."""
    text = f"{escape(sender)} will no longer send mail to {escape(masked)}."
    return _PAGE.format(title="Unsubscribe?", text=text, form=_FORM)


def confirmation(masked: str, sender: str) -> str:
    """Return the page that says it is done."""
    text = f"{escape(sender)} sends no more mail to {escape(masked)}."
    return _PAGE.format(title="You are unsubscribed", text=text, form="")


def invalid() -> str:
    """Return the page for a link that is not ours or too old."""
    text = "It was cut off or changed on its way. Open it again from the mail, with the whole address."
    return _PAGE.format(title="This link does not work", text=text, form="")
