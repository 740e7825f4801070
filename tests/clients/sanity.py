"""scim-sanity's probe, in its strict and in its lenient mode: not a failure, not even a warning."""

import json
import os
import subprocess
import sys

PROGRAM = os.path.join(os.path.dirname(sys.executable), "scim-sanity")


def run(gatehouse, report):
    for mode in ("strict", "compat"):
        directory = gatehouse.directory(f"sanity-{mode}")
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
        elif result["status"] == "skip":
            report.skipped(name, result.get("message"))
        else:
            report.failed(name, f"{result['status']}: {result.get('message')}")
