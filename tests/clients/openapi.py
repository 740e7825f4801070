"""Schemathesis: requests made of the management API's own document, good ones and bad ones, answer
what the document says, and no fault of the server's.

The seed is fixed, so that a failure comes again; the time is bounded.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request

PROGRAM = os.path.join(os.path.dirname(sys.executable), "schemathesis")
WORKSPACE = "openapi"
SEED = "20260101"
EXAMPLES = "10"
SECONDS = 240
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
    with tempfile.TemporaryDirectory() as folder:
        configuration = os.path.join(folder, "schemathesis.toml")
        with open(configuration, "w") as file:
            file.write(CONFIGURATION)
        with open(os.path.join(folder, "openapi.json"), "w") as file:
            json.dump(document, file)
        done = subprocess.run(
            [
                *(PROGRAM, "--config-file", configuration, "--no-color"),
                *("run", "openapi.json", "--url", gatehouse.url),
                *("--header", f"Authorization: Bearer {made['key']}"),
                *("--checks", ",".join(CHECKS), "--seed", SEED),
                *("--max-examples", EXAMPLES, "--continue-on-failure"),
                *("--warnings", "off", "--request-timeout", "30", "--no-shrink"),
                *("--phases", "examples,coverage,fuzzing,stateful"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    if done.returncode != 0:
        report.failed("schemathesis", done.stdout + done.stderr)
        return
    # Where none of them was tried, nothing failed.
    if f"Tested: {wanted}\n" in done.stdout:
        report.passed("schemathesis")
    else:
        report.failed("schemathesis", f"not all of {wanted} operations were tried:\n{done.stdout}")
