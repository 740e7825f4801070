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
EXAMPLES = "15"
SECONDS = 110
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
"""


def run(gatehouse, report):
    gatehouse.command("workspace", "create", WORKSPACE, "--name", "OpenAPI")
    made = gatehouse.command(
        *("api-keys", "create", "--operator", "--name", "schemathesis", "--scope", "*")
    )
    document = f"{gatehouse.url}/api/v1/openapi.json"
    with urllib.request.urlopen(document, timeout=30) as answer:
        wanted = sum(len(methods) for methods in json.load(answer)["paths"].values())
    with tempfile.TemporaryDirectory() as folder:
        configuration = os.path.join(folder, "schemathesis.toml")
        with open(configuration, "w") as file:
            file.write(CONFIGURATION)
        done = subprocess.run(
            [
                *(PROGRAM, "--config-file", configuration, "--no-color", "run", document),
                *("--header", f"Authorization: Bearer {made['key']}"),
                *("--checks", ",".join(CHECKS), "--seed", SEED),
                *("--max-examples", EXAMPLES, "--continue-on-failure"),
                *("--warnings", "off", "--request-timeout", "30", "--no-shrink"),
                *("--phases", "examples,coverage,fuzzing"),
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
    tested = f"{wanted} selected" in done.stdout or f"{wanted}/{wanted}" in done.stdout
    if tested:
        report.passed("schemathesis")
    else:
        report.failed("schemathesis", f"not all of {wanted} operations were tried:\n{done.stdout}")
