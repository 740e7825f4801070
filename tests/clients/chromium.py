"""Pages as people have them: Chromium, with canaille as the company's sign-in service."""

import re
import shutil
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

import steps
from gatehouse import free_port
from idp import Canaille
from signing_in import PASSWORD, connect, push

WORKSPACE = "in-chromium"
# What axe looks for: what WCAG asks for, and what its authors found out besides.
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}


class Story:
    def __init__(self, gatehouse, canaille, chromium):
        self.gatehouse, self.canaille, self.chromium = gatehouse, canaille, chromium
        self.directory = gatehouse.directory(WORKSPACE)
        self.complaints = []

    def an_admin_comes_in_by_a_link_and_tests_the_connection(self):
        push(self.gatehouse, self.canaille, self.directory)
        made = connect(self.gatehouse, self.canaille, self.directory)
        link = self.gatehouse.command(
            *("workspace", "admin-link", WORKSPACE, "--email", "admin@acme.example"),
        )
        with self._browser() as page:
            page.goto(link["url"])
            self._look(page, "Sign in")
            page.get_by_role("button", name="Sign in").click()
            self._look(page, "Who you are")
            expect(page.get_by_text("admin@acme.example")).to_be_visible()
            page.get_by_role("link", name=re.compile("^Test .*Canaille")).click()
            self._at_canaille(page, "barbara")
            self._look(page, "The test login worked")
            expect(page.get_by_role("main")).to_contain_text("Babs")
            # The link has worked once.
            page.goto(link["url"])
            self._look(page, "This did not work")
        enabled = self.gatehouse.command(
            *("workspace", "connection", "enable", "--workspace", WORKSPACE),
            *("--connection", made["id"]),
        )
        assert enabled["state"] == "enabled", enabled

    def a_person_signs_in_and_out(self):
        with self._browser() as page:
            self._sign_in(page, "barbara")
            self._look(page, "Who you are")
            expect(page.get_by_role("main")).to_contain_text("Builders")
            kept = {cookie["name"]: cookie for cookie in page.context.cookies(self.gatehouse.url)}
            session = kept["__Host-gatehouse-session"]
            assert session["httpOnly"] and session["secure"], session
            assert page.evaluate("document.cookie") == ""
            page.get_by_role("button", name="Sign out").click()
            self._look(page, "You are signed out")
            left = [cookie["name"] for cookie in page.context.cookies(self.gatehouse.url)]
            assert "__Host-gatehouse-session" not in left, left
            page.go_back()
            expect(page.get_by_role("main")).not_to_contain_text("Builders")
            page.goto(f"{self.gatehouse.url}/me")
            self._look(page, "This did not work")

    def without_script_on_a_phone_in_german_and_in_the_dark(self):
        settings = {
            "java_script_enabled": False,
            "locale": "de-DE",
            "color_scheme": "dark",
            "viewport": {"width": 340, "height": 700},
        }
        with self._browser(**settings) as page:
            self._sign_in(page, "barbara", "Weiter")
            expect(page.get_by_role("heading", level=1)).to_have_text("Wer Sie sind")
            expect(page.get_by_role("main")).to_contain_text("Builders")
            page.get_by_role("button", name="Abmelden").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Sie sind abgemeldet")

    def by_keyboard_alone(self):
        with self._browser() as page:
            page.goto(f"{self.gatehouse.url}/sign-in")
            page.keyboard.press("Tab")
            expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
            page.keyboard.press("Enter")
            page.keyboard.press("Tab")
            expect(page.get_by_role("textbox")).to_be_focused()
            page.keyboard.type(WORKSPACE)
            page.keyboard.press("Enter")
            self._look(page, re.compile("^Sign in to "))
            way = page.get_by_role("link", name=re.compile("Canaille"))
            for _ in range(3):
                page.keyboard.press("Tab")
                if way.evaluate("it => it === document.activeElement"):
                    break
            expect(way).to_be_focused()
            with page.expect_navigation(url=f"{self.canaille.url}/**"):
                page.keyboard.press("Enter")
            self._at_canaille(page, "barbara")
            self._look(page, "Who you are")

    def one_browser_ends_the_session_of_another(self):
        with self._browser() as one, self._browser() as other:
            self._sign_in(one, "barbara")
            self._sign_in(other, "barbara")
            expect(other.get_by_text("This session")).to_be_visible()
            other.get_by_role("button", name="End all others").click()
            expect(other.get_by_role("button", name="End", exact=True)).to_have_count(0)
            one.reload()
            self._look(one, "This did not work")
            other.reload()
            self._look(other, "Who you are")

    def whoever_is_suspended_is_refused_and_told_why(self):
        with self._browser() as page:
            self._sign_in(page, "barbara")
            member = self.gatehouse.members(self.directory)["barbara"]["id"]
            who = ("--workspace", WORKSPACE, "--member", member)
            self.gatehouse.command("members", "suspend", *who)
            page.reload()
            self._look(page, "This did not work")
            self._sign_in(page, "barbara")
            self._look(page, "This did not work")
            expect(page.get_by_role("main")).to_contain_text("suspended")
            reference = page.get_by_role("main").locator("code").inner_text()
            (told,) = self.gatehouse.command(
                *("workspace", "logins", WORKSPACE, "--reference", reference),
            )
            assert told["kind"] == "login.refused", told
            assert told["detail"]["reason"] == "shut_out", told
            self.gatehouse.command("members", "activate", *who)
            self._sign_in(page, "barbara")
            self._look(page, "Who you are")

    def nothing_was_complained_of(self):
        assert not self.complaints, "\n".join(self.complaints)

    @contextmanager
    def _browser(self, **settings):
        """A browser of its own, as far as cookies go; what its console says of our pages is kept."""
        context = self.chromium.new_context(**settings)
        page = context.new_page()
        page.set_default_timeout(30_000)

        def said(message):
            is_ours = message.location.get("url", "").startswith(self.gatehouse.url)
            # A page that says no is an answer with a status of its own, which the console tells.
            is_status = "the server responded with a status of 4" in message.text
            if is_ours and message.type in ("error", "warning") and not is_status:
                self.complaints.append(f"{page.url}: {message.text}")

        page.on("console", said)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        try:
            yield page
        finally:
            context.close()

    def _sign_in(self, page, name, go_on="Go on"):
        page.goto(f"{self.gatehouse.url}/sign-in")
        page.get_by_role("textbox").fill(WORKSPACE)
        page.get_by_role("button", name=go_on).click()
        page.get_by_role("link", name=re.compile("Canaille")).click()
        self._at_canaille(page, name)

    def _at_canaille(self, page, name):
        """Signs in there, as far as it asks, and comes back."""
        for _ in range(4):
            if page.url.startswith(self.gatehouse.url):
                return
            password = page.locator('input[name="password"]')
            if password.count():
                password.fill(PASSWORD)
                password.press("Enter")
            else:
                page.locator('input[name="login"]').fill(name)
                page.locator('input[name="login"]').press("Enter")
            page.wait_for_load_state()
        raise AssertionError(f"canaille does not lead back, at last from {page.url}")

    def _look(self, page, title):
        """The page has that title, and is one for everybody: light and dark, wide and narrow."""
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            found = Axe().run(page, options=RULES)
            for violation in found.response["violations"]:
                nodes = [node["html"] for node in violation["nodes"]]
                self.complaints.append(f"{page.url}, {scheme}: {violation['help']}: {nodes}")
        wide = page.viewport_size
        page.set_viewport_size({"width": 320, "height": 640})
        # WCAG 2.2, 1.4.10: 320 CSS pixels without scrolling to the side.
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            self.complaints.append(f"{page.url}: wider than a narrow screen")
        page.set_viewport_size(wide)


def run(gatehouse, report):
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright, Canaille(free_port()) as canaille:
        chromium = playwright.chromium.launch(executable_path=program)
        steps.run(Story(gatehouse, canaille, chromium), report)
        chromium.close()
