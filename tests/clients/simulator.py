"""A story with scim-sim, which plays an IdP's admin: people are hired, grouped, moved and let go."""

import os
import re
import subprocess
import sys
import tempfile

import steps

PROGRAM = os.path.join(os.path.dirname(sys.executable), "scim-sim")
WELL, BADLY = "✅", "❌"


class Story:
    def __init__(self, gatehouse, home):
        self.gatehouse, self.home = gatehouse, home
        self.directory = gatehouse.directory("simulator")

    def a_wrong_token_is_refused(self):
        said = self._sim("setup", answers=[self.directory.base_url, self.directory.token[:-1]])
        assert BADLY in said and "Token is invalid" in said, said

    def the_right_one_is_taken(self):
        said = self._sim("setup", answers=[self.directory.base_url, self.directory.token])
        assert WELL in said, said
        assert "(empty)" in self._sim("show")

    def people_are_hired(self):
        self.first, self.second = self._id("add-user"), self._id("add-user")
        members = self.gatehouse.members(self.directory)
        assert [member["status"] for member in members.values()] == ["active"] * 2, members
        shown = self._sim("show")
        for name in members:
            assert name in shown, shown
        assert self.first in shown and self.second in shown, shown

    def a_group_gives_its_team(self):
        self.gatehouse.command(
            *("rule", "add", "--workspace", "simulator", "--directory", "people"),
            *("--group", "Engineering", "--team", "Builders"),
        )
        self.group = self._id("create-group", "Engineering")
        self._well("add-to-group", self.first, self.group)
        self._well("add-to-group", self.second, self.group)
        assert self._teams() == [["Builders"], ["Builders"]]
        shown = self._sim("show")
        assert "Engineering" in shown and "Ungrouped" not in shown, shown

    def who_leaves_the_group_leaves_the_team(self):
        self._well("remove-from-group", self.first, self.group)
        assert self._teams() == [[], ["Builders"]]
        assert BADLY in self._sim("remove-from-group", self.first, self.group)
        assert "Ungrouped" in self._sim("show")

    def who_is_let_go_is_gone(self):
        self._well("remove-user", self.first)
        assert BADLY in self._sim("remove-user", self.first)
        assert BADLY in self._sim("add-to-group", self.second, self.first)
        shown = self._sim("show")
        assert self.first not in shown and self.second in shown, shown

    def a_group_goes_with_all_its_people(self):
        self._well("delete-group", self.group)
        assert "(empty)" in self._sim("show")
        assert self._teams() == [], self.gatehouse.members(self.directory)

    def the_database_holds_what_is_promised(self):
        self.gatehouse.command("verify")

    def _sim(self, *arguments, answers=()):
        done = subprocess.run(
            [PROGRAM, *arguments],
            env={**os.environ, "HOME": self.home},
            input="".join(f"{answer}\n" for answer in answers),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"scim-sim {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def _well(self, *arguments):
        said = self._sim(*arguments)
        assert WELL in said and BADLY not in said, f"scim-sim {arguments}: {said}"
        return said

    def _id(self, *arguments):
        """The id of what a command made."""
        return re.search(r"ID: (\S+)", self._well(*arguments)).group(1)

    def _teams(self):
        members = self.gatehouse.members(self.directory).values()
        return sorted(member["teams"] for member in members)


def run(gatehouse, report):
    with tempfile.TemporaryDirectory() as home:  # the program keeps its settings there
        steps.run(Story(gatehouse, home), report)
