"""What Plex has becomes a skeleton: emulated tuners as they are, everything else left alone and said."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.drafting.draft import Vault
from reconciler.drafting.first import first_draft
from reconciler.drafting.plex import Skeleton, TunerChannel, adoptable, skeleton
from reconciler.drafting.provider import Provider, sections
from reconciler.plex.model import ChannelPair, Device, Dvr, Observed, Server, Unknown
from reconciler.secret import Secret
from tests.drafting.reading import spec_of

XMLTV = "lineup://tv.plex.providers.epg.xmltv/"


def device(
    key: str, port: int, numbers: tuple[str, ...], *, host: str = "tf.lan", device_id: str = ""
) -> Device:
    """A tuner with channels switched on."""
    return Device(
        key,
        f"device://{key}",
        device_id or f"2019-01-DEF-{key}:2",
        f"http://{host}:{port}",
        tuners=2,
        pairs=tuple(ChannelPair(n, n, n) for n in numbers),
    )


def dvr(key: str, title: str, one: Device, guide: str = "") -> Dvr:
    """A DVR with one tuner, its guide at the tuner."""
    place = guide or f"{one.uri}/xmltv/threadfin.xml".replace(":", "%3A").replace("/", "%2F")
    return Dvr(key, f"uuid-{key}", f"{XMLTV}{place}#{title}", devices=(one,))


def observed(*dvrs: Dvr) -> Observed:
    """Plex with these DVRs."""
    return Observed(
        server=Server("m" * 40, "1.43"),
        devices=tuple(d for one in dvrs for d in one.devices),
        dvrs=dvrs,
        details={d.key: d for d in dvrs},
        activities=(),
        rules={},
    )


def made(*dvrs: Dvr, lineups: dict[str, list[TunerChannel]] | None = None) -> Skeleton:
    """The skeleton of these DVRs."""
    found, _ = adoptable(observed(*dvrs))
    return skeleton(found, lineups or {})


THREE = (
    dvr("11", "Locals", device("1", 34400, ("1000", "1001"))),
    dvr("12", "Sports A", device("2", 34401, ("1600", "1601", "1602"))),
    dvr("13", "Movies", device("3", 34402, ("2200",))),
)


@pytest.mark.accepts("IMP-1")
def test_dvrs_are_kept_as_they_are(tmp_path: Path) -> None:
    """DeviceID, port, guide path, tuners and a range around the live numbers; a valid spec with Plex in it."""
    rows = {"1": [TunerChannel("1000", "ABC"), TunerChannel("1001", "NBC"), TunerChannel("1005", "Off")]}
    built = made(*THREE, lineups=rows)
    assert {
        "numbers": "1000-1599",
        "tuners": 2,
        "port": 34400,
        "device_id": "2019-01-DEF-1:2",
        "guide_path": "/xmltv/threadfin.xml",
    } == built.dvrs["locals"]
    assert ["locals", "sports-a", "movies"] == list(built.dvrs)
    assert [("locals", 1000, "ABC"), ("locals", 1001, "NBC")] == [
        (c.dvr, c.number, c.name) for c in built.channels
    ]
    assert ("http://tf.lan:5004", ("sports-a", "movies"), ()) == (
        built.advertise,
        built.unnamed,
        built.losses,
    )
    vault = Vault("ptctl.env")
    draft = first_draft(
        "home",
        sections(Provider(path="x.m3u", own_guide=False), vault),
        vault,
        filters=(),
        buckets=built.buckets,
        plex=("http://plex:32400", Secret("t")),
        advertise=built.advertise,
        dvrs=built.dvrs,
    )
    spec, codes = spec_of(draft, tmp_path)
    assert ([], (1600, 2199)) == (codes, spec.dvrs["sports-a"].numbers)


def test_a_title_in_brackets_stays_a_title() -> None:
    """A DVR without channels to go by gets its title as group, and never as a pattern."""
    built = made(dvr("11", "[UK] Locals", device("1", 34400, ("1000",))))
    (bucket, _), *_ = built.buckets
    assert {"group": {"is": "[UK] Locals"}} == bucket["match"]


def test_what_is_not_an_emulated_tuner_is_left_alone() -> None:
    """A cloud guide, a DVR without a tuner and a real HDHomeRun are named and left as they are."""
    cloud = Dvr("21", "u", "lineup://tv.plex.providers.epg.cloud/x#Antenna", devices=(device("5", 80, ()),))
    bare = replace(THREE[0], key="22", devices=())
    real = dvr("23", "Antenna", device("7", 80, ("5",), device_id="10A1B2C3"))
    found, losses = adoptable(observed(cloud, bare, real, THREE[1]))
    assert ["sports-a"] == [a.name for a in found]
    assert ["Plex's own", "it has no tuner", "real HDHomeRun"] == [
        next(w for w in ("Plex's own", "it has no tuner", "real HDHomeRun") if w in loss.what)
        for loss in losses
    ]


def test_unknown_is_not_none() -> None:
    """DVRs that could not be read are said to be unknown."""
    found, losses = adoptable(replace(observed(), dvrs=Unknown("a 500")))
    assert ((), "its DVRs could not be read: a 500") == (found, losses[0].what)


def test_what_cannot_be_kept_is_said() -> None:
    """Equal numbers, equal ports on several hosts, a guide elsewhere, a file as guide: each is listed."""
    one = dvr("1", "A", device("1", 34400, ("1000",), host="a.lan"))
    two = dvr("2", "B", device("2", 34400, ("1000",), host="b.lan"))
    three = dvr("3", "C", device("3", 34400, ("2000",), host="10.0.0.7"))
    four = dvr("4", "D", device("4", 9, ("3000",)), guide="http%3A%2F%2Fepg.lan%2Fg.xml")
    five = dvr("5", "E", device("5", 10, ("4000",)), guide="%2Fdata%2Fg.xml")
    built = made(one, two, three, four, five)
    said = "\n".join(f"{loss.where}: {loss.what}" for loss in built.losses)
    wanted = (
        "b: numbers 1000-1000 lie among those of another DVR",
        'b: port 34400 at host "b.lan" is also that of "a"',
        "d: its guide is at epg.lan:",
        "e: its guide is the file /data/g.xml",
        "several hosts",
    )
    assert [] == [w for w in wanted if w not in said], said
    assert (["10.0.0.7:34400"], "/g.xml") == (built.dvrs["c"]["also"], built.dvrs["d"]["guide_path"])
    assert "numbers" not in built.dvrs["b"]


def test_a_guide_path_is_kept_with_its_query() -> None:
    """Dispatcharr's guide has one, and Plex compares the whole address; what may be a secret stays out of the spec."""
    place = "http%3A%2F%2Ftf.lan%3A9191%2Foutput%2FK%C3%A4se epg%3F{}"
    plain = dvr(
        "1", "A", device("1", 9191, ("1000",)), guide=place.format("tvg_id_source%3Dgracenote%26days%3D7")
    )
    telling = dvr("2", "B", device("2", 9192, ("2000",)), guide=place.format("stream_key%3Dabc"))
    long = dvr("3", "C", device("3", 9193, ("3000",)), guide=place.format("p%3D0123456789abcdef"))
    short = dvr("4", "D", device("4", 9194, ("4000",)), guide=place.format("pwd%3Dabc"))
    letter = dvr("5", "E", device("5", 9195, ("5000",)), guide=place.format("u%3Dbob%26p%3Dhunter"))
    built = made(plain, telling, long, short, letter)
    assert "/output/Käse epg?tvg_id_source=gracenote&days=7" == built.dvrs["a"]["guide_path"]
    assert ["/output/Käse epg"] * 4 == [built.dvrs[name]["guide_path"] for name in "bcde"]
    secret = "its guide's address has a query that may hold a secret, which no spec may"
    assert [*"bcde"] == [loss.where for loss in built.losses if loss.what == secret]


def test_odd_numbers_and_second_tuners_are_said() -> None:
    """Numbers that are not whole get new ones; of several tuners the first is adopted."""
    first = device("1", 1, ("5.1", "7"))
    odd = replace(dvr("1", "A", first), devices=(first, device("2", 2, ())))
    found, losses = adoptable(observed(odd))
    assert (7,) == found[0].numbers
    assert ["1 further tuner in the same DVR", "1 channel with numbers that are not whole"] == [
        loss.what for loss in losses
    ]
