"""scim-sanity's probe, in its strict and in its lenient mode: not a failure, not even a warning.

It also tries two resource types of a draft about agents where a server has them, so ours has them.
"""

import json
import os
import subprocess
import sys

import agents

PROGRAM = os.path.join(os.path.dirname(sys.executable), "scim-sanity")


def run(gatehouse, report):
    for mode in ("strict", "compat"):
        directory = gatehouse.directory(f"sanity-{mode}")
        agents.register(gatehouse, directory)
        probe(directory, mode, report)


def probe(directory, mode, report):
    command = [PROGRAM, "probe", directory.base_url, "--token", directory.token, f"--{mode}"]
    command += ["--json-output", "--i-accept-side-effects"]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        results = json.loads(done.stdout)["results"]
    except (ValueError, KeyError):
        report.failed(mode, f"no results: {done.stdout}{done.stderr}")
        return
    for result in results:
        name = f"{mode}: {result['name']}"
        if result["status"] == "pass":
            report.passed(name)
        else:
            report.failed(name, f"{result['status']}: {result.get('message')}")
