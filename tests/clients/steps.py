"""A story is a class whose public methods are its steps, in their order."""

import traceback


def run(story, report):
    """Each step stands on the ones before, so the first that does not hold is the last."""
    for name, step in vars(type(story)).items():
        if name.startswith("_"):
            continue
        name = name.replace("_", " ")
        try:
            step(story)
        except Exception:
            report.failed(name, traceback.format_exc(chain=False))
            return
        report.passed(name)
