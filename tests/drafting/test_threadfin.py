"""What a Threadfin showed is what the drafted spec shows, and whatever cannot be carried is said."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.catalog.entry import Catalog, Entry
from reconciler.catalog.guide_index import GuideChannel, GuideIndex
from reconciler.drafting import channels
from reconciler.drafting.draft import render
from reconciler.drafting.threadfin import Imported, dvr_names, imported
from reconciler.drafting.threadfin_rules import admitting, playback
from reconciler.drafting.threadfin_settings import CARRIED, LOST, MEANINGLESS, FilterRule, Instance, read
from reconciler.drafting.yaml_text import flow
from reconciler.ledger.model import Ledger
from reconciler.lineups.desired import compute
from reconciler.lineups.item import Item
from reconciler.lineups.matching import predicate
from reconciler.spec.model import Spec
from reconciler.spec.one_matcher import read_matcher
from tests.drafting.old_tuners import (
    FRESH,
    GET_PHP,
    PASSWORD,
    STREAM,
    USER,
    XMLTV_PHP,
    channel,
    group_rule,
    mapping,
    provider_file,
    settings,
)
from tests.drafting.reading import SCHEMA, spec_of


def instance(name: str, saved: dict[str, Any], xepg: dict[str, Any] | None = None) -> Instance:
    """An instance as read from its files."""
    return read(
        name, json.dumps(saved).encode(), json.dumps(xepg).encode() if xepg is not None else None, where=name
    )


def drafted(*instances: Instance, **more: Any) -> Imported:
    """The import of some instances."""
    return imported(instances, name="home", env_file="ptctl.env", **more)


def losses(made: Imported) -> str:
    """Everything that was said to be lost, as one text."""
    return "\n".join(f"{loss.where}: {loss.what} -> {loss.advice}" for loss in made.draft.losses)


def lineups(
    spec: Spec, entries: list[Entry], guides: dict[str, list[str]]
) -> dict[str, list[tuple[str, str]]]:
    """The channels each DVR would have: id and name."""
    indexes = {
        name: GuideIndex({i: GuideChannel(i) for i in ids}, dict.fromkeys(ids, 1))
        for name, ids in guides.items()
    }
    desired = compute(spec, Catalog(tuple(entries), {}), indexes, Ledger(), today=date(2026, 3, 1))
    return {
        t.record.name: sorted((r.channel.id, r.channel.name) for r in t.lineup.rows) for t in desired.dvrs
    }


LOCALS = settings(
    m3u=GET_PHP,
    xmltv=XMLTV_PHP,
    filters=[group_rule("US| Locals")],
    tuner=2,
    buffer__size__kb=512,
    user__agent="VLC/3.0.20",
    update=["0000", "1200"],
    uuid="2019-01-DEF-000",
)
LOCAL_CHANNELS = mapping(
    channel("1000", "US: ABC 7 HD", guide_id="abc.us", url=STREAM.format(11), name="ABC 7"),
    channel("1001", "NBC", guide_id="nbc.us", url=STREAM.format(12), mapping="nbc4.us"),
    channel("1002", "Local Weather", url=STREAM.format(13), mapping=""),
    channel("1003", "Switched Off", guide_id="off.us", url=STREAM.format(14), active=False),
    channel("1004", "Never On", url=STREAM.format(15), active=False),
    channel("1005", "Hidden", guide_id="hid.us", url=STREAM.format(16), raw={"x-hide-channel": True}),
)
PANEL = [
    Entry("locals", "11", "US: ABC 7 HD", guide_id="abc.us", group="US| Locals"),
    Entry("locals", "12", "NBC", guide_id="nbc.us", group="US| Locals"),
    Entry("locals", "13", "Local Weather", group="US| Locals"),
    Entry("locals", "14", "Switched Off", guide_id="off.us", group="US| Locals"),
    Entry("locals", "15", "Never On", group="US| Locals"),
    Entry("locals", "16", "Hidden", guide_id="hid.us", group="US| Locals"),
    Entry("locals", "17", "New Today", guide_id="new.us", group="us| locals"),
    Entry("locals", "18", "Sky", guide_id="sky.uk", group="UK| Sport"),
]
GUIDE = ["abc.us", "nbc4.us", "off.us", "hid.us", "new.us", "sky.uk"]


@pytest.mark.accepts("PLY-7", "IMP-1")
def test_the_lineup_is_the_same(tmp_path: Path) -> None:
    """The spec shows what the tuner showed, with its names and guides, and a new channel that the guide lists; not what
    was switched off, hidden, or never in a guide.
    """
    made = drafted(instance("locals", LOCALS, LOCAL_CHANNELS))
    spec, _ = spec_of(made.draft, tmp_path)
    assert {
        "locals": [
            ("locals/11", "ABC 7"),
            ("locals/12", "NBC"),
            ("locals/13", "Local Weather"),
            ("locals/17", "New Today"),
        ]
    } == lineups(spec, PANEL, {"locals": GUIDE})
    override = next(o for o in spec.overrides if o.channel == "locals/12")
    assert "nbc4.us" == override.guide_id


@pytest.mark.accepts("PLY-7", "IMP-1")
@pytest.mark.parametrize(("on", "off"), [("true", "false"), (1, 0), ("1", ""), ("Yes", "no")])
def test_switches_written_as_text(on: object, off: object) -> None:
    """A script or an editor wrote "true" for true: such a channel is on, and no number is lost."""
    rows = {
        key: {
            **row,
            "x-active": on if row["x-active"] else off,
            "x-hide-channel": on if row.get("x-hide-channel") else off,
        }
        for key, row in LOCAL_CHANNELS.items()
    }
    plain = drafted(instance("locals", LOCALS, LOCAL_CHANNELS))
    assert plain == drafted(instance("locals", LOCALS, rows))


@pytest.mark.accepts("PLY-7")
def test_the_tuner_is_the_same(tmp_path: Path) -> None:
    """DeviceID with its tuners behind, port, guide path, tuner count, buffer, user agent and hours are carried."""
    made = drafted(instance("locals", LOCALS, LOCAL_CHANNELS))
    spec, _ = spec_of(made.draft, tmp_path)
    dvr = spec.dvrs["locals"]
    assert ("2019-01-DEF-000:2", 34400, "/xmltv/threadfin.xml", 2, 512 * 1024, (1000, 1599)) == (
        dvr.device_id,
        dvr.port,
        dvr.guide_path,
        dvr.tuners,
        dvr.stream.buffer_bytes,
        dvr.numbers,
    )
    source = spec.sources["locals"]
    assert ("xtream", ("http://tv1.example.net:8080",), ("get_php", "player_api"), "VLC/3.0.20") == (
        source.kind,
        source.hosts,
        source.order,
        source.stream.user_agent,
    )
    assert ("locals", 12 * 3600.0) == (spec.guides["locals"].source, spec.serve.refresh_every_s)


def test_one_tuner_has_no_count_behind_its_id(tmp_path: Path) -> None:
    """With one tuner the DeviceID is the uuid alone."""
    made = drafted(
        instance("one", settings(m3u="http://nas/list.m3u", uuid="2021-05-AAAA-BBBBBB"), mapping())
    )
    spec, _ = spec_of(made.draft, tmp_path)
    assert "2021-05-AAAA-BBBBBB" == spec.dvrs["one"].device_id


@pytest.mark.accepts("PLY-7")
def test_numbers_go_into_the_channels_file() -> None:
    """Every shown channel is in the file for adopt with number, name, guide id and its id in the spec."""
    made = drafted(instance("locals", LOCALS, LOCAL_CHANNELS))
    assert [
        (1000, "ABC 7", "abc.us", "US: ABC 7 HD", "locals/11"),
        (1001, "NBC", "nbc.us", "", "locals/12"),
        (1002, "Local Weather", "", "", "locals/13"),
    ] == [(c.number, c.name, c.guide_id, c.listed, c.channel) for c in made.channels]


def test_no_secret_is_in_the_spec_or_the_report() -> None:
    """User name and password leave the imported files for the env file alone, whatever their spelling."""
    saved = settings(
        m3u="http://joe-4411:hunter-99x@lists.example.net/all.m3u?token=abcdef123456",
        xmltv="http://epg.example.net/xmltv/Zx81Qw93Er74Ty65Ui/guide.xml",
        udpxy="",
    )
    saved["files"]["m3u"]["M2"] = provider_file(
        GET_PHP, name="Panel", **{"http_headers.referer": "http://x/?k=9f8e7d"}
    )
    made = drafted(instance("mixed", saved, LOCAL_CHANNELS))
    shown = render(made.draft, schema=SCHEMA) + losses(made) + repr(made)
    secrets = [
        USER,
        PASSWORD,
        "s3cr%2Bt",
        "joe-4411",
        "hunter-99x",
        "abcdef123456",
        "Zx81Qw93Er74Ty65Ui",
        "9f8e7d",
    ]
    assert [] == [s for s in secrets if s in shown]
    kept = [s.reveal() for s in made.draft.secrets.values()]
    assert {USER, PASSWORD} <= set(kept)


def test_accounts_in_streams_become_credentials(tmp_path: Path) -> None:
    """A list whose addresses carry an account gets it as a reference, so that it becomes placeholders."""
    saved = settings(m3u="/srv/lists/all.m3u", xmltv="")
    made = drafted(instance("files", saved, LOCAL_CHANNELS))
    spec, _ = spec_of(made.draft, tmp_path)
    assert (("files",), "/srv/lists/all.m3u") == (
        spec.sources["files"].credentials,
        spec.sources["files"].path,
    )
    assert "is a file on the old tuner's machine" in losses(made)


@pytest.mark.accepts("PLY-7")
def test_every_setting_is_known() -> None:
    """Each key of a fresh installation is carried, meaningless here, or lost; a key nobody knows is named."""
    assert set() == set(FRESH) - CARRIED - MEANINGLESS - set(LOST)
    strange = {**LOCALS, "authentication.web": True, "udpxy": "10.0.0.9:4022", "brand.new": 1}
    said = losses(drafted(instance("locals", strange, LOCAL_CHANNELS)))
    assert [] == [w for w in ('"authentication.web"', '"udpxy"', '"brand.new"') if w not in said]
    assert "" == losses(drafted(instance("locals", LOCALS, LOCAL_CHANNELS)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"filter": {"0": {"type": "custom-filter", "filter": "ESPN {HD}", "caseSensitive": False}}},
            "ESPN {HD}",
        ),
        ({"epgSource": "PMS"}, "Plex brought the guide itself"),
        ({"files": {"m3u": {}, "hdhr": {}, "xmltv": {}}}, "it has no playlist"),
        ({"buffer": "vlc"}, "went through VLC"),
        (
            {"buffer": "ffmpeg", "ffmpeg.options": "-i [URL] -c:v libx264 -c:a copy -f mpegts pipe:1"},
            "libx264",
        ),
        ({"filter": {"0": group_rule("US| Locals", **{"x-category": "movie"})}}, "category movie"),
    ],
)
@pytest.mark.accepts("PLY-7")
def test_what_has_no_counterpart_is_said(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Settings that mean something and cannot be carried are listed, and the spec is valid all the same."""
    made = drafted(instance("locals", {**LOCALS, **changes}, LOCAL_CHANNELS))
    spec_of(made.draft, tmp_path)
    assert said in losses(made)


