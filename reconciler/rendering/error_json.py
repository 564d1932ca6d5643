"""A command that ended with errors, for programs: format `ptctl-error/1`.

What `-f json` prints where the command came to no document of its own, so that there is always one on stdout. `errors`
has every error with its code (`ptctl help CODE`), its words and the next step; `diagnostics` has the findings of an
invalid spec with their places, shaped as in `ptctl-diagnostics/1`. Fields may be added within version 1, never removed
or renamed. This module refuses to print.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from reconciler.diagnostics import Diagnostic
from reconciler.errors import PtctlError, SpecError
from reconciler.rendering.diagnostics_json import finding

__all__ = ["FORMAT", "render", "rows"]

FORMAT: Final = "ptctl-error/1"


def render(code: int, errors: Sequence[PtctlError]) -> str:
    """The document. `code` is the exit status."""
    found = [d for error in errors if isinstance(error, SpecError) for d in error.diagnostics]
    document = {
        "format": FORMAT,
        "exit": code,
        "errors": rows(errors),
        "diagnostics": [finding(d) for d in found if isinstance(d, Diagnostic)],
    }
    return json.dumps(document, indent=1) + "\n"


def rows(errors: Iterable[PtctlError]) -> list[dict[str, Any]]:  # Any: JSON
    """`errors` of every document that has them: code, message, next step."""
    return [{"code": e.page, "message": e.message, "next_step": e.advice} for e in errors]
