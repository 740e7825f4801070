"""Runs test files in the format of Runscope: requests with variables, assertions and scripts."""

import json
import re
import subprocess
import time

# What a script is given, and what it does with it: it may assert, and log.
SCRIPT = """
const assert = require("node:assert");
const {script, ...response} = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
new Function("assert", "response", "log", script)(assert, response, () => {});
"""


class Runner:
    """Sends each request by `send(method, url, headers, body)`, which gives (status, text)."""

    def __init__(self, send, report, variables):
        self.send, self.report, self.variables = send, report, variables
        self.requests = 0

    def run(self, name, steps):
        for step in steps:
            if step["step_type"] == "request":
                self._request(f"{name} / {' '.join(step['note'].split())}", step)
            elif step["step_type"] != "pause":  # nothing here happens later than its answer
                self.report.failed(name, f"a step of type {step['step_type']}")

    def _request(self, name, step):
        headers = {
            key: self._fill(value if isinstance(value, str) else ", ".join(value))
            for key, value in step["headers"].items()
        }
        self.requests += 1
        start = time.monotonic()
        status, text = self.send(
            step["method"], self._fill(step["url"]), headers, self._fill(step.get("body") or "")
        )
        elapsed = (time.monotonic() - start) * 1000
        try:
            document = json.loads(text) if text else None
        except ValueError:
            document = None
        sources = {"response_status": status, "response_time": elapsed, "response_json": document}
        for assertion in step["assertions"]:
            actual = look_up(sources[assertion["source"]], assertion.get("property"))
            expected = self._fill(str(assertion.get("value")))
            said = f"{assertion.get('property') or assertion['source']} {assertion['comparison']}"
            self._check(
                f"{name} / {said}",
                COMPARISONS[assertion["comparison"]](actual, expected),
                f"expected {expected}, got {actual}: {status} {text}",
            )
        for script in filter(None, step["scripts"]):
            given = json.dumps({"script": script, "status": status, "body": text})
            done = subprocess.run(
                ["node", "-e", SCRIPT], input=given, capture_output=True, text=True
            )
            self._check(f"{name} / script", done.returncode == 0, done.stderr)
        for variable in step["variables"]:
            if variable["name"]:
                self.variables[variable["name"]] = look_up(document, variable["property"])

    def _check(self, name, holds, otherwise):
        if holds:
            self.report.passed(name)
        else:
            self.report.failed(name, otherwise)

    def _fill(self, text):
        return re.sub(r"\{\{(\w+)\}\}", lambda found: str(self.variables[found[1]]), text)


def look_up(document, path):
    """What is at a path such as `Resources[0].name.givenName`, or None."""
    for key in re.findall(r"[^.\[\]]+", path or ""):
        try:
            document = document[int(key) if isinstance(document, list) else key]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return document


def as_text(value):
    return value if isinstance(value, str) else json.dumps(value)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


COMPARISONS = {
    "equal": lambda actual, expected: as_text(actual) == expected,
    "equal_number": lambda actual, expected: is_number(actual) and actual == float(expected),
    "is_less_than": lambda actual, expected: is_number(actual) and actual < float(expected),
    "is_a_number": lambda actual, _: is_number(actual),
    "not_empty": lambda actual, _: actual not in (None, "", [], {}),
    "contains": lambda actual, expected: actual is not None and expected in actual,
    "has_value": lambda actual, expected: isinstance(actual, list) and expected in actual,
}
