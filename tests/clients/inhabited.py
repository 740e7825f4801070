"""A workspace in which everything is there that the management API's document has an operation for:
what the ids and names in its paths stand for, and bodies that are taken.
"""

import json
import urllib.error
import urllib.request

CORE = "urn:ietf:params:scim:schemas:core:2.0:"


class Inhabited:
    """Makes it, by the API itself and as the client of a directory."""

    def __init__(self, gatehouse, workspace, key):
        self.gatehouse, self.workspace, self.key = gatehouse, workspace, key
        self.tokens = {}

    def make(self):
        """Gives the values of path parameters and the bodies, each by method and path."""
        for name, mode in [
            *(("people", "live"), ("leaving", "live"), ("ended", "live")),
            *(("staff", "collect"), ("later", "collect"), ("ready", "collect")),
        ]:
            self._directory(name, mode)
        ada = self._user("people", "ada")
        self._user("people", "bob")
        instant = self._api("GET", f"/members/{self._member('ada')}")["created_at"]
        crew = self._group("people", "Crew", [ada])
        for name in ("Gone", "Lost"):
            self._scim("people", "DELETE", f"/Groups/{self._group('people', name, [ada])}")
        self._user("staff", "cleo")
        self._user("later", "dora")
        self._user("ready", "emil")
        self._user("leaving", "fred")
        # By another way the name is taken: what the log has of it can be sent again.
        self._scim("people", "POST", "/Users", self._person("ada"), expected=409)
        # A directory that collects has a User of a member's name: a conflict, once it is live.
        self._user("staff", "bob")

        for name in ("Support", "Sales"):
            self._api("POST", "/teams", {"name": name})
        role = self._api("POST", "/roles", {"name": "Agent", "permissions": ["members.read"]})
        spare = self._api("POST", "/roles", {"name": "Spare"})
        team = self._named("/teams", "Support")
        rule = {"directory": "people", "groups": ["Crew"], "teams": ["Support"]}
        plan = self._api("POST", "/rules/plan", {"action": "add", "rule": rule})
        applied = self._api("POST", "/rules/apply", {"plan": plan["id"]})
        rule["teams"] = ["Sales"]
        rule["when"] = 'userName eq "ada@openapi.example"'
        ended = self._api("POST", "/rules", rule)
        rule["when"] = 'userName eq "bob@openapi.example"'
        fresh = self._api("POST", "/rules/plan", {"action": "add", "rule": rule})

        drafts = {}
        for name in ("gina", "hugo", "ivan", "jane", "karl"):
            profile = {"email": f"{name}@openapi.example", "given_name": name.title()}
            made = self._api("POST", "/members", {"profile": profile})
            drafts[name] = made["member"]["id"]
        self._api("DELETE", f"/members/{drafts['karl']}")
        self._api("PUT", f"/members/{drafts['gina']}/teams/Support")
        table = [{"email": "lara@openapi.example", "teams": ["Sales"]}]
        imported = self._api("POST", "/imports", table)
        for name in ("openapi.example", "spare.example"):
            self._api("POST", "/domains", {"name": name})
        self._api("POST", "/domains/openapi.example/attest")
        secret = self._api("POST", "/api-keys", {"name": "spare", "scopes": ["members.read"]})

        hashes = {}
        for name in ("staff", "ready"):
            hashes[name] = self._api("POST", f"/directories/{name}/live/plan")["hash"]
        live = self._api("POST", "/directories/staff/live", {"hash": hashes["staff"]})
        self._api("POST", "/directories/ended/end", {"members": "keep"})
        lost = self._api("POST", "/directories/people/groups/Lost/restore/plan", {})
        failed = self._api("GET", "/directories/people/requests?status=409&limit=1")

        directory = "/directories/{directory}"
        values = {
            "/members/{id}": {"id": drafts["gina"], "kind": "teams", "name": "Support"},
            "DELETE /members/{id}": {"id": drafts["hugo"]},
            "/members/{id}/erase": {"id": drafts["karl"]},
            "/members/{id}/explanation": {"id": self._member("ada")},
            "/members/{id}/restore": {"id": self._member("ada")},
            "/teams/{id}": {"id": team},
            "/teams/{id}/explanation": {"id": "Support"},
            "/roles/{id}": {"id": role["id"]},
            "DELETE /roles/{id}": {"id": spare["id"]},
            "/roles/{id}/explanation": {"id": "Agent"},
            "/permissions/{name}": {"name": "members.read"},
            "/rules/{id}": {"id": applied["rule"]},
            "DELETE /rules/{id}": {"id": ended["id"]},
            "/plans/{id}": {"id": plan["id"]},
            "/runs/{id}": {"id": applied["run"]},
            "/imports/{id}": {"id": imported["id"]},
            "/domains/{id}": {"id": "openapi.example"},
            "DELETE /domains/{id}": {"id": "spare.example"},
            # Nobody answers for these domains, and each look takes its time.
            "/domains/{id}/check": {},
            "/api-keys/{id}": {"id": secret["id"]},
            directory: {"directory": "people", "list": "unmatched", "group": "Crew"},
            f"{directory}/live": {"directory": "ready"},
            f"{directory}/live/plan": {"directory": "later"},
            f"{directory}/end": {"directory": "leaving"},
            f"{directory}/undo-end": {"directory": "ended"},
            f"{directory}/adoption": {"directory": "staff", "list": "conflicts"},
            f"{directory}/runs/{{run}}": {"directory": "staff", "run": live["run"]["id"]},
            f"{directory}/requests/{{request}}": {
                "directory": "people",
                "request": failed["items"][0]["id"],
            },
            f"{directory}/groups/{{group}}/restore": {"directory": "people", "group": "Lost"},
            f"{directory}/groups/{{group}}/restore/plan": {"directory": "people", "group": "Gone"},
            "/history/diff": {"from": instant, "to": instant},
            "/admission/explanation": {"person": "ada@openapi.example"},
        }
        rule["when"] = 'userName eq "cleo@openapi.example"'
        bodies = {
            "POST /rules": rule,
            "PATCH /rules/{id}": {"priority": 7},
            "/rules/plan": {"action": "change", "id": applied["rule"], "rule": {"priority": 3}},
            "/rules/apply": {"plan": fresh["id"]},
            "/groups/plan-delete": {"directory": "people", "group": crew},
            f"{directory}/live": {"hash": hashes["ready"]},
            f"{directory}/end": {"members": "keep", "keep_grants": True},
            f"{directory}/adoption": {"user_name": "bob@openapi.example"},
            f"{directory}/restore": {"from": instant},
            f"{directory}/requests/{{request}}/replay": {"rehearsal": True},
            f"{directory}/groups/{{group}}/restore": {"hash": lost["hash"]},
            f"{directory}/groups/{{group}}/restore/plan": {},
            "/members/{id}/restore": {"as_of": instant},
            "/members/{id}/erase": {"remove": True},
            "/domains": {"name": "further.example"},
            "PATCH /domains/{id}": {"adoption": True},
            "POST /imports": [{"email": "mona@openapi.example", "first_name": "Mona"}],
            "/configuration/plan": {"configuration": {"teams": [{"name": "Support"}]}},
            "/configuration/apply": {"configuration": {"teams": [{"name": "Support"}]}},
            "/brake/release": {"all": True},
            "/brake/wait": {"all": True},
        }
        return values, bodies

    def _directory(self, name, mode):
        made = self.gatehouse.command(
            *("directory", "create", "--workspace", self.workspace, "--name", name),
            *("--kind", "generic", "--mode", mode),
        )
        self.tokens[name] = (made["scim_base_url"], made["token"])

    def _person(self, name):
        schemas = [f"{CORE}User"]
        return {"schemas": schemas, "userName": f"{name}@openapi.example", "active": True}

    def _user(self, directory, name):
        return self._scim(directory, "POST", "/Users", self._person(name))["id"]

    def _group(self, directory, name, users):
        members = [{"value": user} for user in users]
        body = {"schemas": [f"{CORE}Group"], "displayName": name, "members": members}
        return self._scim(directory, "POST", "/Groups", body)["id"]

    def _member(self, name):
        members = self._api("GET", "/members?limit=200")["items"]
        found = (it["id"] for it in members if it["user_name"] == f"{name}@openapi.example")
        return next(found)

    def _named(self, path, name):
        return next(it["id"] for it in self._api("GET", path)["items"] if it["name"] == name)

    def _scim(self, directory, method, path, body=None, expected=None):
        base, token = self.tokens[directory]
        return self._send(method, base + path, token, body, "application/scim+json", expected)

    def _api(self, method, path, body=None):
        url = f"{self.gatehouse.url}/api/v1/workspaces/{self.workspace}{path}"
        return self._send(method, url, self.key, body, "application/json")

    @staticmethod
    def _send(method, url, key, body, media, expected=None):
        text = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": media}
        request = urllib.request.Request(url, text, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            told = error.read().decode()
            if error.code == expected:
                return told
            raise RuntimeError(f"{method} {url}: {error.code} {told}") from error


def place(document, values, bodies):
    """Puts what is there into the document as examples, where it is wanted."""

    def nearest(found, method, path):
        """By the method too, or else by the longest path that this one begins with."""
        exact = found.get(f"{method} {path}", found.get(path))
        if exact is not None or found is bodies:
            return exact
        beginnings = [it for it in found if path.startswith(it)]
        return found[max(beginnings, key=len)] if beginnings else {}

    for path, methods in document["paths"].items():
        below = path.removeprefix("/api/v1/workspaces/{workspace}")
        for method, operation in methods.items():
            known = nearest(values, method.upper(), below)
            for parameter in operation["parameters"]:
                if parameter["name"] in known:
                    parameter["example"] = known[parameter["name"]]
            body = nearest(bodies, method.upper(), below)
            if body is not None and "requestBody" in operation:
                operation["requestBody"]["content"]["application/json"]["example"] = body
