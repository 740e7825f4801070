"""scim2-client as an app's own code uses it: two admins change one user, and neither unknowingly
undoes what the other did.
"""

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import SCIMException

import steps


class Story:
    def __init__(self, gatehouse, http):
        self.gatehouse = gatehouse
        self.directory = gatehouse.directory("versions")
        http.base_url = self.directory.base_url
        http.headers["Authorization"] = f"Bearer {self.directory.token}"
        self.scim = SyncSCIMClient(http)

    def the_server_says_what_it_offers(self):
        self.scim.discover()
        assert self.scim.provider.config.etag.supported
        self.user_model = self.scim.get_resource_model("User")

    def both_read_the_same_version(self):
        made = self.scim.create(self.user_model(user_name="ada"))
        self.first, self.second = self._read(made.id), self._read(made.id)
        assert self.first.meta.version == self.second.meta.version == made.meta.version, made

    def the_first_change_is_taken(self):
        self.first.display_name = "Ada the first"
        changed = self.scim.replace(self.first)
        assert changed.meta.version != self.first.meta.version, changed

    def the_second_is_refused_and_changes_nothing(self):
        self.second.display_name = "Ada the second"
        self._refused(self.scim.replace, self.second)
        self._refused(self.scim.delete, self.second)
        assert self._read(self.first.id).display_name == "Ada the first"

    def who_reads_again_may_change_again(self):
        fresh = self._read(self.first.id)
        # The same object comes back when the server has nothing newer.
        assert self.scim.query(fresh) is fresh
        self.scim.delete(fresh)
        assert self.gatehouse.members(self.directory) == {}

    def _read(self, id):
        return self.scim.query(self.user_model, id)

    def _refused(self, change, *arguments):
        try:
            change(*arguments)
        except SCIMException as error:
            assert str(error.status) == "412", repr(error)
        else:
            raise AssertionError(f"{change.__name__} was not refused")


def run(gatehouse, report):
    with Client(timeout=30) as http:
        steps.run(Story(gatehouse, http), report)
