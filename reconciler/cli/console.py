"""Where words go: data to stdout, everything else to stderr; colour only on a terminal that wants it.

The only module besides `cli.progress` that writes to the terminal. Refuses to compose messages of its own, the frame
around an error excepted.
"""

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

from reconciler.errors import PtctlError
from reconciler.rendering.ink import paint

__all__ = ["Console"]


class Console(NamedTuple):
    """The two streams and whether each shows colour."""

    color_out: bool
    color_err: bool
    terminal: bool
    """Whether a person can be asked and progress may move: stdin and stderr are terminals."""

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
        sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """What happens meanwhile, to stderr."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def error(self, error: PtctlError, *, code: str = "") -> None:
        """An error with its place and the next step."""
        head = paint(f"error{f'[{code}]' if code else ''}:", "blocked", color=self.color_err)
        lines = [f"{head} {error.message}"]
        if error.next_step:
            lines.append(f"Next:  {error.next_step}")
        self.note("\n".join(lines))
