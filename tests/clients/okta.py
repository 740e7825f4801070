"""Okta's test files for SCIM servers.

What they ask of the server is sent as it stands. Some steps drive an Okta organization, which then
talks to the server; here that organization is played by `Organization`, with the requests that
Okta documents for an app of its catalogue.
"""

import json
import re
import uuid

from httpx2 import Client

import published
from runscope import Runner

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ORGANIZATION = "https://okta.invalid"
HEADERS = {
    "User-Agent": "Okta SCIM Client 1.0.0",
    "Accept": "application/scim+json",
    "Accept-Charset": "utf-8",
    "Content-Type": "application/scim+json; charset=utf-8",
}


class Scim:
    """The server, as a directory of kind okta."""

    def __init__(self, http, directory, authorization):
        self.http, self.base_url, self.authorization = http, directory.base_url, authorization

    def send(self, method, url, headers, body):
        answer = self.http.request(method, url, headers=headers, content=body or None)
        return answer.status_code, answer.text

    def __call__(self, method, path, body=None, **query):
        """The document of the answer; it must end well."""
        answer = self.http.request(
            method,
            self.base_url + path,
            params=query or None,
            headers={**HEADERS, "Authorization": self.authorization},
            content=json.dumps(body) if body else None,
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.text else None


class Organization:
    """Okta's part: its own API on one side, the SCIM requests that follow on the other."""

    def __init__(self, scim):
        self.scim = scim
        self.users = {}
        self.linked = {}  # user id -> SCIM id
        self.routes = [
            ("GET", "/api/v1/apps/([^/]+)", self.show_app),
            ("POST", "/api/v1/users", self.create_user),
            ("PUT", "/api/v1/users/([^/]+)", self.update_user),
            ("POST", "/api/v1/users/([^/]+)/lifecycle/deactivate", self.deactivate),
            ("POST", "/api/v1/users/([^/]+)/lifecycle/activate", self.activate),
            ("POST", "/api/v1/apps/([^/]+)/users", self.assign),
            ("DELETE", "/api/v1/apps/([^/]+)/users/([^/]+)", self.unassign),
            ("POST", "/governance/api/v1/grants", self.grant),
        ]
        self.played = 0

    def send(self, method, url, headers, body):
        """Its answer is good only if the server's answers were."""
        assert headers["Authorization"].startswith("SSWS "), headers
        path = url.removeprefix(ORGANIZATION).partition("?")[0]
        for known, pattern, play in self.routes:
            if known == method and (found := re.fullmatch(pattern, path)):
                self.played += 1
                try:
                    answer = play(*found.groups(), *([json.loads(body)] if body else []))
                except (AssertionError, KeyError, ValueError) as error:
                    return 502, str(error)
                return (204, "") if answer is None else (200, json.dumps(answer))
        return 404, f"nobody plays {method} {path}"

    def show_app(self, app):
        """The connection test of its settings page."""
        self.scim("GET", "/Users", startIndex=1, count=2)
        self.scim("GET", "/Groups", startIndex=1, count=100)
        return {"id": app, "status": "ACTIVE"}

    def create_user(self, asked):
        """A user of Okta's alone, until assigned to the app."""
        user = {"id": f"00u{uuid.uuid4().hex[:17]}", "profile": asked["profile"]}
        self.users[user["id"]] = user
        return user

    def assign(self, _, asked):
        """Looks for the user, then links and updates the one that is there, or creates one."""
        user, profile = asked["id"], asked["profile"]
        self.users[user]["profile"].update(
            firstName=profile["givenName"], lastName=profile["familyName"], email=profile["email"]
        )
        name = asked["credentials"]["userName"]
        found = self.scim("GET", "/Users", filter=f'userName eq "{name}"', startIndex=1, count=100)
        if found["totalResults"]:
            self.linked[user] = found["Resources"][0]["id"]
            self._replace(user)
            self._set_active(user, True)
        else:
            self.linked[user] = self.scim("POST", "/Users", self._new(user, name))["id"]
        return asked

    def grant(self, asked):
        """Entitlements: the first role that the app offers."""
        (endpoint,) = (kind["endpoint"] for kind in entitlements(self.scim) if kind["name"] == "Role")
        role = self.scim("GET", endpoint, startIndex=1, count=100)["Resources"][0]
        user = asked["targetPrincipal"]["externalId"]
        self._replace(user, roles=[{"value": role["id"], "display": role["displayName"]}])
        kept = self.scim("GET", f"/Users/{self.linked[user]}")["roles"]
        assert [item["value"] for item in kept] == [role["id"]], kept
        return asked

    def update_user(self, user, asked):
        """A changed profile is pushed at once."""
        self.users[user]["profile"].update(asked["profile"])
        self._replace(user)
        return self.users[user]

    def deactivate(self, user):
        """Takes the user out of every app."""
        self._set_active(user, False)
        return {}

    def activate(self, _):
        """Sends nothing; the user has to be assigned again."""
        return {}

    def unassign(self, _, user):
        self._set_active(user, False)

    def _new(self, user, name):
        profile = self.users[user]["profile"]
        return {
            "schemas": [USER],
            "userName": name,
            "name": {"givenName": profile["firstName"], "familyName": profile["lastName"]},
            "emails": [{"primary": True, "value": profile["email"], "type": "work"}],
            "displayName": f"{profile['firstName']} {profile['lastName']}",
            "locale": "en-US",
            "externalId": user,
            "groups": [],
            "password": "1mz050nq",
            "active": True,
        }

    def _replace(self, user, **changes):
        """Reads the whole user, and writes it back with what is new."""
        profile, path = self.users[user]["profile"], f"/Users/{self.linked[user]}"
        resource = self.scim("GET", path)
        resource["name"].update(givenName=profile["firstName"], familyName=profile["lastName"])
        self.scim("PUT", path, {**resource, **changes})

    def _set_active(self, user, active):
        change = {"op": "replace", "value": {"active": active}}
        body = {"schemas": [PATCH], "Operations": [change]}
        self.scim("PATCH", f"/Users/{self.linked[user]}", body)


def run(gatehouse, report):
    folder = published.folder()
    if folder is None:
        published.missing(report)
        return
    with Client(timeout=30) as http:
        files = sorted((folder / "okta").glob("*.json"))
        assert files, f"no test files in {folder}/okta"
        for file in files:
            test = json.loads(file.read_text())
            name = test["name"].removeprefix("Okta ")
            slug = re.sub("[^a-z]+", "-", name.lower()).strip("-")
            directory = gatehouse.directory(slug, "okta")
            run_file(http, directory, name, test["steps"], report)


def run_file(http, directory, name, steps, report):
    # Its apps send a token with the word Bearer, or as it is.
    bare = name.startswith("SCIM 2.0 SPEC")
    scim = Scim(http, directory, directory.token if bare else f"Bearer {directory.token}")
    organization = Organization(scim)

    def send(method, url, *rest):
        to = organization if url.startswith(ORGANIZATION) else scim
        return to.send(method, url, *rest)

    # The files count on a server that somebody is in.
    given, family = "Seed", "Resident"
    seed = {"id": "seed", "profile": {"firstName": given, "lastName": family, "email": "s@x.example"}}
    organization.users["seed"] = seed
    scim("POST", "/Users", organization._new("seed", "seed@x.example"))

    runner = Runner(send, report, variables(scim))
    if "{{EntitlementEndpoint}}" not in json.dumps(steps):
        runner.run(name, steps)
    else:  # a template, to be run for each kind of entitlement
        for kind in entitlements(scim):
            runner.variables["EntitlementEndpoint"] = kind["endpoint"]
            runner.run(f"{name}, {kind['endpoint']}", steps)
    if not runner.requests:
        report.failed(name, "no step was run")
    print(
        f"{name}: {runner.requests - organization.played} steps sent to the server as they stand,"
        f" {organization.played} steps on Okta's own API played"
    )


def entitlements(scim):
    """The resource types beside User and Group."""
    types = scim("GET", "/ResourceTypes")["Resources"]
    return [kind for kind in types if kind["name"] not in ("User", "Group")]


def variables(scim):
    """What the files leave to whoever runs them."""
    unique = uuid.uuid4().hex[:8]
    return {
        "SCIMBaseURL": scim.base_url,
        "SCIMUrl": scim.base_url,
        "auth": scim.authorization,
        "SCIMAuth": scim.authorization,
        "InvalidUserEmail": "nobody@x.example",
        "UserIdThatDoesNotExist": str(uuid.uuid4()),
        "randomEmail": f"random.{unique}@x.example",
        "randomUsername": f"random.{unique}@x.example",
        "randomUsernameCaps": f"RANDOM.{unique}@X.EXAMPLE".upper(),
        "randomGivenName": "Zoë",
        "randomFamilyName": f"O'Random {unique}",
        "oktaOrgUrl": ORGANIZATION,
        "oktaAppId": "0oa1gatehouse",
        "oktaToken": "played",
        "okta_user_firstname": "Jānis",
        "okta_user_firstname_update": "John",
        "okta_user_lastname": "Doe",
        "okta_user_email": f"john.{unique}@x.example",
        "okta_user_title": "Guide",
        "okta_user_primaryphone": "+1 555 0100",
    }
