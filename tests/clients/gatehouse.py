"""A gatehouse server with a database of its own, driven as a deployment drives it: by its commands."""

import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@dataclass
class Directory:
    """Where a SCIM client connects to."""

    workspace: str
    name: str
    base_url: str
    token: str


class Gatehouse:
    """`gatehouse serve` on a free port of this machine, ended with the `with` block."""

    def __init__(self, program, database, log):
        self.program, self.database, self.log = program, database, log
        # PostgreSQL has no place for a key of its own; SQLite takes this one as well.
        self.environment = {
            **os.environ,
            "GATEHOUSE__SECRETS__KEY": secrets.token_hex(32),
            "GATEHOUSE__LOG__FORMAT": "json",
            # Where the providers of these tests are.
            "GATEHOUSE__OUTBOUND__OPEN_NETWORKS": "127.0.0.0/8",
        }

    def __enter__(self):
        address = "127.0.0.1:%d" % free_port()
        self.url = f"http://{address}"
        command = [self.program, "serve", "--database", self.database]
        command += ["--listen", address, "--public-url", self.url]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def command(self, *arguments, said=None):
        """The JSON that a command answers, beside the running server; `said` is what it reads."""
        command = [self.program, *arguments, "--database", self.database, "--json"]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, input=said
        )
        if done.returncode != 0:
            raise RuntimeError(f"gatehouse {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def directory(self, slug, kind="generic"):
        """A directory in a workspace of its own."""
        self.command("workspace", "create", slug, "--name", slug.title())
        made = self.command(
            *("directory", "create", "--workspace", slug, "--name", "people"),
            *("--kind", kind, "--mode", "live"),
        )
        return Directory(slug, "people", made["scim_base_url"], made["token"])

    def members(self, directory):
        """The members of its workspace by their user name."""
        listed = self.command("members", "list", "--workspace", directory.workspace)
        return {member["user_name"]: member for member in listed}

    def _wait_until_ready(self):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"gatehouse serve ended with {self.process.returncode}")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError("gatehouse serve did not get ready within 30 seconds")
