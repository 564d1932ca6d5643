"""Writing a drafted spec to disk, with its env file and the schema for editors, and saying what became of it.

Shared by `init` and `import`. Nothing that is there is replaced without `--overwrite`. Secrets go into the env file, which
only its owner may read, and nowhere else. This module refuses to decide what is in a spec.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import click

from reconciler.cli.console import Console
from reconciler.drafting.draft import Draft, Loss, environment, render
from reconciler.drafting.yaml_text import one_line
from reconciler.errors import OperatorError, SpecError, UsageError
from reconciler.ledger.atomic import replace_file
from reconciler.rendering.ink import cut, paint
from reconciler.spec import check
from reconciler.spec.files import DEFAULT
from reconciler.wording import plural

__all__ = [
    "Written",
    "adopting",
    "command",
    "env_path",
    "out_options",
    "refuse_overwriting",
    "report",
    "write",
]

SCHEMA: Final = Path(".ptctl") / "spec-v1.schema.json"
OWNER_ALONE: Final = 0o600
LONGEST: Final = 58


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, for the report. `facts` are counts in words, `commands` what to run next, in order."""

    spec: Path
    env: Path | None
    secrets: int
    losses: tuple[Loss, ...] = ()
    facts: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    channels: Path | None = None
    more: dict[str, object] = field(default_factory=dict)


def out_options(function: click.decorators.FC) -> click.decorators.FC:
    """`--out` and `--overwrite`."""
    out = click.option(
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path(DEFAULT),
        show_default=True,
        help="Where to write the spec; the env file goes beside it.",
    )
    overwrite = click.option("--overwrite", is_flag=True, help="Replace files that are there.")
    return out(overwrite(function))


def env_path(out: Path) -> Path:
    """The env file of a spec: `home.yaml` has `home.env`."""
    return out.with_suffix(".env")


def command(*words: object) -> str:
    """`ptctl` with these words, as it is typed: a path may hold blanks."""
    return shlex.join(("ptctl", *map(str, words)))


def adopting(dvr: str, key: str, out: Path, channels: Path | None) -> str:
    """The command that takes over a DVR for the spec at `out`, with the list of its channels where there is one."""
    listed = ("--channels", channels) if channels is not None else ()
    spec = ("--spec", out) if out != Path(DEFAULT) else ()
    return command("adopt", dvr, "--plex", key, *listed, *spec)


def refuse_overwriting(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Raises UsageError where one of the files is there. To be asked before anything is fetched."""
    there = [str(p) for p in paths if p.exists()]
    if there and not overwrite:
        raise UsageError(
            f"{' and '.join(there)} {'exists' if len(there) == 1 else 'exist'} already",
            next_step="give another --out, or --overwrite to replace",
        )


def write(console: Console, draft: Draft, out: Path) -> Path | None:
    """Write the spec, its env file (mode 0600, first, where there are secrets) and the schema; then validate.

    Gives the env file's path, None where none was needed. Raises SpecError where what was drafted is not valid: then
    the findings are shown and the files stay, to be mended by hand.
    """
    from reconciler.spec.schema import text as schema_text

    env = None
    if draft.secrets:
        env = env_path(out)
        head = (
            f"The secrets of {out.name}. Keep this file to yourself: it is not meant for git.",
            "Change a value here and the next refresh uses it.",
        )
        try:
            text = environment(draft.secrets, head)
        except ValueError as error:
            raise OperatorError(str(error), next_step="give a secret of one line") from None
        replace_file(env, text.reveal().encode(), OWNER_ALONE)
    replace_file(out.parent / SCHEMA, schema_text().encode())
    replace_file(out, render(draft, schema=SCHEMA.as_posix()).encode())
    found, texts = check(out)
    if len(found):
        from reconciler.rendering import diagnostics_text

        console.note(diagnostics_text.render(found, texts, color=console.color_err))
    if found.errors:
        raise SpecError(
            f"{out} was written, but something of the old setup does not fit into a spec",
            diagnostics=found.sorted(),
            next_step=f"mend it, then {command('validate', out)}",
        )
    return env


def report(console: Console, written: Written, *, format_: str = "text") -> None:
    """Say what was written, what could not be carried over, and what to do next."""
    if format_ == "json":
        console.data(_json(written))
        return
    lines = [f"Wrote {written.spec}   {', '.join(written.facts)}"]
    if written.env is not None:
        lines.append(f"Wrote {written.env}   {plural(written.secrets, 'secret')}, readable by you alone")
    if written.channels is not None:
        lines.append(f"Wrote {written.channels}   the channels with their numbers")
    if written.losses:
        lines += ["", paint("Not carried over", "head", color=console.color_out)]
        width = min(max(len(loss.where) for loss in written.losses), 24)
        for loss in written.losses:
            lines.append(f"  {cut(one_line(loss.where), width):<{width}}  {one_line(loss.what)}")
            if loss.advice:
                lines.append(f"  {'':<{width}}  -> {one_line(loss.advice)}")
    else:
        lines += ["", "Everything was carried over."] if written.channels is not None else []
    if written.commands:
        first, *others = written.commands
        lines += ["", f"Next:  {first}", *(f"       {command}" for command in others)]
    console.data("\n".join(lines))


def _json(written: Written) -> str:
    return json.dumps(
        {
            "format": "ptctl-draft/1",
            "spec": str(written.spec),
            "env_file": str(written.env) if written.env else None,
            "channels_file": str(written.channels) if written.channels else None,
            "secrets": written.secrets,
            "not_carried": [asdict(loss) for loss in written.losses],
            "next": list(written.commands),
            **written.more,
        },
        ensure_ascii=False,
        indent=1,
    )
