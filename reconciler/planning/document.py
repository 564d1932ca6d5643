"""`ptctl-plan/1`: a plan as JSON and back, without loss. The human views are rendered from it alone.

Version N reads N; unknown fields are ignored, another version is refused with what to do. Equal plans give equal bytes;
the line `made` is the only one that differs between plans of equal inputs. This module refuses to touch files.
"""

import json
from typing import Any, Final

from reconciler.errors import StateError
from reconciler.planning.codec import CodecError, decode, encode
from reconciler.planning.model import Plan

__all__ = ["FORMAT", "dump", "load"]

FORMAT: Final = "ptctl-plan/1"


def dump(plan: Plan) -> str:
    """The document, indented, ending in a newline."""
    return json.dumps({"format": FORMAT, **encode(plan)}, indent=1, ensure_ascii=False) + "\n"


def load(text: str | bytes) -> Plan:
    """The plan in a document. Raises StateError for another format or a broken file."""
    try:
        raw: Any = json.loads(text)  # Any: JSON
    except (ValueError, RecursionError):
        raise StateError("the plan file is not JSON", next_step="ptctl plan --out FILE") from None
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT:
        raise StateError(
            f"the plan file has format {str(found)[:40]!r}, this version reads {FORMAT!r}",
            next_step="ptctl plan --out FILE",
        )
    try:
        return decode(Plan, raw, path="plan")
    except CodecError as error:
        raise StateError(f"the plan file is broken: {error}", next_step="ptctl plan --out FILE") from None
