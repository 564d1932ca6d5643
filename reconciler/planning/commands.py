"""The commands that a plan's reader may run next, complete: with the spec, the environment and the choices of this plan.

A hint that leaves out `--only` would apply more than was shown. This module refuses to know when a hint is due.
"""

import json
import shlex
from collections.abc import Iterator
from typing import Final

from reconciler.lineups.model import Block
from reconciler.planning.model import Plan

__all__ = ["again", "command", "deciding", "renumbered"]

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
    if not block.lift:
        return f"ptctl help {block.code}"
    asked = json.loads(plan.arguments or "{}")
    words = [w for word in (*asked.get("allow", ()), block.lift) for w in ("--allow", word)]
    if dvrs := renumbered(plan):  # no other command asks for these numbers
        return command(plan, f"renumber {dvrs[0]}", *words)
    return f"{again(plan, 'plan')} --allow {block.lift}"


def renumbered(plan: Plan) -> tuple[str, ...]:
    """The DVRs that this plan numbers anew: one of `ptctl renumber`."""
    return tuple(json.loads(plan.arguments or "{}").get("renumber", ()))


def _words(plan: Plan, name: str) -> Iterator[str]:
    yield from name.split()
    spec = plan.spec_files[0] if plan.spec_files else DEFAULT_SPEC
    if spec != DEFAULT_SPEC:
        yield from ("--spec", spec) if name.startswith("renumber ") else (spec,)
    if plan.env:
        yield from ("--env", plan.env)
