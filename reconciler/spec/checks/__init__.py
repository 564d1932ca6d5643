"""Meaning: everything that depends on more than one value, or on the day, or on a file's mode.

Each module holds the rules of one subject and goes through to its end. A value that was refused is skipped, and so
is what would only follow from it. This package refuses to read files: what it must know of them is handed to it.
"""

from reconciler.spec.checks import buckets, credentials, devices, history, patterns, references, serving
from reconciler.spec.checks.subject import Given, Subject
from reconciler.spec.findings import Findings
from reconciler.spec.shape import Val

__all__ = ["Given", "check"]


def check(root: Val, given: Given, findings: Findings) -> None:
    """Note everything that is wrong between values. Pure but for `given.mode_of`, which looks at files."""
    subject = Subject(root, given, findings)
    references.check(subject)
    patterns.check(subject)
    credentials.check(subject)
    buckets.check(subject)
    devices.check(subject)
    serving.check(subject)
    history.check(subject)