def test_channels_that_cannot_be_carried_are_said(tmp_path: Path) -> None:
    """Broken numbers, doubled numbers, backups, films and channels of deleted playlists are listed with examples."""
    xepg = mapping(
        channel("5.1", "Half", guide_id="h", url=STREAM.format(1)),
        channel("7", "One", guide_id="o", url=STREAM.format(2)),
        channel("7", "Two", guide_id="t", url=STREAM.format(3), raw={"x-backup-channel-1": "One"}),
        channel(
            "9",
            "Film",
            guide_id="f",
            url=STREAM.replace("/live/", "/movie/").format(4).replace(".ts", ".mkv"),
        ),
        channel("10", "Orphan", guide_id="x", url="http://x/1", raw={"_file.m3u.id": "M9"}),
    )
    made = drafted(instance("odd", settings(m3u=GET_PHP, xmltv=XMLTV_PHP), xepg))
    spec_of(made.draft, tmp_path)
    said = losses(made)
    wanted = ("5.1 Half", "have number 7", "with backup channels", "films or series: Film", "gone: Orphan")
    assert [] == [w for w in wanted if w not in said], said
    assert [(7, "One"), (7, "Two")] == [(c.number, c.name) for c in made.channels]


def test_names_are_those_of_our_own_reader(tmp_path: Path) -> None:
    """Entities and control characters that Threadfin keeps are read as in a playlist, or no rule would know them again; who
    has no name is called by the guide id, and without both there is no such channel here.
    """
    xepg = mapping(
        channel("1", "A&amp;E", guide_id="a&amp;e", url=STREAM.format(1), mapping="-"),
        channel("2", "Bad\x1b[2J", guide_id="b", url=STREAM.format(2), mapping="-"),
        channel("3", "", guide_id="c.us", url=STREAM.format(3), mapping="-"),
        channel("4", "", url=STREAM.format(4), mapping="-"),
        channel("9" * 5000, "Long", guide_id="l", url=STREAM.format(5), mapping="-"),
    )
    made = drafted(instance("odd", settings(m3u=GET_PHP, xmltv=XMLTV_PHP), xepg))
    spec_of(made.draft, tmp_path)
    assert [(1, "A&E", "a&e"), (2, "Bad [2J", "b"), (3, "c.us", "c.us")] == [
        (c.number, c.name, c.guide_id) for c in made.channels
    ]
    assert made.channels == channels.read(channels.write(made.channels))
    said = losses(made)
    assert "1 channel without a name and a guide id: 4" in said
    assert "without a whole number: 999999999999 Long" in said


