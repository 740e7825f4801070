"""A real IdP as the client: canaille's people and groups are changed by its own commands, and what
canaille then sends over SCIM is what gatehouse must show.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from httpx2 import Client

import steps

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-canaille/bin/python"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Canaille:
    """The program, for as long as the `with` block lasts; on a port where people sign in, if it has
    one."""

    def __init__(self, port=None):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self):
        port = [str(self.port)] if self.port else []
        self.home = tempfile.TemporaryDirectory()  # where it looks for a configuration
        self.process = subprocess.Popen(
            [PYTHON, "-W", "ignore", HERE / "canaille_commands.py", *port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.home.name,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            text=True,
        )
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=15)
        self.home.cleanup()

    def __call__(self, *arguments):
        """What a command prints; it must end well, and canaille must be content with the answers."""
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"canaille ended with {self.process.wait()}"
        answer = json.loads(line)
        assert answer["code"] == 0 and not answer["log"], f"canaille {arguments}: {answer}"
        return answer["output"]


class Story:
    def __init__(self, gatehouse, canaille, http):
        self.gatehouse, self.canaille, self.http = gatehouse, canaille, http
        self.directory = gatehouse.directory("canaille")

    def canaille_is_told_of_gatehouse(self):
        made = self.canaille(
            *("create", "client", "--client-id", "gatehouse", "--client-name", "Gatehouse"),
            *("--client-uri", self.directory.base_url),
        )
        # It sends the token that it gave to the app, so the app's own is laid in its place.
        self.canaille(
            *("create", "token", "--token-id", "scim", "--client", json.loads(made)["id"]),
            *("--access-token", self.directory.token, "--scope", "openid"),
            *("--issue-date", "2020-01-01T00:00:00+00:00", "--lifetime", str(100 * 365 * 86400)),
        )
        self.gatehouse.command(
            *("rule", "add", "--workspace", "canaille", "--directory", "people"),
            *("--group", "Engineering", "--team", "Builders", "--role", "Deployer"),
        )

    def users_come(self):
        self.canaille(
            *("create", "user", "--user-name", "barbara", "--emails", "bjensen@example.com"),
            *("--given-name", "Barbara", "--family-name", "Jensen"),
            *("--formatted-name", "Barbara Jensen", "--display-name", "Babs"),
            *("--title", "Tour Guide", "--preferred-language", "en"),
            *("--phone-numbers", "+1 555 0100", "--department", "Tours"),
            *("--street", "100 Universal City Plaza", "--locality", "Hollywood"),
        )
        self.canaille(
            *("create", "user", "--user-name", "james", "--family-name", "Smith"),
            *("--emails", "jsmith@example.com", "--emails", "james@example.com"),
        )
        barbara = self._user("barbara")
        assert barbara["name"]["formatted"] == "Barbara Jensen", barbara
        assert (barbara["displayName"], barbara["title"]) == ("Babs", "Tour Guide"), barbara
        assert barbara["addresses"][0]["locality"] == "Hollywood", barbara
        assert barbara["phoneNumbers"][0]["value"] == "+1 555 0100", barbara
        assert barbara[ENTERPRISE]["department"] == "Tours", barbara
        assert barbara["externalId"] == self._canaille("user", "--user-name", "barbara")["id"]
        emails = [email["value"] for email in self._user("james")["emails"]]
        assert emails == ["jsmith@example.com", "james@example.com"], emails
        members = self.gatehouse.members(self.directory)
        assert sorted(members) == ["barbara", "james"], members
        assert {member["status"] for member in members.values()} == {"active"}, members

    def a_group_comes_with_its_members(self):
        self.canaille(
            *("create", "group", "--display-name", "Engineering", "--members", "barbara"),
        )
        assert self._group("Engineering") == [self._user("barbara")["id"]]
        assert self._grants("barbara") == (["Builders"], ["Deployer"])
        assert self._grants("james") == ([], [])

    def members_come_and_go(self):
        self.canaille("set", "user", "james", "--groups", "Engineering")
        both = {self._user("barbara")["id"], self._user("james")["id"]}
        assert set(self._group("Engineering")) == both
        assert self._grants("james") == (["Builders"], ["Deployer"])
        self.canaille("set", "group", "Engineering", "--members", "james")
        assert self._group("Engineering") == [self._user("james")["id"]]
        assert self._grants("barbara") == ([], [])

    def a_changed_user_is_the_same_user(self):
        before = self._user("barbara")
        self.canaille(
            *("set", "user", "barbara", "--title", "Director", "--department", "Research"),
            *("--emails", "barbara@example.com"),
        )
        after = self._user("barbara")
        assert after["id"] == before["id"], after
        assert (after["title"], after[ENTERPRISE]["department"]) == ("Director", "Research"), after
        assert [email["value"] for email in after["emails"]] == ["barbara@example.com"], after
        self.canaille("set", "user", "barbara", "--user-name", "bjensen")
        renamed = self._user("bjensen")
        assert renamed["id"] == before["id"], renamed
        assert sorted(self.gatehouse.members(self.directory)) == ["bjensen", "james"]

    def a_renamed_group_gives_what_it_gave(self):
        self.canaille("set", "group", "Engineering", "--display-name", "Makers")
        assert self._group("Makers") == [self._user("james")["id"]]
        assert self._grants("james") == (["Builders"], ["Deployer"])

    def a_locked_user_is_suspended_until_unlocked(self):
        self.canaille("set", "user", "james", "--lock-date", "2020-01-01T00:00:00+00:00")
        assert self._user("james")["active"] is False
        assert self._member("james")["status"] == "suspended"
        self.canaille("unlock", "user", "james")
        assert self._user("james")["active"] is True
        assert self._member("james")["status"] == "active"
        assert self._grants("james") == (["Builders"], ["Deployer"])

    def a_deleted_group_ends_its_grants(self):
        self.canaille("delete", "group", "--display-name", "Makers", "--noconfirm")
        assert self._list("Groups") == []
        assert self._grants("james") == ([], [])

    def deleted_users_are_gone(self):
        for name in ("bjensen", "james"):
            self.canaille("delete", "user", "--user-name", name, "--noconfirm")
            assert name not in self.gatehouse.members(self.directory)
        assert self._list("Users") == []

    def the_database_holds_what_is_promised(self):
        self.gatehouse.command("verify")

    def _canaille(self, *what):
        return json.loads(self.canaille("get", *what))[0]

    def _list(self, endpoint, **query):
        headers = {"Authorization": f"Bearer {self.directory.token}"}
        address = f"{self.directory.base_url}/{endpoint}"
        answer = self.http.get(address, params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["Resources"]

    def _user(self, name):
        (found,) = self._list("Users", filter=f'userName eq "{name}"')
        return found

    def _group(self, name):
        """The ids of its members."""
        (found,) = self._list("Groups", filter=f'displayName eq "{name}"')
        return [member["value"] for member in found.get("members", [])]

    def _member(self, name):
        return self.gatehouse.members(self.directory)[name]

    def _grants(self, name):
        member = self._member(name)
        return member["teams"], member["roles"]


def run(gatehouse, report):
    with Canaille() as canaille, Client() as http:
        steps.run(Story(gatehouse, canaille, http), report)
