"""The commands that a plan's reader may run next, complete: with the spec, the environment and the choices of this plan.

A hint that leaves out `--only` would apply more than was shown. This module refuses to know when a hint is due.
"""

import json
import shlex
from collections.abc import Iterator
from typing import Final

from reconciler.lineups.model import Block
from reconciler.planning.model import Plan

__all__ = ["again", "command", "deciding"]

DEFAULT_SPEC: Final = "ptctl.yaml"
CHOICES: Final = ("allow", "only", "skip")


def command(plan: Plan, name: str, *more: str) -> str:
    """`ptctl NAME` for this plan's spec and environment, and `more` words."""
    return " ".join(shlex.quote(word) for word in ("ptctl", *_words(plan, name), *more))


def again(plan: Plan, name: str) -> str:
    """`ptctl NAME` with everything this plan was asked with."""
    asked = json.loads(plan.arguments or "{}")
    return command(
        plan, name, *(w for key in CHOICES for word in asked.get(key, ()) for w in (f"--{key}", word))
    )


def deciding(plan: Plan, block: Block) -> str:
    """What to run about a block of this plan: the same plan with the word that lifts it, or the page of its code."""
    return f"{again(plan, 'plan')} --allow {block.lift}" if block.lift else f"ptctl help {block.code}"


def _words(plan: Plan, name: str) -> Iterator[str]:
    yield from name.split()
    spec = plan.spec_files[0] if plan.spec_files else DEFAULT_SPEC
    if spec != DEFAULT_SPEC:
        yield spec
    if plan.env:
        yield from ("--env", plan.env)
