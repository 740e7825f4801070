"""A day with scim2-cli: people come, a group gives them a team, they change, and they leave."""

import json
import os
import subprocess
import sys

import steps

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Scim:
    """The program `scim2` on one directory."""

    def __init__(self, base_url, token):
        self.program = os.path.join(os.path.dirname(sys.executable), "scim2")
        self.environment = {
            **os.environ,
            "SCIM_CLI_URL": base_url,
            "SCIM_CLI_HEADERS": f"Authorization: Bearer {token}",
        }

    def __call__(self, *arguments, body=None):
        """What it prints, or None; it must end well."""
        done = self._run(arguments, body)
        assert done.returncode == 0, f"scim2 {arguments}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def refused(self, *arguments, body=None):
        """The error message of the server; it must end badly."""
        done = self._run(arguments, body)
        assert done.returncode != 0, f"scim2 {arguments} was not refused: {done.stdout}"
        assert done.stdout.strip(), f"scim2 {arguments} got no answer: {done.stderr}"
        return json.loads(done.stdout)

    def _run(self, arguments, body):
        text = json.dumps(body) if body else ""
        return subprocess.run(
            [self.program, *arguments],
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
        )


class Story:
    """The steps in their order; each stands on the ones before."""

    def __init__(self, gatehouse):
        self.gatehouse = gatehouse
        self.directory = gatehouse.directory("story")
        self.scim = Scim(self.directory.base_url, self.directory.token)

    def a_rule_waits_for_its_group(self):
        rule = self.gatehouse.command(
            *("rule", "add", "--workspace", "story", "--directory", "people"),
            *("--group", "Engineering", "--team", "Builders", "--role", "Deployer"),
        )
        assert rule["bound"] is False, rule

    def users_are_created(self):
        barbara = self.scim(
            *("create", "user", "--user-name", "bjensen@example.com"),
            *("--external-id", "701984", "--active", "true"),
            *("--name", '{"givenName": "Barbara", "familyName": "Jensen"}'),
            *("--emails", '[{"value": "bjensen@example.com", "type": "work", "primary": true}]'),
        )
        self.barbara = barbara["id"]
        assert barbara["userName"] == "bjensen@example.com", barbara
        assert barbara["name"] == {"givenName": "Barbara", "familyName": "Jensen"}, barbara
        assert barbara["active"] is True, barbara
        location = f"{self.directory.base_url}/Users/{self.barbara}"
        assert barbara["meta"]["location"] == location, barbara
        james = {
            "schemas": [USER, ENTERPRISE],
            "userName": "jsmith@example.com",
            "active": True,
            "password": "t1meMa$heen",
            ENTERPRISE: {"department": "Tours", "manager": {"value": self.barbara}},
        }
        made = self.scim("create", "user", body=james)
        self.james = made["id"]
        assert made[ENTERPRISE]["department"] == "Tours", made
        assert made[ENTERPRISE]["manager"]["value"] == self.barbara, made
        assert "password" not in made, made

    def a_taken_user_name_is_refused_in_any_case(self):
        error = self.scim.refused("create", "user", "--user-name", "BJensen@Example.com")
        assert (error["status"], error["scimType"]) == ("409", "uniqueness"), error

    def a_group_with_a_member_makes_a_grant(self):
        group = {
            "schemas": [GROUP],
            "displayName": "Engineering",
            "members": [{"value": self.barbara}],
        }
        made = self.scim("create", "group", body=group)
        self.group = made["id"]
        assert [member["value"] for member in made["members"]] == [self.barbara], made
        member = self._member("bjensen@example.com")
        assert (member["teams"], member["roles"]) == (["Builders"], ["Deployer"]), member
        assert self._member("jsmith@example.com")["teams"] == []

    def filters_find_who_they_should(self):
        b, j = "bjensen@example.com", "jsmith@example.com"

        def check(expression, *expect):
            answer = self.scim("query", "user", "--filter", expression)
            found = sorted(user["userName"] for user in answer.get("Resources") or [])
            assert found == sorted(expect), f"{expression}: {found}"
            assert answer["totalResults"] == len(expect), f"{expression}: {answer}"

        check('userName eq "BJENSEN@example.com"', b)
        check('userName sw "js"', j)
        check('userName co "example"', b, j)
        check('externalId eq "701984" and active eq true', b)
        check("externalId pr", b)
        check("not (externalId pr)", j)
        check('emails[type eq "work" and value co "jensen"]', b)
        check(f'{ENTERPRISE}:department eq "Tours"', j)
        check(f'id eq "{self.james}" or name.familyName eq "jensen"', b, j)
        check('userName eq "nobody"')
        # The client lets a filter through unread if it comes in a body.
        error = self.scim.refused("query", "user", body={"filter": "userName eq"})
        assert (error["status"], error["scimType"]) == ("400", "invalidFilter"), error

    def pages_and_projections_are_kept(self):
        first = self.scim("query", "user", "--count", "1", "--attribute", "userName")
        second = self.scim("query", "user", "--count", "1", "--start-index", "2")
        assert (first["totalResults"], first["itemsPerPage"]) == (2, 1), first
        assert sorted(first["Resources"][0]) == ["id", "schemas", "userName"], first
        assert second["startIndex"] == 2, second
        assert first["Resources"][0]["id"] != second["Resources"][0]["id"], second
        group = self.scim("query", "group", self.group, "--excluded-attribute", "members")
        assert group["displayName"] == "Engineering" and "members" not in group, group

    def a_replaced_user_loses_what_is_left_out(self):
        replaced = self.scim(
            *("replace", "user", "--id", self.barbara, "--user-name", "bjensen@example.com"),
            *("--display-name", "Babs", "--external-id", "701984", "--active", "true"),
            *("--emails", '[{"value": "babs@example.com", "type": "home"}]'),
        )
        assert replaced["displayName"] == "Babs", replaced
        assert "name" not in replaced, replaced
        assert [email["value"] for email in replaced["emails"]] == ["babs@example.com"], replaced
        again = self.scim("query", "user", self.barbara)
        assert again == replaced, (again, replaced)

    def a_patch_changes_what_it_names(self):
        self.scim(
            *("modify", "user", self.barbara),
            *("replace", "name.givenName", "Barbara"),
            *("add", "emails", '[{"value": "bjensen@example.com", "type": "work"}]'),
            *("replace", 'emails[type eq "home"].value', "home@example.com"),
            *("add", f"{ENTERPRISE}:department", "Research"),
            *("remove", "displayName"),
        )
        user = self.scim("query", "user", self.barbara)
        assert user["name"] == {"givenName": "Barbara"}, user
        assert "displayName" not in user, user
        assert user[ENTERPRISE]["department"] == "Research", user
        emails = {email["type"]: email["value"] for email in user["emails"]}
        assert emails == {"home": "home@example.com", "work": "bjensen@example.com"}, user

    def members_come_and_go_with_their_grants(self):
        added = json.dumps([{"value": self.james}])
        self.scim("modify", "group", self.group, "add", "members", added)
        assert self._member("jsmith@example.com")["teams"] == ["Builders"]
        user = self.scim("query", "user", self.james)
        assert [group["value"] for group in user["groups"]] == [self.group], user
        gone = f'members[value eq "{self.barbara}"]'
        self.scim("modify", "group", self.group, "remove", gone)
        group = self.scim("query", "group", self.group)
        assert [member["value"] for member in group["members"]] == [self.james], group
        assert self._member("bjensen@example.com")["teams"] == []

    def an_inactive_user_is_suspended_and_comes_back_with_the_same(self):
        self.scim("modify", "user", self.james, "replace", "active", "false")
        assert self.scim("query", "user", self.james)["active"] is False
        assert self._member("jsmith@example.com")["status"] == "suspended"
        self.scim("modify", "user", self.james, "replace", "active", "true")
        member = self._member("jsmith@example.com")
        assert (member["status"], member["teams"]) == ("active", ["Builders"]), member

    def why_is_answered(self):
        why = self.gatehouse.command(
            *("explain", "--workspace", "story", "--member", "jsmith@example.com")
        )
        teams = [grant["name"] for grant in why["grants"] if grant["kind"] == "team"]
        assert teams == ["Builders"], why
        groups = [group["id"] for grant in why["grants"] for group in grant["rule"]["groups"]]
        assert set(groups) == {self.group}, why

    def what_is_deleted_is_gone(self):
        self.scim("delete", "group", self.group)
        assert self._member("jsmith@example.com")["teams"] == []
        self.scim("delete", "user", self.james)
        self.scim("delete", "user", self.barbara)
        assert self.scim.refused("query", "user", self.james)["status"] == "404"
        assert self.scim.refused("delete", "user", self.james)["status"] == "404"
        assert self.scim("query", "user")["totalResults"] == 0
        assert self.scim("query", "group")["totalResults"] == 0

    def a_wrong_token_is_refused(self):
        token = self.directory.token
        stranger = Scim(self.directory.base_url, token[:-1] + ("a" if token[-1] != "a" else "b"))
        done = stranger._run(("query", "user"), None)
        assert done.returncode != 0 and "bjensen" not in done.stdout, done.stdout

    def the_database_holds_what_is_promised(self):
        self.gatehouse.command("verify")

    def _member(self, user_name):
        return self.gatehouse.members(self.directory)[user_name]



def run(gatehouse, report):
    steps.run(Story(gatehouse), report)
