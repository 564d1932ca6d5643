"""What differs between two values of one object, field by field: a DVR of the spec before and after, a tuner then and now.

DeepDiff explains single objects, where its paths are worth its price; collections are compared by sets elsewhere (it needs
13 s and more where sets need a tenth, performance.md P1). It is loaded only when asked. This module refuses to judge.
"""

from typing import Any

from reconciler.planning.codec import encode
from reconciler.planning.model import FieldChange

__all__ = ["differences"]

_PLACES = frozenset({"at"})


def differences(before: object, after: object) -> tuple[FieldChange, ...]:
    """The fields whose values differ, by path (`guide.days`), sorted. Places in files (`at`) play no part.

    Both are frozen data classes. Costs milliseconds, and 0.2 s for the first call.
    """
    from deepdiff import DeepDiff

    diff = DeepDiff(
        _without_places(encode(before)),
        _without_places(encode(after)),
        view="tree",
        ignore_order=False,
        verbose_level=2,
    )
    found: dict[str, FieldChange] = {}
    for changes in diff.values():
        for change in changes:
            path = ".".join(str(part) for part in change.path(output_format="list"))
            found[path] = FieldChange(path, _text(change.t1), _text(change.t2))
    return tuple(change for _, change in sorted(found.items()))


def _without_places(value: Any) -> Any:  # Any: JSON
    if isinstance(value, dict):
        return {key: _without_places(item) for key, item in value.items() if key not in _PLACES}
    if isinstance(value, list):
        return [_without_places(item) for item in value]
    return value


def _text(value: object) -> str:
    """What of a list is on one side alone is nothing on the other."""
    return "" if value is None or repr(value) == "not present" else str(value)
