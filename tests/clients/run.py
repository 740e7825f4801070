"""Runs real clients against a server: `run.py --gatehouse PROGRAM --database URL`."""

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback

import certified
import chromium
import conformance
import features
import idp
import okta
import openapi
import postman
import sanity
import signing_in
import simulator
import story
import versions
from gatehouse import Gatehouse

# Whatever talks SCIM, and what knows the management API by its document, each to a workspace of its own.
CLIENTS = {
    "scim2-tester": conformance,
    "scim2-cli": story,
    "scim2-cli, further features": features,
    "scim2-client": versions,
    "scim-sanity": sanity,
    "scim-sim": simulator,
    "canaille": idp,
    "canaille, signing in": signing_in,
    "oidc-provider": certified,
    "Chromium": chromium,
    "schemathesis": openapi,
    "Microsoft's Postman collection": postman,
    "Okta's test files": okta,
}


class Report:
    """Counts what was checked, and prints what did not pass."""

    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def passed(self, name):
        self.counts["passed"] += 1

    def failed(self, name, reason):
        self.counts["failed"] += 1
        print(f"FAILED {name}\n  " + str(reason).replace("\n", "\n  "))

    def skipped(self, name, reason):
        self.counts["skipped"] += 1
        print(f"skipped {name}: {reason}")

    def line(self):
        return ", ".join(f"{count} {word}" for word, count in self.counts.items())


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--gatehouse", required=True, type=os.path.abspath)
    arguments.add_argument("--database", required=True)
    arguments = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    total = Report()
    with tempfile.TemporaryFile("w+") as log:
        with Gatehouse(arguments.gatehouse, arguments.database, log) as gatehouse:
            for name, client in CLIENTS.items():
                report, start = Report(), time.monotonic()
                try:
                    client.run(gatehouse, report)
                except Exception:
                    report.failed(name, traceback.format_exc())
                print(f"{name}: {report.line()} ({time.monotonic() - start:.0f} s)", flush=True)
                for word, count in report.counts.items():
                    total.counts[word] += count
        log.seek(0)
        for line in log:
            if '"level":"INFO"' not in line:
                print(f"log: {line.strip()}")
    print(total.line())
    return 1 if total.counts["failed"] or not total.counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
