"""Drafts read back as specs, for the tests: whatever is drafted must be valid."""

from pathlib import Path

from reconciler.drafting.draft import Draft, environment, render
from reconciler.spec import load
from reconciler.spec.model import Spec

SCHEMA = ".ptctl/spec-v1.schema.json"


def spec_of(draft: Draft, directory: Path) -> tuple[Spec, list[str]]:
    """The spec a draft comes to, and the codes of warnings. Fails with the findings where it is not valid."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "ptctl.yaml"
    path.write_text(render(draft, schema=SCHEMA), "utf-8")
    env = directory / "ptctl.env"
    env.write_text(environment(draft.secrets).reveal(), "utf-8")
    env.chmod(0o600)
    spec, found, _ = load(path)
    assert spec is not None, [f"{d.code} {d.span}: {d.summary}" for d in found] + [path.read_text("utf-8")]
    return spec, [d.code for d in found]
