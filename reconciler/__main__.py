"""`python -m reconciler` and the console script.

What needs no option parser is answered before one is loaded: `--version`, and `validate` as editors and hooks call it.
"""

import sys

from reconciler import __version__

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with its exit status."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"ptctl {__version__}")
        return
    command, *words = sys.argv[1:] or [""]
    if command == "validate":
        from reconciler.cli.judging import plain

        code = plain(words)
        if code is not None:
            sys.exit(code)
    # httpx loads a command line of its own (rich, pygments) where it can: an eighth of the imports of `refresh`
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # the documented way to say "not importable"
    from reconciler.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
