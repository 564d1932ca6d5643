"""Several files: found, included in sorted order, overlaid by an environment, each finding in its own file."""

from pathlib import Path

import pytest

from reconciler.errors import SpecError
from reconciler.spec import check, find, load, overlay_path, state_directory
from tests.spec.specs import completed, loaded


def test_the_argument_wins_over_the_variable_and_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """argument, then $PTCTL_SPEC, then ./ptctl.yaml."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.yaml", "b.yaml", "ptctl.yaml"):
        Path(name).write_text("", encoding="utf-8")
    assert Path("a.yaml") == find("a.yaml", {"PTCTL_SPEC": "b.yaml"})
    assert Path("b.yaml") == find(None, {"PTCTL_SPEC": "b.yaml"})
    assert Path("ptctl.yaml") == find(None, {})
    assert Path("ptctl.yaml") == find("", {"PTCTL_SPEC": ""})


@pytest.mark.parametrize(
    ("argument", "environ", "message"),
    [
        (None, {}, 'no spec: there is no "ptctl.yaml" here'),
        ("gone.yaml", {}, 'no spec: there is no file "gone.yaml" (given as argument)'),
        (None, {"PTCTL_SPEC": "gone.yaml"}, 'no spec: there is no file "gone.yaml" (named by $PTCTL_SPEC)'),
        (".", {}, '"." (given as argument) is a directory'),
    ],
)
def test_a_missing_spec_says_where_it_was_looked_for(
    argument: str | None,
    environ: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SpecError (exit 3) with the origin of the path and a next step."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        find(argument, environ)
    assert message == caught.value.message
    assert caught.value.next_step
    assert caught.value.code == 3


def test_the_state_directory_is_beside_the_spec_unless_told(tmp_path: Path) -> None:
    """`.ptctl` by default, the spec's word relative to it, $PTCTL_STATE over both; always absolute."""
    assert tmp_path / ".ptctl" == state_directory(None, tmp_path, None)
    assert tmp_path.parent / "x" == state_directory("../x", tmp_path, None)
    assert Path("/elsewhere") == state_directory("x", tmp_path, "/elsewhere")
    path = tmp_path / "ptctl.yaml"
    path.write_text(completed("state: here"), encoding="utf-8")
    spec, _, _ = load(path, state=None)
    assert spec is not None
    assert str(tmp_path / "here") == spec.state
    spec, _, _ = load(path, state="/elsewhere")
    assert spec is not None
    assert spec.state == "/elsewhere"


def test_included_files_are_sorted_and_added(tmp_path: Path) -> None:
    """A glob takes its files in the order of their names; lists go on, mappings grow."""
    (tmp_path / "filters").mkdir()
    for name in ("20", "10"):
        (tmp_path / "filters" / f"{name}.yaml").write_text(
            f"filters:\n  - {{name: f{name}, drop: {{group: g{name}}}}}\n", encoding="utf-8"
        )
    spec, diagnostics, texts = loaded(
        tmp_path,
        "include: [filters/*.yaml, more.yaml]\nfilters: [{name: first, drop: {group: g}}]\nsafety: {shrink: 40%}",
        more__yaml="safety: {minimum: 5}\nprobes: {mode: smoke}\n",
    )
    assert spec is not None, list(diagnostics)
    assert ["first", "f10", "f20"] == [step.name for step in spec.filters]
    assert (0.4, 5, "smoke") == (spec.safety.shrink, spec.safety.minimum, spec.probes.mode)
    names = ["ptctl.yaml", "10.yaml", "20.yaml", "more.yaml"]
    assert names == [Path(file).name for file in texts.files] == [Path(file).name for file in spec.files]


@pytest.mark.accepts("VAL-1")
def test_findings_point_into_the_file_they_are_in(tmp_path: Path) -> None:
    """An included file has its own lines, also when two files together are wrong."""
    _, diagnostics, _ = loaded(
        tmp_path,
        "include: more.yaml\nsafety: {minimum: 5}\nbuckets: [{name: a, match: {group: x}}]\ndvrs: {a: {numbers: 1000-1599}, b: {numbers: 1100-1200}}",
        more__yaml="buckets:\n  - {name: b, match: {group: y}, minimun: 3}\nsafety: {minimum: 6}\n",
    )
    places = [(f.code, Path(f.span.file).name, f.span.line, f.span.column) for f in diagnostics if f.span]
    assert [
        ("V102", "more.yaml", 2, 34),
        ("V101", "more.yaml", 3, 10),
        ("V152", "ptctl.yaml", 4, 46),
    ] == places


def test_an_included_file_neither_includes_nor_names(tmp_path: Path) -> None:
    """Version, name and include belong to the main file."""
    _, diagnostics, _ = loaded(
        tmp_path, "include: more.yaml", more__yaml="version: 1\nname: x\ninclude: more.yaml\nfilters: []\n"
    )
    assert [("V107", 1), ("V107", 2), ("V107", 3)] == [(f.code, f.span.line) for f in diagnostics if f.span]


