"""Scalars: text stays as typed, and numbers, durations, sizes, shares, ranges, addresses are what they say."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.spec import values
from reconciler.spec.model import Drop, FieldIs, Glob, OneOf, SetFields
from tests.spec.specs import accepted, findings, marked, place

SURPRISES = [
    "NO",
    "on",
    "off",
    "yes",
    "22:30",
    "010",
    "1_000",
    "1.10",
    "0x1F",
    "1e3",
    "2026-12-05",
    "+5",
    ".5",
    "True",
]


@pytest.mark.accepts("VAL-3")
@pytest.mark.parametrize("text", SURPRISES)
def test_plain_text_arrives_as_typed(text: str, tmp_path: Path) -> None:
    """What YAML 1.1 would turn into a flag, a time, an octal number or a float is the text in a matcher."""
    spec = accepted(tmp_path, f"filters: [{{name: f, drop: {{country: {text}}}}}]")
    assert Drop(FieldIs("country", Glob(text))) == spec.filters[0].action


@pytest.mark.accepts("VAL-3")
def test_text_in_every_position_arrives_as_typed(tmp_path: Path) -> None:
    """Lists, new values, titles and channel names keep their spelling, too."""
    spec = accepted(
        tmp_path,
        "filters:\n"
        "  - {drop: {country: [NO, 010, 1_000]}}\n"
        "  - {set: {when: {}, name: 22:30, group: on, country: NO}}\n"
        "dvrs: {main: {title: 1.10}}\n"
        "overrides: [{channel: main/010, name: 007}]\n",
    )
    assert Drop(FieldIs("country", OneOf((Glob("NO"), Glob("010"), Glob("1_000"))))) == spec.filters[0].action
    action = spec.filters[1].action
    assert isinstance(action, SetFields)
    assert (("name", "22:30"), ("group", "on"), ("country", "NO")) == action.values
    assert spec.dvrs["main"].title == "1.10"
    assert ("main/010", "007") == (spec.overrides[0].channel, spec.overrides[0].name)


@pytest.mark.accepts("VAL-3")
def test_the_key_on_is_a_key(tmp_path: Path) -> None:
    """`on:` is not true."""
    spec = accepted(tmp_path, 'notify: [{url: "env:NTFY", on: [blocked]}]')
    assert spec.notify[0].on == ("blocked",)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("3s", 3.0),
        ("1.5s", 1.5),
        ("20m", 1200.0),
        ("24h", 86400.0),
        ("7d", 604800.0),
        ("1h30m", 5400.0),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    """Every unit, decimals, and several units together."""
    format_ = values.duration("h")
    assert format_.fits(text)
    assert seconds == format_.parse(text)


def test_a_shift_may_be_negative() -> None:
    """Guides are shifted both ways; other durations are never negative."""
    assert values.duration("h", signed=True).parse("-1h30m") == -5400.0
    assert not values.duration("h").fits("-1h")


@pytest.mark.parametrize(
    ("text", "size"), [("1B", 1), ("512KiB", 524288), ("1.5MiB", 1572864), ("1GiB", 1073741824)]
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    """Sizes count in powers of 1024 and say so."""
    assert values.SIZE.fits(text)
    assert size == values.SIZE.parse(text)


@pytest.mark.parametrize(("text", "share"), [("0%", 0.0), ("30%", 0.3), ("12.5%", 0.125), ("100%", 1.0)])
def test_shares_are_fractions(text: str, share: float) -> None:
    """A percentage becomes a fraction of one."""
    assert values.SHARE.fits(text)
    assert share == values.SHARE.parse(text)


@pytest.mark.accepts("VAL-1", "VAL-2")
@pytest.mark.parametrize(
    ("fragment", "code", "suggestion"),
    [
        ("sources: {main: {kind: m3u, path: l, max_age: «24}}", "V121", "24h"),
        ("sources: {main: {kind: m3u, path: l, max_age: «24hours}}", "V121", "24h"),
        ("sources: {main: {kind: m3u, path: l, max_age: «24 h}}", "V121", "24h"),
        ("sources: {main: {kind: m3u, path: l, max_age: «24H}}", "V121", "24h"),
        ("sources: {main: {kind: m3u, path: l, max_age: «2weeks}}", "V121", None),
        ("sources: {main: {kind: m3u, path: l, max_age: «soon}}", "V110", None),
        ('sources: {main: {kind: m3u, path: l, max_age: «"24"}}', "V121", "24h"),
        ("dvrs: {main: {stream: {first_byte: «3}}}", "V121", "3s"),
        ("dvrs: {main: {stream: {buffer: «512}}}", "V121", "512KiB"),
        ("dvrs: {main: {stream: {buffer: «512KB}}}", "V121", "512KiB"),
        ("dvrs: {main: {stream: {buffer: «0B}}}", "V122", None),
        ('dvrs: {main: {stream: {buffer: «"512KiB\\n"}}}', "V110", None),
        ('dvrs: {main: {guide_path: «"/guide.xml\\n"}}', "V110", None),
        ('sources: {main: {kind: m3u, url: «"http://tv.example\\n"}}', "V110", None),
        ('sources: {«"main\\n": {kind: m3u, path: l}}', "V120", None),
        ("safety: {shrink: «30}", "V121", "30%"),
        ("safety: {shrink: «0.3}", "V121", "30%"),
        ("safety: {shrink: «130%}", "V110", None),
        ("dvrs: {main: {numbers: «1599-1000}}", "V122", "1000-1599"),
        ("dvrs: {main: {numbers: «1000}}", "V110", None),
        ("dvrs: {main: {numbers: «0-5}}", "V122", None),
        ("serve: {ports: «60000-70000}", "V122", None),
        ('dvrs: {main: {also: ["10.0.0.2:1", "http://old:34400/", «"old:70000"]}}', "V122", None),
        ('dvrs: {main: {also: [«"http://old:²"]}}', "V110", None),
        ("dvrs: {main: {also: [«old]}}", "V124", None),
        ("serve: {refresh: {every: «0s}}", "V122", None),
        ("serve: {listen: «5004}", "V124", None),
        ("serve: {listen: «nas.lan}", "V124", None),
        ('serve: {listen: «"nas.lan:99999"}', "V122", None),
        ("serve: {access: {allow: [«300.0.0.0/8]}}", "V124", None),
        ("serve: {advertise: «nas.lan:5004}", "V124", "http://nas.lan:5004"),
        ("serve: {advertise: «later}", "V110", None),
        ("approvals: [{allow: shrink:main, until: «2026-02-30}]", "V123", None),
        ("approvals: [{allow: shrink:main, until: «soon}]", "V110", None),
        ("approvals: [{allow: «shrnk:main, until: 2026-12-02}]", "V111", "shrink:main"),
        ("approvals: [{allow: «shrink, until: 2026-12-02}]", "V111", None),
        ("dvrs: {main: {tuners: «two}}", "V110", None),
        ('dvrs: {main: {tuners: «"2"}}', "V110", None),
        ("dvrs: {main: {tuners: «02}}", "V110", None),
        ("dvrs: {main: {tuners: «2.0}}", "V110", None),
        ("dvrs: {main: {tuners: «33}}", "V110", None),
        ("dvrs: {main: {tuners: «[2]}}", "V110", None),
        ("dvrs: {main: {tuners: «}}", "V110", None),
        ("dvrs: {main: {protect: «yes}}", "V110", "true"),
        ('dvrs: {main: {protect: «"false"}}', "V110", "false"),
        ("dvrs: {main: {protect: «maybe}}", "V110", None),
        ("dvrs: {main: {title: «null}}", "V110", None),
        ('dvrs: {main: {title: «""}}', "V110", None),
        ("dvrs: {main: {bucket: «24}}", "V110", None),
        ("probes: {mode: «smoky}", "V111", "smoke"),
        ("probes: {mode: «xyzzy}", "V111", None),
        ("sources: {main: {kind: «xtrem}}", "V111", "xtream"),
        ("sources: {main: {kind: m3u, path: l, connections: «many}}", "V110", None),
        ("version: «2", "V108", None),
        ("version: «one", "V110", None),
        ("dvrs: {main: «}", "V110", None),
        ("dvrs: {«my dvr: {}}", "V120", None),
        ("filters: [{drop: {guide: «listd}}]", "V111", "listed"),
        ("filters: [{drop: {radio: «maybe}}]", "V110", None),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_its_place(
    fragment: str, code: str, suggestion: str | None, tmp_path: Path
) -> None:
    """The finding stands at the value, has the code of its mistake, and proposes what was probably meant."""
    text, at = marked(fragment)
    found = [finding for finding in findings(tmp_path, text) if finding.severity == "error"]
    assert [(code, at)] == [(finding.code, place(finding)) for finding in found if finding.code != "V140"]
    assert ([suggestion] if suggestion else []) == [change.text for change in found[0].suggestions]


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_every_number_with_a_unit_is_a_duration(number: int, unit: str) -> None:
    """A duration is either its value or out of bounds, never anything else."""
    format_ = values.duration("s")
    text = f"{number}{unit}"
    assert format_.fits(text)
    seconds = number * values.SECONDS[unit]
    if seconds <= 366 * 86400:
        assert round(seconds, 3) == format_.parse(text)
    else:
        with pytest.raises(values.Refused, match="out of bounds"):
            format_.parse(text)


@given(st.text(max_size=20))
def test_no_text_breaks_a_format(text: str) -> None:
    """Each format accepts, refuses or explains; nothing else happens, whatever the text."""
    formats = [
        values.duration("h"), values.duration("h", signed=True), values.SIZE, values.SHARE, values.NAME, values.REFERENCE,
        values.WEB_ADDRESS, values.WEB_OR_REFERENCE, values.LISTEN, values.NETWORK, values.CHANNEL, values.day,
        values.GUIDE_LOCATION, values.DEVICE_PATH, values.permission, values.number_range("numbers", 99, "1-9"),
    ]  # fmt: skip
    for format_ in formats:
        if format_.fits(text):
            with contextlib.suppress(values.Refused):
                format_.parse(text)
        else:
            explained = format_.explain(text)
            assert explained is None or explained.summary
