"""A real OpenID provider: canaille pushes a person by SCIM, and the same person signs in there, is the
member that the push made, and is out at once when canaille says so.
"""

import json
import re
from urllib.parse import urljoin, urlsplit

from httpx2 import Client

import steps
from gatehouse import free_port
from idp import Canaille

PASSWORD = "correct horse battery"


class Browser:
    """Cookies by host, forms and links as people follow them. A cookie that is for TLS alone is sent to
    this machine, as browsers do."""

    def __init__(self, http):
        self.http, self.cookies = http, {}

    def open(self, url, form=None):
        """The answer at the end of all redirects, and where that is."""
        for _ in range(15):
            host = urlsplit(url).netloc
            kept = self.cookies.setdefault(host, {})
            headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
            if form is None:
                answer = self.http.get(url, headers=headers)
            else:
                answer = self.http.post(url, headers=headers, data=form)
            for line in answer.headers.get_list("set-cookie"):
                name, _, value = line.split(";")[0].partition("=")
                kept[name] = value
            if answer.status_code not in (302, 303):
                return answer, url
            url, form = urljoin(url, answer.headers["location"]), None
        raise AssertionError(f"redirected without end, at last to {url}")

    def sign_in(self, url, name):
        """Follows a link of gatehouse to canaille, signs in there, and comes back."""
        page, at = self.open(url)
        for _ in range(4):
            fields = re.findall(r'<input[^>]*name="([^"]+)"', page.text)
            if urlsplit(at).netloc == urlsplit(url).netloc:
                return page
            token = re.search(r'name="csrf_token"[^>]*value="([^"]*)"', page.text)
            form = {"csrf_token": token.group(1)}
            form |= {"password": PASSWORD} if "password" in fields else {"login": name}
            page, at = self.open(at, form)
        return page


def push(gatehouse, canaille, directory):
    """Has canaille push `barbara`, who is in a group that gives a team, to a directory."""
    gatehouse.command(
        *("rule", "add", "--workspace", directory.workspace, "--directory", directory.name),
        *("--group", "Engineering", "--team", "Builders"),
    )
    made = canaille(
        *("create", "client", "--client-id", "gatehouse", "--client-name", "Gatehouse"),
        *("--client-uri", directory.base_url),
    )
    canaille(
        *("create", "token", "--token-id", "scim", "--client", json.loads(made)["id"]),
        *("--access-token", directory.token, "--scope", "openid"),
        *("--issue-date", "2020-01-01T00:00:00+00:00", "--lifetime", str(100 * 365 * 86400)),
    )
    canaille(
        *("create", "user", "--user-name", "barbara", "--emails", "bjensen@acme.example"),
        *("--given-name", "Barbara", "--family-name", "Jensen", "--display-name", "Babs"),
        *("--password", PASSWORD),
    )
    canaille("create", "group", "--display-name", "Engineering", "--members", "barbara")


def connect(gatehouse, canaille, directory):
    """Makes each known to the other; the connection as it was made, which nobody tested yet."""
    # It does not read what RFC 6749 section 2.3.1 has encoded.
    secret = "s3cret-of-canaille"
    made = gatehouse.command(
        *("workspace", "connection", "add", "--workspace", directory.workspace),
        *("--connection", "Canaille", "--kind", "oidc"),
        *("--issuer", f"http://127.0.0.1:{canaille.port}"),
        *("--client-id", "gatehouse", "--client-secret-stdin", "--directory", directory.name),
        # It names people in tokens as it names them at sign-in.
        *("--matching-attribute", "userName"),
        said=secret,
    )
    # One client for both: it pushes to each that somebody signed in to.
    client = json.loads(canaille("get", "client", "--client-id", "gatehouse"))[0]["id"]
    canaille(
        *("set", "client", client, "--client-secret", secret),
        *("--redirect-uris", made["redirect_uri"], "--scope", "openid", "--scope", "profile"),
        *("--scope", "email", "--grant-types", "authorization_code"),
        *("--response-types", "code", "--token-endpoint-auth-method", "client_secret_basic"),
        # Its tokens are for nobody unless it is told for whom.
        *("--audience", client),
    )
    return made


class Story:
    def __init__(self, gatehouse, canaille, http):
        self.gatehouse, self.canaille, self.http = gatehouse, canaille, http
        self.directory = gatehouse.directory("signing-in")
        self.admin, self.person = Browser(http), Browser(http)

    def canaille_pushes_a_person_into_a_team(self):
        push(self.gatehouse, self.canaille, self.directory)
        assert self.gatehouse.members(self.directory)["barbara"]["teams"] == ["Builders"]

    def an_admin_connects_and_tests(self):
        made = connect(self.gatehouse, self.canaille, self.directory)
        assert made["state"] == "untried", made
        link = self.gatehouse.command(
            *("workspace", "admin-link", "signing-in", "--email", "admin@acme.example"),
        )
        page, _ = self.admin.open(link["url"], {})
        assert page.status_code == 200 and "admin@acme.example" in page.text, page.text
        (test,) = re.findall(r'href="(/connections/[^"]+/test)"', page.text)
        report = self.admin.sign_in(self.gatehouse.url + test, "barbara")
        assert report.status_code == 200, report.text
        assert "The test login worked" in report.text and "Babs" in report.text, report.text
        enabled = self.gatehouse.command(
            *("workspace", "connection", "enable", "--workspace", "signing-in"),
            *("--connection", "Canaille"),
        )
        assert enabled["state"] == "enabled", enabled

    def the_person_is_the_member_that_the_push_made(self):
        page = self._sign_in()
        assert page.status_code == 200, page.text
        assert "Babs" in page.text and "Builders" in page.text, page.text
        assert len(self.gatehouse.members(self.directory)) == 2  # barbara, and the admin

    def out_at_once_when_canaille_says_so(self):
        assert self._me().status_code == 200
        self.canaille("set", "user", "barbara", "--lock-date", "2020-01-01T00:00:00+00:00")
        assert self._me().status_code == 401
        self.canaille("unlock", "user", "barbara")
        # What ended stays so; a new login opens a session of its own.
        assert self._me().status_code == 401
        assert self._sign_in().status_code == 200

    def a_leaver_leaves_nothing_to_come_back_by(self):
        self.canaille("delete", "user", "--user-name", "barbara", "--noconfirm")
        assert self._me().status_code == 401

    def the_database_holds_what_is_promised(self):
        self.gatehouse.command("verify")

    def _sign_in(self):
        start = f"{self.gatehouse.url}/w/signing-in/sign-in"
        page, _ = self.person.open(start)
        (way,) = re.findall(r'href="(/w/signing-in/sign-in/[^"]+)"', page.text)
        return self.person.sign_in(self.gatehouse.url + way, "barbara")

    def _me(self):
        return self.person.open(f"{self.gatehouse.url}/me")[0]


def run(gatehouse, report):
    with Canaille(free_port()) as canaille, Client(trust_env=False) as http:
        steps.run(Story(gatehouse, canaille, http), report)
