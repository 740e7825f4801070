"""Microsoft's Postman collection for SCIM servers, run by newman."""

import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import published

NEWMAN = published.ROOT / ".node/node_modules/.bin/newman"

# How many assertions must hold, whatever the list below says.
AT_LEAST = 96

# Assertions that fail, by folder, request and name, and why the server does otherwise.
# One that holds must leave this list.
KNOWN = {
    ("Endpoint tests", "Get empty Users", "Status code is 200"): (
        "it asks for /users; the endpoint is /Users (RFC 7644 section 3.2), and a path is compared"
        " with regard to case (RFC 3986 section 6.2.2.1)"
    ),
    ("Group tests", "Get group by id", "Body contians user"): (
        "it adds a member with the attribute displayName and looks for its text; a member has"
        " value, $ref, type and display (RFC 7643 section 4.2), and anything else is ignored"
    ),
    ("User tests with garbage", "Patch user omalley new username", "Status code is 204"): (
        "RFC 7644 section 3.5.2 leaves the choice between 200 with the user and 204; the server"
        " answers 200, so that a client sees what became of its values"
    ),
    ("User tests with garbage", "patch user omalley active with boolean", "Status code is 204"): (
        "as before: 200 with the user"
    ),
}


def run(gatehouse, report):
    folder = published.folder()
    if folder is None:
        published.missing(report)
        return
    collection = json.loads((folder / "ms-scim-postman.json").read_text())
    # It fetches a token of Microsoft's sample server; ours comes with the directory.
    collection["item"] = [item for item in collection["item"] if item["name"] != "Get Token"]
    # As Entra's, the directory answers a PATCH of a group with 204, which is what is looked for.
    outcome = newman(collection, gatehouse.directory("postman", "entra"))
    folders = dict(requests(outcome["collection"]["item"]))
    known, passed = Counter(), 0
    for execution in outcome["run"]["executions"]:
        request = (folders[execution["item"]["id"]], execution["item"]["name"])
        for broken in [execution, *execution.get("testScript", ())]:
            if error := broken.get("requestError") or broken.get("error"):
                report.failed(" / ".join(request), error)
        for assertion in execution.get("assertions", ()):
            key = (*request, assertion["assertion"])
            name = " / ".join(part for part in key if part)
            if "error" not in assertion and not assertion.get("skipped"):
                passed += 1
                report.passed(name)
            elif key in KNOWN:
                known[key] += 1
                report.skipped(name, f"known: {KNOWN[key]}")
            else:
                report.failed(name, assertion.get("error", {}).get("message", "did not run"))
    for key in KNOWN.keys() - known.keys():
        report.failed(" / ".join(key), "holds, and is still in the list of known findings")
    if passed < AT_LEAST:
        report.failed("all of it", f"{passed} assertions hold, fewer than {AT_LEAST}")


def newman(collection, directory):
    """Its report, as JSON."""
    url = urlsplit(directory.base_url)
    variables = {
        "Protocol": url.scheme,
        "Server": url.hostname,
        "Port": f":{url.port}",
        "Api": url.path.strip("/"),
        "token": directory.token,
    }
    with tempfile.TemporaryDirectory() as temp:
        source, result = Path(temp, "collection.json"), Path(temp, "report.json")
        source.write_text(json.dumps(collection))
        command = [NEWMAN, "run", source, "--reporters", "json"]
        command += ["--reporter-json-export", result, "--timeout-request", "30000"]
        for key, value in variables.items():
            command += ["--env-var", f"{key}={value}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if not result.exists():
            raise RuntimeError(f"newman: {done.stdout}{done.stderr}")
        return json.loads(result.read_text())


def requests(items, folder=""):
    """The id of each request with the name of its folder."""
    for item in items:
        if "item" in item:
            yield from requests(item["item"], item["name"])
        else:
            yield item["id"], folder