@pytest.mark.parametrize("entry", ["gone.yaml", "gone/*.yaml", ".", "ptctl.yaml", "[a"])
def test_an_include_that_cannot_be_read_is_told_at_its_entry(entry: str, tmp_path: Path) -> None:
    """V104 at the entry, and no follower about what the file would have held."""
    _, diagnostics, _ = loaded(tmp_path, f'include: ["{entry}"]\nguides: {{g: {{source: there}}}}')
    assert [("V104", 1, 11)] == [(f.code, f.span.line, f.span.column) for f in diagnostics if f.span]


def test_an_environment_wins_deeply(tmp_path: Path) -> None:
    """Mappings merge, lists of named items merge by name, other lists are replaced, new items come last."""
    spec, diagnostics, _ = loaded(
        tmp_path,
        "filters: [{name: a, drop: {group: x}}, {name: b, drop: {group: y}}]\n"
        "serve: {listen: 0.0.0.0:5004, access: {allow: [10.0.0.0/8]}, refresh: {every: 6h, jitter: 10m}}",
        env="prod",
        ptctl__prod__yaml=(
            "filters: [{name: b, drop: {group: z}}, {name: c, drop: {group: w}}]\n"
            "serve: {access: {allow: [192.168.0.0/16]}, refresh: {every: 12h}}\n"
            "safety: {shrink: 10%}\n"
        ),
    )
    assert spec is not None, list(diagnostics)
    assert ["a", "b", "c"] == [step.name for step in spec.filters]
    assert "z" in str(spec.filters[1].action)
    assert ("192.168.0.0/16",) == spec.serve.access.allow
    assert (43200.0, 600.0) == (spec.serve.refresh_every_s, spec.serve.refresh_jitter_s)
    assert spec.safety.shrink == 0.1


def test_an_environment_takes_out_what_it_says_null_to(tmp_path: Path) -> None:
    """A key, a DVR, a part of a named item, a whole section; what is missing then is told as ever."""
    spec, diagnostics, _ = loaded(
        tmp_path,
        "sources: {main: {kind: m3u, path: a.m3u, max_age: 1h}}\n"
        "filters: [{name: a, drop: {group: x, name: y}}]\n"
        "buckets: [{name: news, match: {group: n}}, {name: rest, match: {}}]\n"
        "dvrs: {news: {}, rest: {title: Rest}}\n"
        "plex: {url: 'http://plex:32400', credentials: p}\n"
        "credentials: {p: {token: env:T}}\n"
        "serve: {listen: 0.0.0.0:5004, advertise: 'http://nas.lan:5004'}",
        env="test",
        ptctl__test__yaml=(
            "sources: {main: {path: null, url: 'http://list.example/l', max_age: ~}}\n"
            "filters: [{name: a, drop: {name: null}}]\n"
            "dvrs: {news: null, rest: {title: null}}\n"
            "plex: null\n"
        ),
    )
    assert spec is not None, list(diagnostics)
    main = spec.sources["main"]
    assert ("", "http://list.example/l", 86400.0) == (main.path, main.url, main.max_age_s)
    assert "name" not in str(spec.filters[0].action)
    assert (["rest"], None, None) == (list(spec.dvrs), spec.dvrs["rest"].title, spec.plex)
    _, diagnostics, _ = loaded(tmp_path, "safety: {}", env="test", ptctl__test__yaml="sources: null\n")
    assert ['the spec needs the key "sources"'] == [f.summary for f in diagnostics]


@pytest.mark.parametrize("value", ["", '"null"'])
def test_what_is_empty_takes_nothing_out(tmp_path: Path, value: str) -> None:
    """A key without a value is more often forgotten than meant, and a text is a text."""
    _, diagnostics, _ = loaded(
        tmp_path, "dvrs: {main: {}}", env="test", ptctl__test__yaml=f"dvrs:\n  main: {value}\n"
    )
    assert [("V110", 2)] == [(f.code, f.span.line) for f in diagnostics if f.span]


@pytest.mark.accepts("CRD-3")
@pytest.mark.parametrize("above", ["env:T", "null"])
def test_an_environment_hides_no_secret(tmp_path: Path, above: str) -> None:
    """A literal secret of the spec is an error also where an overlay says something else in its place."""
    _, diagnostics, texts = loaded(
        tmp_path,
        "credentials: {a: {username: env:U, token: s3cr3t-99}}",
        env="test",
        ptctl__test__yaml=f"credentials: {{a: {{token: {above}}}}}\n",
    )
    assert ["V130"] == [f.code for f in diagnostics if f.severity == "error"]
    file = next(f.span.file for f in diagnostics if f.code == "V130" and f.span)
    line = texts.line(file, 1)
    assert line is not None
    assert "s3cr3t" not in line.text


