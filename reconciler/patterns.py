"""Patterns that users wrote: which of them can run for ever, and running those within a limit.

In `^(a+)+$` a repetition repeats a repetition: `re` tries every way to cut the text, which doubles with each character,
and nothing can interrupt it, no signal either, because it holds the interpreter. Such a pattern is found by its parse
tree, not by trying, and run by `regex`, which knows better and takes a limit. All others are run by `re`. This module
refuses to know what is matched.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from re import _constants as sre  # type: ignore[attr-defined]  # not in typeshed; the parser every `re` call uses
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from reconciler.errors import SpecError

__all__ = ["LIMIT_S", "explosive", "searching", "substituting"]

LIMIT_S: Final = 2.0
"""Seconds of one slow pattern on one text; a name takes microseconds."""
_SHOWN: Final = 60
_MANY: Final = 8
"""A repetition that may run at least so often counts as unlimited."""


def searching(pattern: str) -> Callable[[str], bool]:
    """Whether a valid pattern is found in a text. Calling it raises SpecError where a slow one takes more than `LIMIT_S`."""
    if not explosive(pattern):
        search = re.compile(pattern).search
        return lambda text: search(text) is not None
    within = partial(_within_limit, pattern, _slow(pattern).search)
    return lambda text: within(text) is not None


def substituting(pattern: str) -> Callable[[str, str], str]:
    """`re.Pattern.sub` of a valid pattern: replacement and text give the new text. Raises as `searching` does."""
    if not explosive(pattern):
        return re.compile(pattern).sub
    return partial(_within_limit, pattern, _slow(pattern).sub)


def _slow(pattern: str) -> Any:  # Any: the two libraries have the same methods and no common type
    import regex  # only where a pattern needs it

    try:
        return regex.compile(pattern)
    except regex.error:  # the libraries differ in rare details, and `re` has read it
        raise SpecError(
            f"the pattern {pattern!r} repeats a repetition and is more than can be run within a limit",
            next_step="ptctl help V307",
        ) from None


def _within_limit(pattern: str, run: Callable[..., Any], *texts: str) -> Any:  # Any: as `run` gives it
    try:
        return run(*texts, timeout=LIMIT_S)
    except TimeoutError:
        text = texts[-1] if len(texts[-1]) <= _SHOWN else texts[-1][:_SHOWN] + "..."
        raise SpecError(
            f"the pattern {pattern!r} takes more than {LIMIT_S:g} s on {text!r}",
            next_step="ptctl help V307",
        ) from None


def explosive(pattern: str) -> bool:
    """Whether a valid pattern may take time that doubles with every character. Costs as much as compiling it."""
    return _explosive(parser.parse(pattern))


# The parse tree is made of lists of pairs whose second part depends on the first.
def _explosive(tree: Any) -> bool:
    """Whether a repetition that backtracks contains another one whose turns can be cut in many ways."""
    for kind, value in tree:
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            _, most, body = value
            if most >= _MANY and _loose(body):
                return True
            if _explosive(body):
                return True
        elif (
            (kind is sre.SUBPATTERN and _explosive(value[3]))
            or (kind is sre.BRANCH and any(_explosive(branch) for branch in value[1]))
            or (kind in (sre.ASSERT, sre.ASSERT_NOT) and _explosive(value[1]))
        ):
            return True
    return False


def _loose(body: Any) -> bool:
    """Whether a text can be cut into turns of `body` in more than one way: a repetition inside, and nothing firm
    beside it that a turn has to begin or end with.
    """
    parts = list(_flat(body))
    if len(parts) == 1 and parts[0][0] is sre.BRANCH:
        return any(_loose(branch) for branch in parts[0][1][1])
    repeats = [
        value for kind, value in parts if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT) and value[1] >= _MANY
    ]
    firm = [
        (kind, value)
        for kind, value in parts
        if not (kind in (sre.MAX_REPEAT, sre.MIN_REPEAT) and (value[0] == 0 or value[1] >= _MANY))
        and kind is not sre.AT
    ]
    if not repeats:
        return False
    return not firm or any(_takes_anything(value[2]) for value in repeats)


def _flat(body: Any) -> Iterator[Any]:
    """The parts of a sequence with the groups taken apart."""
    for kind, value in body:
        if kind is sre.SUBPATTERN:
            yield from _flat(value[3])
        else:
            yield kind, value


def _takes_anything(body: Any) -> bool:
    """`.` or a negated set: it can take over what stands firmly beside it."""
    return any(
        kind is sre.ANY
        or (kind is sre.IN and any(k is sre.NEGATE for k, _ in value) is True and len(value) == 1)
        for kind, value in body
    )