NAMES = [
    "bcastus",
    "newsus",
    "sportsa",
    "sportsb",
    "moviesprem",
    "generalent",
    "docsfam",
    "ukie",
    "eunordics",
    "eusouth",
    "eueast",
    "latin",
    "otherworld",
]


@pytest.mark.accepts("PLY-7", "IMP-1")
def test_thirteen_instances_become_one_spec(tmp_path: Path) -> None:
    """The thirteen tuners of one panel: one source, thirteen buckets and DVRs, each channel in the tuner it was in."""
    instances, entries = [], []
    for place, name in enumerate(NAMES):
        group = f"GROUP {name}"
        rows = []
        for n in range(3):
            key = place * 10 + n
            entries.append(Entry("provider", str(key), f"{name} {n}", guide_id=f"{name}{n}.x", group=group))
            rows.append(
                channel(
                    str(1000 + place * 600 + n), f"{name} {n}", guide_id=f"{name}{n}.x", url=STREAM.format(key),
                    raw={"group-title": group},
                )
            )  # fmt: skip
        saved = settings(
            m3u=GET_PHP, xmltv=XMLTV_PHP, filters=[group_rule(group)], port=str(34400 + place), tuner=2,
            uuid=f"2019-{place + 1:02}-DEF-000",
        )  # fmt: skip
        saved["files"]["m3u"]["M1"]["name"] = "Provider"
        instances.append(instance(f"threadfin-{name}", saved, mapping(*rows)))
    made = drafted(*instances)
    spec, codes = spec_of(made.draft, tmp_path)
    assert ([], ["provider"], NAMES) == (codes, list(spec.sources), list(spec.dvrs))
    shown = lineups(spec, entries, {"provider": [e.guide_id for e in entries]})
    assert {name: [f"{name} {n}" for n in range(3)] for name in NAMES} == {
        dvr: [name for _, name in rows] for dvr, rows in shown.items()
    }
    assert 13 == len({d.device_id for d in spec.dvrs.values()})


