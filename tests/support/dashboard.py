"""A browser tab with the dashboard, which remembers everything that went wrong in it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Response, expect

from support.up import PASSWORD, System

AXE = Path(__file__).parents[2] / "dashboard/node_modules/axe-core/axe.min.js"
SECONDS = 30.0
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}

_WATCH = """
if (window === window.top)
  document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""
_RUN_AXE = """async () => (await window.axe.run(document, {
  iframes: false, resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
})).violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`)"""


@dataclass
class Dashboard:
    """One tab, signed in when a test says so."""

    page: Page
    system: System
    complaints: list[str] = field(default_factory=list)
    """Errors on the console, uncaught exceptions, dialogs, violated policies, requests to foreign hosts."""
    expected: str = ""
    """A pattern of complaints that a test brings about."""

    def __post_init__(self) -> None:
        self.page.set_default_timeout(SECONDS * 1000)
        self.page.add_init_script(_WATCH)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("dialog", self._on_dialog)
        self.page.on("requestfinished", self._on_request)
        self.page.on("requestfailed", self._on_request)
        self.page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        # What a mail may not do inside its frame is no fault of the page around it.
        inside_frame = "about:srcdoc" in (message.text + message.location.get("url", ""))
        if message.type == "error" and not inside_frame:
            self.complaints.append(f"console: {message.text} {message.location.get('url')}")

    def _on_dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        # What a policy has blocked is announced like any request, and never leaves the browser.
        address = urlsplit(request.url)
        own = request.url.startswith((self.system.url, "blob:", "data:"))
        if request.failure != "csp" and (not own or address.path == "/canary"):
            self.complaints.append(f"request: {request.method} {request.url} {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 500 or response.status == 429:
            self.complaints.append(f"{response.status}: {response.request.method} {response.url}")

    def check(self) -> None:
        """Fail when something went wrong that the test did not bring about."""
        unexpected = [text for text in self.complaints if not (self.expected and re.search(self.expected, text))]
        assert not unexpected, "\n".join(unexpected)

    def goto(self, path: str) -> None:
        """Open an address, as by a link in a chat."""
        self.page.goto(self.system.url + path)

    def heading(self, title: str | re.Pattern[str]) -> None:
        """Wait for the title of a page."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(title)

    def fill_in_sign_in(self, email: str, password: str) -> None:
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.button("Sign in").click()

    def sign_in(self, role: str = "admin", *, at: str = "/") -> str:
        """Sign in as somebody new, each with a budget of requests of their own, and return the address."""
        email = self.system.user(role)
        self.goto(at)
        self.fill_in_sign_in(email, PASSWORD)
        expect(self.page.locator("main#content")).to_be_visible()
        return email

    @property
    def header(self) -> Locator:
        """The head of the page: title, state, actions."""
        return self.page.locator("main#content header").first

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str))

    def row(self, text: str) -> Locator:
        """Return the row of a table, or the card of a list, that holds a text."""
        return self.page.locator("[role=row][data-row], ul[aria-label] > li").filter(has_text=text)

    def toast(self, text: str | re.Pattern[str]) -> None:
        """Wait until a note says something."""
        expect(self.page.locator("[data-sonner-toast]").filter(has_text=text).first).to_be_visible()

    def settled(self) -> None:
        """Wait until nothing on the page is on its way."""
        expect(self.page.locator("main#content h1")).to_be_visible()
        expect(self.page.get_by_role("status", name="Loading")).to_have_count(0)
        expect(self.page.locator(".skeleton")).to_have_count(0)

    def accessible(self) -> None:
        """Fail on what axe finds serious or critical."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(_RUN_AXE)
        assert not found, "\n".join([self.page.url, *found])

    def fits(self) -> None:
        """Fail when the page is wider than the window."""
        excess = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert excess <= 0, f"{self.page.url} is {excess} px wider than the window"


Open = Callable[..., Dashboard]
"""Opens a tab of its own; takes what a browser context takes."""