def test_an_overlay_includes_nothing(tmp_path: Path) -> None:
    """What would not be read is refused; its name and version are its own business."""
    _, diagnostics, _ = loaded(
        tmp_path,
        "safety: {}",
        env="test",
        ptctl__test__yaml="version: 1\nname: other\ninclude: [more.yaml]\n",
    )
    assert [("V107", 3, 1)] == [(f.code, f.span.line, f.span.column) for f in diagnostics if f.span]


def test_a_misspelt_environment_is_told_with_those_there_are(tmp_path: Path) -> None:
    """Where an environment has no overlay, the finding names the file and the environments that have one."""
    _, found, _ = loaded(tmp_path, "safety: {}", env="prdo", ptctl__prod__yaml="state: .prod\n")
    (missing,) = found
    assert "ptctl.prdo.yaml" in missing.summary
    assert missing.hints == ("--env prdo reads this file beside the spec; there is one for prod",)


def test_a_mistake_in_an_overlay_is_told_there(tmp_path: Path) -> None:
    """Positions point into the overlay; a missing overlay is an error."""
    _, diagnostics, _ = loaded(
        tmp_path, "dvrs: {main: {tuners: 2}}", env="prod", ptctl__prod__yaml="dvrs:\n  main: {tuners: two}\n"
    )
    assert [("V110", "ptctl.prod.yaml", 2, 18)] == [
        (f.code, Path(f.span.file).name, f.span.line, f.span.column) for f in diagnostics if f.span
    ]
    _, diagnostics, _ = loaded(tmp_path, "dvrs: {main: {}}", env="test")
    assert ["V104"] == [finding.code for finding in diagnostics]
    assert Path("a/home.prod.yaml") == overlay_path(Path("a/home.yaml"), "prod")


def test_a_secret_in_an_included_file_is_hidden_there(tmp_path: Path) -> None:
    """Masks know their file."""
    _, diagnostics, texts = loaded(
        tmp_path, "include: more.yaml", more__yaml="credentials: {a: {token: abcdef123}}\n"
    )
    found = next(iter(diagnostics))
    assert found.span is not None
    line = texts.line(found.span.file, 1)
    assert line is not None
    assert "credentials: {a: {token: ********}}" == line.text


def test_anchors_and_merge_keys_point_to_the_anchor(tmp_path: Path) -> None:
    """One mistake used three times is one finding, at the anchor, with the place that uses it."""
    _, diagnostics, _ = loaded(
        tmp_path,
        "buckets: [{name: a, match: {group: x}}, {name: b, match: {}}]\n"
        "dvrs:\n"
        "  a: &base\n"
        "    tuners: 2\n"
        "    stream: &stream {format: hsl}\n"
        "  b:\n"
        "    <<: *base\n"
        "    stream: *stream\n",
    )
    assert [("V111", 5, 30)] == [(f.code, f.span.line, f.span.column) for f in diagnostics if f.span]
    _, diagnostics, _ = loaded(
        tmp_path,
        "buckets: [{name: a, match: {group: x}}, {name: b, match: {}}]\n"
        "dvrs:\n  a: {stream: &s {format: ts}}\n  b: {<<: {tuners: two}}\n",
    )
    found = next(iter(diagnostics))
    assert ("V110", "used here") == (found.code, found.related[0].label)


def test_what_a_mapping_says_itself_wins_over_what_it_takes_over(tmp_path: Path) -> None:
    """<< fills in, the first of several wins."""
    spec, diagnostics, _ = loaded(
        tmp_path,
        "sources:\n"
        "  a: &a {kind: m3u, path: a.m3u, max_age: 1h}\n"
        "  b: &b {kind: m3u, path: b.m3u, connections: 7}\n"
        "  main: {max_age: 3h, <<: [*b, *a]}\n",
    )
    assert spec is not None, list(diagnostics)
    main = spec.sources["main"]
    assert (10800.0, 7, "b.m3u") == (main.max_age_s, main.connections, Path(main.path).name)


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    """Comments, layout, quotes and the order of fixed keys play no part; values and the order of names do."""
    one, _, _ = loaded(tmp_path, "safety: {shrink: 40%, minimum: 5}")
    two, _, _ = loaded(tmp_path, "# words\nsafety:\n  minimum: 5\n  shrink: '40%'\n")
    three, _, _ = loaded(tmp_path, "safety: {shrink: 41%, minimum: 5}")
    assert one is not None
    assert two is not None
    assert three is not None
    assert one.digest == two.digest
    assert one.digest != three.digest
    assert len(one.digest) == 64


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    """A directory, a missing file: V104 without a traceback."""
    for path in (tmp_path, tmp_path / "gone.yaml", tmp_path / "a\0b"):
        diagnostics, _ = check(path)
        assert ["V104"] == [finding.code for finding in diagnostics]