def test_the_same_port_on_thirteen_machines(tmp_path: Path) -> None:
    """Instances that all had port 34400 on hosts of their own: the first keeps it, the others are said; with addresses
    of their own they all keep answering.
    """
    two = [instance(n, settings(m3u=f"http://nas/{n}.m3u"), mapping()) for n in ("a", "b")]
    made = drafted(*two)
    spec, _ = spec_of(made.draft, tmp_path / "one")
    assert (34400, None) == (spec.dvrs["a"].port, spec.dvrs["b"].port)
    assert 'port 34400 belongs to "a"' in losses(made)
    bound = [
        instance(n, settings(m3u=f"http://nas/{n}.m3u", bindIpAddress=f"10.0.0.{i}"), mapping())
        for i, n in enumerate(("a", "b"), 5)
    ]
    spec, _ = spec_of(drafted(*bound).draft, tmp_path / "two")
    assert [("10.0.0.5:34400",), ("10.0.0.6:34400",)] == [d.also for d in spec.dvrs.values()]


def test_equal_numbers_in_two_tuners(tmp_path: Path) -> None:
    """Two tuners that both number from 1000: one keeps its range, the other is said to get another."""
    two = [
        instance(
            n,
            settings(m3u=f"http://nas/{n}.m3u", xmltv="http://nas/g.xml", port=str(p)),
            mapping(channel("1000", n, guide_id=n, url=f"http://cdn/{n}")),
        )
        for n, p in (("a", 1), ("b", 2))
    ]
    made = drafted(*two)
    spec, _ = spec_of(made.draft, tmp_path)
    assert ((1000, 1599), None) == (spec.dvrs["a"].numbers, spec.dvrs["b"].numbers)
    assert "lie among those of another tuner" in losses(made)


