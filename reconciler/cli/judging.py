"""The work of `ptctl validate`, apart from its options: read, judge, report. Refuses to fetch and to resolve anything.

`plain` is the same command called with nothing but paths, as editors and hooks call it. It needs no option parser, and
loading one takes as long as reading and checking a spec of thirteen DVRs.
"""

import os
from collections.abc import Sequence

from reconciler.cli.console import Console
from reconciler.cli.endings import ended
from reconciler.cli.exits import Exit
from reconciler.diagnostics import joined
from reconciler.rendering.diagnostics_format import Format, render
from reconciler.spec import check, find

__all__ = ["judge", "plain"]


def plain(paths: Sequence[str]) -> int:
    """`ptctl validate PATH…` from its words to its exit status; no word begins with a dash."""
    console = Console.here()
    return ended(console, lambda: judge(console, paths))


def judge(
    console: Console,
    paths: Sequence[str],
    *,
    form: Format = "text",
    env: str | None = None,
    allow_exec: bool = False,
) -> Exit:
    """Check the specs at `paths` ($PTCTL_SPEC, else ./ptctl.yaml, where there are none) and print what was found.

    Raises `SpecError` where there is no such file.
    """
    found, texts = joined(
        [check(find(path, os.environ), env=env, allow_exec=allow_exec) for path in paths or (None,)]
    )
    console.data(render(form, found, texts, color=console.color_out))
    if form == "github":
        # The annotations name ten of a kind at most; the log has all of them (output.md 2).
        console.data("::group::ptctl validate")
        console.data(render("text", found, texts, color=False))
        console.data("::endgroup::")
    return Exit.INVALID if found.errors else Exit.DONE
