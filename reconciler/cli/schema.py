"""`ptctl schema`: the JSON Schemas of what users write and what the commands report."""

import json
from importlib import resources
from pathlib import Path

import click

from reconciler.cli.specs import console_of

__all__ = ["schema"]

SHIPPED = {"spec": "spec-v1", "plan": "plan-v1", "diagnostics": "diagnostics-v1"}


@click.command()
@click.argument("which", type=click.Choice(list(SHIPPED)), default="spec")
@click.pass_context
def schema(ctx: click.Context, which: str) -> None:
    """Print the JSON Schema (2020-12) of the spec, the plan or the diagnostics.

    An editor completes and explains a spec whose first line is
    `# yaml-language-server: $schema=./spec-v1.schema.json`.
    """
    console_of(ctx).data(json.dumps(json.loads(_text(f"{SHIPPED[which]}.schema.json")), indent=2))


def _text(name: str) -> str:
    """From the installed package, else from the checkout beside it."""
    installed = resources.files("reconciler") / "schemas" / name
    if installed.is_file():
        return installed.read_text("utf-8")
    return (Path(__file__).parents[2] / "schemas" / name).read_text("utf-8")