def test_tuners_that_take_the_same(tmp_path: Path) -> None:
    """Two tuners with the same playlist and no filter: the mapping tells their channels apart; without it the second is
    reached by overflow. Either way the spec is valid.
    """
    entries = [
        Entry("a", "", n, guide_id=n, group="g", url=f"http://cdn.example.net/{n}/index.m3u8") for n in "xy"
    ]

    def one(name: str, port: str, *shown: str) -> Instance:
        rows = [
            channel(port + "0", n, guide_id=n, url=f"http://cdn.example.net/{n}/index.m3u8") for n in shown
        ]
        saved = settings(m3u="http://nas/all.m3u", xmltv="http://nas/g.xml", port=port)
        return instance(name, saved, mapping(*rows) if shown else None)

    spec, _ = spec_of(drafted(one("a", "100", "x"), one("b", "200", "y")).draft, tmp_path / "with")
    shown = lineups(spec, entries, {"guide": ["x", "y"]})
    assert {"a": ["x"], "b": ["y"]} == {dvr: [n for _, n in rows] for dvr, rows in shown.items()}
    made = drafted(one("a", "100"), one("b", "200"))
    spec, _ = spec_of(made.draft, tmp_path / "without")
    assert ["b", "fail"] == [b.overflow for b in spec.buckets]
    assert "no xepg.json" in losses(made)


