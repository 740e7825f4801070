"""A certified OpenID provider, panva's oidc-provider: signing in by it, out of it, and out at once when
it says so. The modules of the OpenID foundation's tests for relying parties that need a provider that
behaves are here by name; what only a faulty one sends is in `tests/api/id_tokens.rs`.
"""

import json
import re
import subprocess
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

from httpx2 import Client

import steps
from gatehouse import free_port
from signing_in import Browser

ROOT = Path(__file__).parents[2]
WORKSPACE = "certified"
SECRET = "s3cret/+ of a certified one"
ADA = {
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "email": "ada@acme.example",
    "email_verified": True,
}
GRACE = {"name": "Grace Hopper"}
ALAN = {"name": "Alan Turing"}


class Provider:
    """The program, for as long as the `with` block lasts."""

    def __init__(self, people):
        self.port, self.people = free_port(), people
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        # Modules are looked for beside the file, and then above it.
        program = ROOT / ".node/provider.mjs"
        program.write_bytes((ROOT / "tests/node/provider.mjs").read_bytes())
        self.process = subprocess.Popen(
            ["node", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._tell({"port": self.port, "people": self.people})
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=15)
        finally:
            self.process.kill()

    def knows(self, client):
        """From now on it has this client alone."""
        self._tell({"client": client})

    def _tell(self, what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        # It also says what it would do otherwise in earnest.
        for line in self.process.stdout:
            if line.strip() == "ready":
                return
        raise AssertionError(f"the provider ended with {self.process.wait()}")


class Person(Browser):
    """A browser that fills in the provider's forms."""

    def sign_in(self, url, name):
        page, at = self.open(url)
        for _ in range(4):
            if urlsplit(at).netloc == urlsplit(url).netloc:
                return page
            page, at = self._send(page, at, {"login": name, "password": "any"})
        return page

    def sign_out(self, url):
        """Signs out at the provider, which then tells whom it signed in to."""
        page, at = self.open(url)
        return self._send(page, at, {"logout": "yes"})[0]

    def _send(self, page, at, typed):
        action = unescape(re.search(r'<form[^>]*action="([^"]+)"', page.text).group(1))
        form = {}
        for field in re.findall(r"<input[^>]*>", page.text):
            name = re.search(r'name="([^"]+)"', field)
            value = re.search(r'value="([^"]*)"', field)
            if name:
                form[name.group(1)] = unescape(value.group(1)) if value else ""
        return self.open(urljoin(at, action), form | typed)


class Story:
    def __init__(self, gatehouse, provider, http):
        self.gatehouse, self.provider, self.http = gatehouse, provider, http
        self.directory = gatehouse.directory(WORKSPACE)
        self.admin, self.person = Person(http), Person(http)

    def an_admin_connects_by_discovery(self):
        named = ("--workspace", WORKSPACE, "--domain", "acme.example")
        self.gatehouse.command("workspace", "domain", "add", *named)
        self.gatehouse.command("workspace", "domain", "attest", *named)
        self.connection = self.gatehouse.command(
            *("workspace", "connection", "add", "--workspace", WORKSPACE, "--kind", "oidc"),
            *("--connection", "Certified", "--issuer", self.provider.url),
            *("--client-id", "gatehouse", "--client-secret-stdin"),
            *("--first-login", "proved-domains"),
            said=SECRET,
        )
        self._client()

    def a_test_login_proves_it(self):
        link = self.gatehouse.command(
            *("workspace", "admin-link", WORKSPACE, "--email", "root@acme.example"),
        )
        page, _ = self.admin.open(link["url"], {})
        (test,) = re.findall(r'href="(/connections/[^"]+/test)"', page.text)
        report = self.admin.sign_in(self.gatehouse.url + test, "ada")
        assert report.status_code == 200, report.text
        assert "You would become a new member" in report.text, report.text
        # What comes by userinfo is shown as well.
        assert "ada@acme.example" in report.text, report.text
        self.gatehouse.command(
            *("workspace", "connection", "enable", "--workspace", WORKSPACE),
            *("--connection", "Certified"),
        )

    def oidcc_client_test(self):
        """Somebody whose domain is proved comes in and is a member."""
        page = self._sign_in()
        assert page.status_code == 200 and "Ada Lovelace" in page.text, page.text

    def oidcc_client_test_userinfo_bearer_header(self):
        # The names come by userinfo alone.
        assert "Ada Lovelace" in self._me().text

    def oidcc_client_test_client_secret_basic(self):
        self._authenticates("client_secret_basic", "basic")

    def oidcc_client_test_client_secret_post(self):
        self._authenticates("client_secret_post", "post")

    def oidcc_client_test_3rd_party_init_login(self):
        start = f"{self.gatehouse.url}/sign-in/initiate/{self.connection['id']}"
        issuer = self.provider.url
        page = Person(self.http).sign_in(f"{start}?iss={issuer}&login_hint=ada", "ada")
        assert page.status_code == 200 and "Ada Lovelace" in page.text, page.text
        wrong, _ = Person(self.http).open(f"{start}?iss=https://evil.example")
        assert wrong.status_code == 400, wrong.text

    def oidcc_client_test_rp_init_logout(self):
        self._sign_in()
        page, _ = self.person.open(f"{self.gatehouse.url}/sign-out", {})
        assert page.status_code == 200, page.text
        (there,) = re.findall(r'href="([^"]+)"[^>]*>[^<]*Sign out there too', page.text)
        there = unescape(there)
        assert there.startswith(f"{self.provider.url}/session/end"), there
        assert parse_qs(urlsplit(there).query)["client_id"] == ["gatehouse"], there
        assert self._me().status_code == 401
        done = self.person.sign_out(there)
        assert done.status_code == 200, done.text
        # The provider asks again who it is.
        page, at = self.person.open(self._way())
        assert at.startswith(f"{self.provider.url}/interaction/"), at

    def oidcc_client_test_backchannel_logout(self):
        self._sign_in()
        other = Person(self.http)
        other.sign_in(self._way(), "ada")
        assert self._me().status_code == 200
        done = self.person.sign_out(f"{self.provider.url}/session/end")
        assert done.status_code == 200, done.text
        assert self._me().status_code == 401
        # It names one of the person's sessions, and another browser has another.
        assert other.open(f"{self.gatehouse.url}/me")[0].status_code == 200

    def somebody_new_asks_and_an_admin_decides(self):
        which = ("--workspace", WORKSPACE, "--connection", "Certified")
        self.gatehouse.command("workspace", "connection", "set", *which, "--first-login", "queue")
        for name, decision, status in [("grace", "approve", 200), ("alan", "decline", 403)]:
            asks = Person(self.http).sign_in(self._way(), name)
            assert asks.status_code == 403 and "you ask to come in" in asks.text, asks.text
            requests = ("workspace", "join-request")
            asked = self.gatehouse.command(*requests, "list", "--workspace", WORKSPACE)
            (asked,) = [it for it in asked if it["subject"] == name]
            self.gatehouse.command(*requests, decision, "--workspace", WORKSPACE, asked["id"])
            page = Person(self.http).sign_in(self._way(), name)
            assert page.status_code == status, page.text
            assert ("Grace Hopper" in page.text) == (status == 200), page.text

    def the_database_holds_what_is_promised(self):
        self.gatehouse.command("verify")

    def _client(self, **settings):
        self.provider.knows(
            {
                "client_id": "gatehouse",
                "client_secret": SECRET,
                "redirect_uris": [self.connection["redirect_uri"]],
                "backchannel_logout_uri": self.connection["logout_uri"],
                "backchannel_logout_session_required": True,
            }
            | settings
        )

    def _authenticates(self, method, name):
        self._client(token_endpoint_auth_method=method)
        which = ("--workspace", WORKSPACE, "--connection", "Certified")
        self.gatehouse.command("workspace", "connection", "set", *which, "--client-auth", name)
        # What was proved is proved no more; it is tested as it is now.
        page = self.admin.sign_in(f"{self.gatehouse.url}{self._test()}", "ada")
        assert page.status_code == 200 and "The test login worked" in page.text, page.text
        self.gatehouse.command("workspace", "connection", "enable", *which)
        assert self._sign_in().status_code == 200

    def _test(self):
        page, _ = self.admin.open(f"{self.gatehouse.url}/me")
        (test,) = re.findall(r'href="(/connections/[^"]+/test)"', page.text)
        return test

    def _way(self):
        return f"{self.gatehouse.url}/w/{WORKSPACE}/sign-in/{self.connection['id']}"

    def _sign_in(self):
        return self.person.sign_in(self._way(), "ada")

    def _me(self):
        return self.person.open(f"{self.gatehouse.url}/me")[0]


def run(gatehouse, report):
    with Provider({"ada": ADA, "grace": GRACE, "alan": ALAN}) as provider, Client(trust_env=False) as http:
        steps.run(Story(gatehouse, provider, http), report)
