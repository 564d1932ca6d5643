"""Where words go: data to stdout, everything else to stderr; colour only on a terminal that wants it.

The only module besides `cli.progress` that writes to the terminal. Refuses to compose messages of its own, the frame
around an error excepted.
"""

import os
import sys
from collections.abc import Mapping

from reconciler.errors import PtctlError
from reconciler.rendering.ink import encodable, harmless, paint

__all__ = ["Console"]


class Console:
    """The two streams, whether each shows colour, and whether what was asked for has been answered.

    `terminal`: whether a person can be asked and progress may move: stdin and stderr are terminals.
    """

    __slots__ = ("answered", "color_err", "color_out", "terminal")

    def __init__(self, *, color_out: bool, color_err: bool, terminal: bool) -> None:
        self.color_out = color_out
        self.color_err = color_err
        self.terminal = terminal
        self.answered = False
        """Whether anything went to stdout: a document that is there must not be followed by another."""

    @classmethod
    def here(cls, *, no_color: bool = False, environ: Mapping[str, str] | None = None) -> "Console":
        """What this process has. NO_COLOR (any value but empty), TERM=dumb and `--no-color` switch colour off."""
        env = os.environ if environ is None else environ
        wanted = not no_color and not env.get("NO_COLOR") and env.get("TERM") != "dumb"
        return cls(
            color_out=wanted and sys.stdout.isatty(),
            color_err=wanted and sys.stderr.isatty(),
            terminal=sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty(),
        )

    def data(self, text: str) -> None:
        """What was asked for, to stdout."""
        self.answered = True
        text = harmless(text, color=self.color_out)
        encoding = sys.stdout.encoding or "utf-8"  # what only looks like a stream has none
        if encoding.lower() != "utf-8":  # stderr writes out by itself what it lacks
            text = encodable(text, encoding)
        sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """What happens meanwhile, to stderr."""
        sys.stderr.write(harmless(text, color=self.color_err) + "\n")
        sys.stderr.flush()

    def error(self, error: PtctlError) -> None:
        """An error with its code and the next step."""
        head = paint(f"error[{error.page}]:", "blocked", color=self.color_err)
        self.note(f"{head} {error.message}\nNext:  {error.advice}")