def test_a_renamed_channel_still_meets_a_rule_about_names(tmp_path: Path) -> None:
    """An override gives the name before rules are asked: a channel renamed to "ESPN" stays in a tuner that wants "HD"."""
    saved = settings(m3u=GET_PHP, xmltv=XMLTV_PHP, filters=[group_rule("S", include="HD", exclude="PPV")])
    rows = [
        channel(
            "1", "US: ESPN HD", name="ESPN", guide_id="e", url=STREAM.format(1), raw={"group-title": "S"}
        ),
        channel("2", "DAZN HD", guide_id="d", url=STREAM.format(2), raw={"group-title": "S"}),
    ]
    made = drafted(instance("sports", saved, mapping(*rows)))
    spec, _ = spec_of(made.draft, tmp_path)
    entries = [
        Entry("sports", "1", "US: ESPN HD", guide_id="e", group="S"),
        Entry("sports", "2", "DAZN HD", guide_id="d", group="S"),
        Entry("sports", "3", "PPV 1 HD", guide_id="p", group="S"),
    ]
    shown = lineups(spec, entries, {"sports": ["e", "d", "p"]})
    assert {"sports": [("sports/1", "ESPN"), ("sports/2", "DAZN HD")]} == shown


def test_names_of_dvrs() -> None:
    """Folders give names: what all have in common is left out, doubles are told apart, reserved words avoided."""
    assert {
        "threadfin-bcastus": "bcastus",
        "conf": "tv",
        "threadfin_Sports A": "sports-a",
        "all": "all-tv",
    } == dvr_names(["threadfin-bcastus", "conf", "threadfin_Sports A", "all"])


WORDS = st.sampled_from(["HD", "hd", "PPV", "News", "24/7", "[x]", "a*"])
GROUPS = st.sampled_from(["US| Locals", "us| locals", "SPORTS", "[4K] Movies", "a*", "abc"])
RULES = st.builds(
    FilterRule,
    kind=st.just("group-title"),
    text=GROUPS,
    case_sensitive=st.booleans(),
    include=st.lists(WORDS, max_size=2).map(tuple),
    exclude=st.lists(WORDS, max_size=2).map(tuple),
)


def let_in(rules: list[FilterRule], group: str, name: str) -> bool:
    """Threadfin's own decision (src/m3u.go, filterThisStream), but for its refusal of a stream for all rules at once."""
    for rule in rules:
        fold = str if rule.case_sensitive else str.lower
        if fold(group) != fold(rule.text) or any(fold(w) in fold(name) for w in rule.exclude):
            continue
        if rule.include and not any(fold(w) in fold(name) for w in rule.include):
            continue
        return True
    return not rules


@given(st.lists(RULES, max_size=4), GROUPS, st.lists(WORDS, max_size=3).map(" ".join))
def test_filters_let_in_the_same(rules: list[FilterRule], group: str, name: str) -> None:
    """A matcher made of filters by group decides as Threadfin does, case and words included."""
    fields, rough = admitting(rules)
    matcher, found, _ = read_matcher(flow(fields), file="filters")
    assert matcher is not None, [d.summary for d in found]
    item = Item(Entry("main", "1", name, group=group), "main/1")
    assert ([], let_in(rules, group, name)) == (rough, predicate(matcher, {})(item))


def test_playback() -> None:
    """Copying needs no ffmpeg; sound switched off is salvage; re-encoding is said; a user agent is found in the options."""
    assert ("", "", "") == playback("-", "-c:v libx264")[:3]
    assert ("", "", "") == playback("ffmpeg", "-hide_banner -i [URL] -c copy -f mpegts pipe:1")[:3]
    assert (
        "salvage" == playback("ffmpeg", "-i [URL] -map 0:v:0? -c:v copy -an -sn -dn -f mpegts pipe:1").profile
    )
    assert "VLC/3.0.20" == playback("ffmpeg", "-user_agent 'VLC/3.0.20' -i [URL] -c copy").user_agent
    told = playback("ffmpeg", "-i [URL] -c:v copy -c:a libmp3lame -f mpegts pipe:1")
    assert ("remux", True) == (told.profile, "libmp3lame" in told.loss)
