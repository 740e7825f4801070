"""scim2-tester against everything that the server advertises."""

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

# Findings that contradict the RFCs, by resource type and title: why we do otherwise. A finding
# that no longer turns up must leave this list.
KNOWN = {}

# What is not as good as it should be; the rest is fine or was not asked for.
FINDINGS = {Status.ERROR, Status.CRITICAL, Status.DEVIATION}


def run(gatehouse, report):
    directory = gatehouse.directory("conformance")
    headers = {"Authorization": f"Bearer {directory.token}"}
    with Client(base_url=directory.base_url, headers=headers, timeout=30) as http:
        results = check_server(SyncSCIMClient(http))
    known = dict(KNOWN)
    for result in results:
        name = f"{result.resource_type or 'server'} {result.title}"
        if result.status == Status.SKIPPED:
            report.skipped(name, result.reason)
        elif result.status not in FINDINGS:
            report.passed(name)
        elif reason := known.pop((result.resource_type, result.title), None):
            report.skipped(name, f"{reason} (the tester: {result.reason})")
        else:
            report.failed(name, f"{result.status.name}: {result.reason}\n{result.data}")
    for kind, title in known:
        report.failed(f"{kind} {title}", "is in the list of known findings and did not turn up")
