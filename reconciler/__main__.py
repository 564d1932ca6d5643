"""`python -m reconciler` and the console script. Answers `--version` before it loads anything else."""

import sys

from reconciler import __version__

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with its exit status."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"ptctl {__version__}")
        return
    from reconciler.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
