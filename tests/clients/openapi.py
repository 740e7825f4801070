"""Schemathesis: requests made of the management API's own document, good ones and bad ones, answer
what the document says, and no fault of the server's.

The seed is fixed, so that a failure comes again; the time is bounded. The workspace has something for
every operation to be about, and most of them must have been answered with what they give.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request

from inhabited import Inhabited, place

PROGRAM = os.path.join(os.path.dirname(sys.executable), "schemathesis")
WORKSPACE = "openapi"
SEED = "20260101"
EXAMPLES = "8"
SECONDS = 480
# How many operations must have answered what they give, and not refusals alone.
GIVEN = 85
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
]
# What is drawn has to name the workspace for anything to be there.
CONFIGURATION = f"""\
[parameters]
"path.workspace" = "{WORKSPACE}"

[[operations]]
include-name = "DELETE /api/v1/workspaces/{{workspace}}"
enabled = false
"""
# Writes down which operations were answered with a status of success.
HOOKS = """\
import os

import schemathesis

given = set()


@schemathesis.hook
def after_call(context, case, response):
    name = case.operation.label
    if 200 <= response.status_code < 300 and name not in given:
        given.add(name)
        with open(os.environ["GIVEN"], "a") as file:
            file.write(name + "\\n")
"""


def run(gatehouse, report):
    gatehouse.command("workspace", "create", WORKSPACE, "--name", "OpenAPI")
    made = gatehouse.command(
        *("api-key", "create", "--operator", "--name", "schemathesis", "--scope", "*")
    )
    with urllib.request.urlopen(f"{gatehouse.url}/api/v1/openapi.json", timeout=30) as answer:
        document = json.load(answer)
    # But for the deletion of the workspace: nothing would be there for the others.
    wanted = sum(len(methods) for methods in document["paths"].values()) - 1
    for methods in document["paths"].values():
        for operation in methods.values():
            # One key for many requests would have all but the first refused.
            parameters = operation["parameters"]
            parameters[:] = [it for it in parameters if it["name"] != "Idempotency-Key"]
    place(document, *Inhabited(gatehouse, WORKSPACE, made["key"]).make())
    with tempfile.TemporaryDirectory() as folder:
        given = os.path.join(folder, "given")
        for name, text in [
            ("schemathesis.toml", CONFIGURATION),
            ("openapi.json", json.dumps(document)),
            ("answered.py", HOOKS),
            ("given", ""),
        ]:
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        environment = {
            **os.environ,
            **{"SCHEMATHESIS_HOOKS": "answered", "PYTHONPATH": folder, "GIVEN": given},
        }
        done = subprocess.run(
            [
                *(PROGRAM, "--config-file", os.path.join(folder, "schemathesis.toml")),
                *("--no-color", "run", "openapi.json", "--url", gatehouse.url),
                *("--header", f"Authorization: Bearer {made['key']}"),
                *("--checks", ",".join(CHECKS), "--seed", SEED),
                *("--max-examples", EXAMPLES, "--continue-on-failure"),
                *("--warnings", "off", "--request-timeout", "30", "--no-shrink"),
                *("--phases", "examples,coverage,fuzzing,stateful"),
            ],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        with open(given) as file:
            given = set(file.read().split("\n")) - {""}
    if done.returncode != 0:
        report.failed("schemathesis", done.stdout + done.stderr)
        return
    # Where none of them was tried, nothing failed.
    if f"Tested: {wanted}\n" not in done.stdout:
        report.failed("schemathesis", f"not all of {wanted} operations were tried:\n{done.stdout}")
    elif len(given) < GIVEN:
        names = {
            f"{method.upper()} {path}"
            for path, methods in document["paths"].items()
            for method in methods
        }
        refused = "\n".join(sorted(names - given))
        reason = f"{len(given)} operations of {wanted} gave something, not {GIVEN}; never:\n"
        report.failed("schemathesis", reason + refused)
    else:
        report.passed("schemathesis")
