"""A second day with scim2-cli: what the server offers beyond reading and writing one resource."""

import steps
from story import GROUP, USER, Scim

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
NAMES = ["ada", "bob", "cyd", "dan", "eve"]


class Story:
    """The steps in their order; each stands on the ones before."""

    def __init__(self, gatehouse):
        self.gatehouse = gatehouse
        self.directory = gatehouse.directory("features")
        self.scim = Scim(self.directory.base_url, self.directory.token)

    def the_server_says_what_it_offers(self):
        config = self.scim("query", "ServiceProviderConfig")
        for feature in ("bulk", "etag", "filter", "patch", "sort"):
            assert config[feature]["supported"], config
        assert config["pagination"]["cursor"] and config["pagination"]["index"], config

    def a_bulk_makes_people_and_their_group(self):
        self.gatehouse.command(
            *("rule", "add", "--workspace", "features", "--directory", "people"),
            *("--group", "Crew", "--team", "Builders"),
        )
        people = [
            self._operation("POST", "/Users", {"schemas": [USER], "userName": name}, name)
            for name in NAMES
        ]
        members = [{"value": f"bulkId:{name}"} for name in NAMES]
        crew = {"schemas": [GROUP], "displayName": "Crew", "members": members}
        answers = self._bulk(self._operation("POST", "/Groups", crew, "crew"), *people)
        assert [answer["status"] for answer in answers] == ["201"] * 6, answers
        self.crew, *self.ids = (answer["location"].rsplit("/", 1)[1] for answer in answers)
        for member in self.gatehouse.members(self.directory).values():
            assert member["teams"] == ["Builders"], member
        group = self.scim("query", "group", self.crew)
        assert {member["value"] for member in group["members"]} == set(self.ids), group

    def answers_are_sorted(self):
        for order, expect in (("ascending", NAMES), ("descending", NAMES[::-1])):
            answer = self.scim("query", "user", "--sort-by", "userName", "--sort-order", order)
            assert self._names(answer) == expect, answer

    def cursors_lead_through_all_pages(self):
        page = self.scim("query", "user", "--count", "2", "--cursor", "")
        found = self._names(page)
        while cursor := page.get("nextCursor"):
            page = self.scim("query", "user", "--count", "2", "--cursor", cursor)
            found += self._names(page)
        assert sorted(found) == NAMES, found

    def a_search_by_post_is_answered_like_a_query(self):
        query = ("--filter", 'userName sw "b" or userName eq "eve"', "--sort-by", "userName")
        query += ("--attribute", "userName")
        answer = self.scim("search", "user", *query)
        assert self._names(answer) == ["bob", "eve"], answer
        assert answer == self.scim("query", "user", *query)

    def a_search_of_everything_finds_users_and_groups(self):
        answer = self.scim("search", "--filter", f'id eq "{self.crew}" or userName eq "ada"')
        types = sorted(found["meta"]["resourceType"] for found in answer["Resources"])
        assert types == ["Group", "User"], answer

    def a_bulk_that_goes_wrong_halfway_says_where(self):
        answers = self._bulk_refused(
            self._operation("POST", "/Users", {"schemas": [USER], "userName": "ADA"}, "again"),
            self._operation("DELETE", f"/Users/{self.ids[0]}"),
            self._operation("DELETE", f"/Users/{self.ids[0]}"),
        )
        assert [answer["status"] for answer in answers] == ["409", "204", "404"], answers
        assert answers[0]["response"]["scimType"] == "uniqueness", answers
        assert sorted(self.gatehouse.members(self.directory)) == NAMES[1:]

    def a_bulk_takes_them_all_away(self):
        gone = [self._operation("DELETE", f"/Users/{id}") for id in self.ids[1:]]
        answers = self._bulk(self._operation("DELETE", f"/Groups/{self.crew}"), *gone)
        assert {answer["status"] for answer in answers} == {"204"}, answers
        assert self.gatehouse.members(self.directory) == {}
        self.gatehouse.command("verify")

    def _bulk(self, *operations):
        return self.scim("bulk", body={"schemas": [BULK], "Operations": operations})["Operations"]

    def _bulk_refused(self, *operations):
        """The program ends badly if but one of them does."""
        body = {"schemas": [BULK], "Operations": operations}
        return self.scim.refused("bulk", body=body)["Operations"]

    def _operation(self, method, path, data=None, bulk_id=None):
        operation = {"method": method, "path": path, "data": data, "bulkId": bulk_id}
        return {key: value for key, value in operation.items() if value is not None}

    def _names(self, answer):
        return [user["userName"] for user in answer.get("Resources") or []]


def run(gatehouse, report):
    steps.run(Story(gatehouse), report)
