"""The work of `ptctl validate`, apart from its help and its refusals: read, judge, report. Refuses to fetch and to resolve.

`plain` is the same command for words that are all as they should be, as editors, hooks and CI write them. It needs no
option parser, and loading one takes as long as reading and checking a spec of thirteen DVRs.
"""

import os
from collections.abc import Sequence

from reconciler.cli.console import Console
from reconciler.cli.endings import ended
from reconciler.cli.exits import Exit
from reconciler.diagnostics import joined
from reconciler.rendering.diagnostics_format import FORMATS, Format, render
from reconciler.spec import check, find

__all__ = ["judge", "plain"]


class _Asked:
    """What the words of a command line ask for, each option as the parser has it: the last one counts."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.form: Format = "text"
        self.env: str | None = None
        self.allow_exec = False


def plain(words: Sequence[str]) -> int | None:
    """`ptctl validate` from its words to its exit status; None where only the option parser knows what to say to them."""
    asked = _asked(words)
    if asked is None:
        return None
    console = Console.here()
    return ended(
        console,
        lambda: judge(console, asked.paths, form=asked.form, env=asked.env, allow_exec=asked.allow_exec),
        json=asked.form == "json",
    )


def _asked(words: Sequence[str]) -> _Asked | None:
    """What is asked for; None for help, for what is unknown, and for what lacks its value."""
    asked, left = _Asked(), iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            asked.paths.append(word)
        elif word == "--allow-exec":
            asked.allow_exec = True
        elif word in {"-f", "--format", "--env"} or (name in {"--format", "--env"} and equals):
            given = value if equals else next(left, None)
            if given is None:
                return None
            if name == "--env":
                asked.env = given
            elif given in FORMATS:
                asked.form = given
            else:
                return None
        else:
            return None
    return asked


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
