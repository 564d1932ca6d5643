"""The JSON Schema is valid, current, true of the examples, and gives the walker's verdict on form."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.rendering import diagnostics_json
from reconciler.spec import schema, secrets, text
from reconciler.spec.findings import Findings
from reconciler.spec.language import SPEC
from reconciler.spec.shape import Walk, Where
from tests.spec.documents import documents, written

ROOT = Path(__file__).parents[2]
SCHEMA = schema.json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
# Found by the walk, but not a matter of form: a range the wrong way around, a day that does not exist.
MEANING = {"V122", "V123"}


def verdict(document: str) -> list[tuple[str, str]]:
    """What the walker says about the form of a document."""
    findings = Findings()
    tree = text.parse("x.yaml", document, findings)
    if tree is not None:
        found = secrets.search(tree, {"x.yaml": document}, findings, mode=None)
        SPEC.walk(Walk(findings, found.nodes), tree, Where("the spec", "", ()))
    return [
        (finding.code, finding.summary)
        for finding in findings.noted
        if finding.code not in MEANING and "is no network" not in finding.summary
    ]


@pytest.mark.accepts("VAL-6")
def test_the_schema_is_a_valid_schema() -> None:
    """2020-12, with a title, a description for every key, and references that lead somewhere."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    described = list(_properties(SCHEMA))
    assert len(described) > 150
    assert [] == [name for name, part in described if name != "kind" and not part.get("description")]
    assert VALIDATOR.is_valid(
        {
            "version": 1,
            "name": "x",
            "sources": {"a": {"kind": "m3u", "path": "l"}},
            "buckets": [{"name": "b"}],
        }
    )


def _properties(node: Any) -> Any:
    if isinstance(node, dict):
        if node.get("type") == "object" and "additionalProperties" in node:
            yield from node.get("properties", {}).items()
        for part in node.values():
            yield from _properties(part)
    elif isinstance(node, list):
        for part in node:
            yield from _properties(part)


@pytest.mark.accepts("VAL-6")
def test_defaults_and_examples_are_valid() -> None:
    """What an editor proposes is accepted."""
    for name, part in _properties(SCHEMA):
        for value in [*part.get("examples", []), *([part["default"]] if "default" in part else [])]:
            whole = {**part, "$defs": SCHEMA["$defs"]}
            assert jsonschema.Draft202012Validator(whole).is_valid(value), (name, value)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("spec-v1", SCHEMA), ("diagnostics-v1", diagnostics_json.json_schema())],
)
def test_the_checked_in_schema_is_current(name: str, wanted: dict[str, Any]) -> None:
    """The file under schemas/ is what the code says."""
    file = ROOT / "schemas" / f"{name}.schema.json"
    assert json.dumps(wanted, ensure_ascii=False, indent=2) + "\n" == file.read_text(encoding="utf-8")


@pytest.mark.accepts("VAL-6")
@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_examples_fit_the_schema_and_name_it(path: Path) -> None:
    """Every example begins with the line that tells editors the schema, and the schema accepts it."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    prefix, _, relative = first.partition("$schema=")
    assert prefix == "# yaml-language-server: "
    assert (ROOT / "schemas/spec-v1.schema.json").resolve() == (path.parent / relative).resolve()
    assert [] == [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(path.read_text("utf-8")))]


@pytest.mark.accepts("VAL-6")
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents(spoil=0.0))
def test_documents_made_from_the_table_are_valid(document: Any) -> None:
    """Both say yes to whatever the table allows."""
    assert [] == verdict(written(document))
    assert [] == [error.message for error in VALIDATOR.iter_errors(document)]


@pytest.mark.accepts("VAL-6")
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([0.01, 0.03, 0.1]).flatmap(lambda spoil: documents(spoil=spoil)))
def test_walker_and_schema_give_the_same_verdict(document: Any) -> None:
    """A document is refused by both or by neither, whatever was done to it."""
    if not isinstance(document, dict):
        return
    found = verdict(written(document))
    errors = [error.message for error in VALIDATOR.iter_errors(document)]
    assert bool(found) == bool(errors), (found, errors)


@pytest.mark.long
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents(spoil=0.05))
def test_walker_and_schema_agree_at_length(document: Any) -> None:
    """The same with many more documents."""
    test_walker_and_schema_give_the_same_verdict.hypothesis.inner_test(document)
