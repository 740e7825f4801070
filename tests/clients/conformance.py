"""scim2-tester against everything that the server advertises, also what a workspace registered."""

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

import agents

# Findings that we know, by resource type, title and attribute, and why the server does otherwise.
# One that no longer turns up must leave this list.
KNOWN = {
    ("User", "check_remove_attribute", "active"): (
        "RFC 7644 section 3.5.2.2 would leave a user who is neither active nor inactive: whoever"
        " is to go or to come back must be named so, and anything else is refused"
    ),
}

# What is not as it should be; every other outcome but a skipped check is fine.
FINDINGS = {Status.ERROR, Status.CRITICAL, Status.DEVIATION}


def run(gatehouse, report):
    directory = gatehouse.directory("conformance")
    agents.register(gatehouse, directory)
    headers = {"Authorization": f"Bearer {directory.token}"}
    with Client(base_url=directory.base_url, headers=headers, timeout=30) as http:
        results = check_server(SyncSCIMClient(http))
    known = dict(KNOWN)
    for result in results:
        attribute = result.data.get("urn") if isinstance(result.data, dict) else None
        key = (result.resource_type, result.title, attribute)
        name = " ".join(part for part in key if part)
        if result.status == Status.SKIPPED:
            report.skipped(name, result.reason)
        elif result.status not in FINDINGS:
            report.passed(name)
        elif reason := known.pop(key, None):
            report.skipped(name, f"known: {reason}")
        else:
            report.failed(name, f"{result.status.name}: {result.reason}\n{result.data}")
    for key in known:
        name = " ".join(part for part in key if part)
        report.failed(name, "did not turn up, and is still in the list of known findings")
