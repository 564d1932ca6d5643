"""What leaves for the public in a snapshot: no address of a stream, no picture at the provider, no stranger's guide."""

import hashlib
from dataclasses import replace
from urllib.parse import quote

import pytest

from reconciler.catalog.entry import Entry, SourceReport
from reconciler.lineups.identity import path_hash
from reconciler.lineups.manifest import DvrManifest, Manifest
from reconciler.pipeline.redaction import HASH_LENGTH, Pictures, public_entry, public_plex, public_report
from reconciler.plex.model import XMLTV_PROVIDER, Activity, Device, Dvr, Observed, Server, Unknown
from reconciler.spec.model import Advertise, Bucket, Override, Serve, Source
from tests.lineups.worlds import everything, simple_spec

SPEC = simple_spec(
    Bucket("all", everything),
    sources={
        "main": Source("main", "xtream", hosts=("http://tv1.example.net:8080", "http://tv2.example.net")),
        "list": Source("list", "m3u", url="https://lists.example.net/x.m3u"),
    },
    overrides=(
        Override("main/1", logo="http://tv1.example.net:8080/said.png?u=me"),
        Override("main/2", name="Two"),
    ),
    serve=Serve(advertise=Advertise("http://ptctl:5004", "http://nas.lan:5004")),
)
ENTRIES = (
    Entry("main", "1", "One"),
    Entry(
        "list",
        "",
        "Two",
        url="http://Edge.example.net:81/a/{username}/1.ts",
        more_urls=("http://spare.example.net/b",),
    ),
)


def shown() -> Pictures:
    """The rule for this spec."""
    return Pictures.of(SPEC, ENTRIES)


def short(text: str) -> str:
    """Twelve digits of the hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH]


@pytest.mark.parametrize(
    "logo",
    [
        "",
        "https://logos.example.org/one.png",
        "http://img.example.net:8080/one.png",
        "http://tv1.example.net:8080/said.png?u=me",  # the spec says it itself
    ],
)
def test_pictures_that_stay(logo: str) -> None:
    """Those elsewhere without parameters, and those that the spec says."""
    assert logo == shown().public(logo)


@pytest.mark.parametrize(
    "logo",
    [
        "http://tv1.example.net:8080/one.png",
        "http://tv1.example.net/one.png",  # the provider's host at another port
        "http://TV1.example.net:8080/one.png",
        "https://tv2.example.net:444/one.png",
        "http://edge.example.net:81/one.png",
        "http://spare.example.net/one.png",
        "https://logos.example.org/one.png?token=1",
        "https://me:pass@logos.example.org/one.png",
        "https://logos.example.org/{username}/one.png",
        "ftp://logos.example.org/one.png",
        "data:image/png;base64,AAAA",
        "http://[broken/one.png",
        "http://tv1.example.net/\udc80.png?x",  # what a list in no encoding leaves behind
    ],
)
def test_pictures_that_become_a_hash(logo: str) -> None:
    """Those at the provider's, with an account or a parameter, and what is no address of the web."""
    assert f"logo:{short(logo)}" == shown().public(logo)
    assert 12 == HASH_LENGTH


def test_hosts_of_the_provider() -> None:
    """Of sources and streams, with and without port; nothing of entries without an address."""
    assert {
        "tv1.example.net:8080", "tv1.example.net", "tv2.example.net",
        "edge.example.net:81", "edge.example.net", "spare.example.net",
    } == shown().hosts  # fmt: skip
    assert {"http://tv1.example.net:8080/said.png?u=me"} == shown().said


def test_entries_keep_what_finds_them_again() -> None:
    """Host and hash of the path of every address; no header; the rest as it was."""
    entry = ENTRIES[1]._replace(
        headers=(("X-Key", "secret"),), logo="http://spare.example.net/l.png", group="G"
    )
    found = public_entry(entry, shown())
    assert f"sealed://edge.example.net:81/{path_hash(entry.url)}" == found.url
    assert (f"sealed://spare.example.net/{path_hash(entry.more_urls[0])}",) == found.more_urls
    assert ((), f"logo:{short('http://spare.example.net/l.png')}") == (found.headers, found.logo)
    assert entry._replace(url=found.url, more_urls=found.more_urls, headers=(), logo=found.logo) == found
    assert ("", ()) == (public_entry(ENTRIES[0], shown()).url, public_entry(ENTRIES[0], shown()).more_urls)
    assert "" == public_entry(entry._replace(logo="images/1.png"), shown()).logo, (
        "no picture outside, none inside"
    )


def test_reports_without_addresses() -> None:
    """Neither guides nor the panel's own address, nor how long it took; counts stay."""
    report = SourceReport(
        "main", "xtream", "fresh", entries=7, seconds=2.5, guide_urls=("http://x/g.xml",), stream_base="http://y", host=2
    )  # fmt: skip
    assert replace(report, guide_urls=(), stream_base="", seconds=0.0) == public_report(report)


def device(uri: str) -> Device:
    """A tuner at an address."""
    return Device("1", "device://x/1", "10A1B2C3", uri)


def dvr(
    guide: str, *, uri: str = "http://antenna.lan", provider: str = XMLTV_PROVIDER, key: str = "1"
) -> Dvr:
    """A DVR with a guide, of one tuner."""
    return Dvr(
        key, f"uuid-{key}", f"lineup://{provider}/{quote(guide, safe='')}#My%20title", devices=(device(uri),)
    )


def observed(*dvrs: Dvr, devices: tuple[Device, ...] = ()) -> Observed:
    """Plex with these."""
    details = {one.key: one for one in dvrs}
    return Observed(Server("m", "1"), devices, dvrs, details, (Activity("a", "b"),), {"1": 2})


PUBLISHED = Manifest(
    "home",
    "ports",
    (DvrManifest(name="a", slug="a", device_id="1", friendly_name="a", port=5005, base_url="http://old.lan:5005", tuners=2, scan_possible=False, channels={}),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://ptctl:5005/x", "http://ptctl:5005/x"),
        ("http://nas.lan:5005/x?y", "http://nas.lan:5005/x?y"),
        ("http://old.lan:5005/x", "http://old.lan:5005/x"),
        ("http://antenna.lan:80/key/123?u=me", "http://antenna.lan:80"),
        ("http://me:pass@antenna.lan/x", "http://antenna.lan"),
        ("192.168.1.9:5004", "http://192.168.1.9:5004"),
        ("", ""),
    ],
)
def test_tuners_of_strangers_keep_their_host(uri: str, expected: str) -> None:
    """Ours stay as they are, of others the path and the account go."""
    found = public_plex(observed(dvr("/x", uri=uri), devices=(device(uri),)), SPEC, PUBLISHED)
    assert isinstance(found.devices, tuple)
    assert isinstance(found.dvrs, tuple)
    assert expected == found.devices[0].uri == found.dvrs[0].devices[0].uri


@pytest.mark.parametrize(
    ("guide", "hidden"),
    [
        ("http://ptctl:5005/guide.xml", False),
        ("http://old.lan:5005/guide.xml", False),
        ("/srv/guide.xml", False),
        ("http://guides.example.net/me/secret.xml", True),
    ],
)
def test_guides_of_strangers_become_a_hash(guide: str, hidden: bool) -> None:
    """Ours and files on Plex's machine stay; the title stays anyhow."""
    found = public_plex(observed(dvr(guide)), SPEC, PUBLISHED)
    assert isinstance(found.dvrs, tuple)
    shown = f"lineup://{XMLTV_PROVIDER}/guide:{short(guide)}#My%20title" if hidden else dvr(guide).lineup
    detail = found.details["1"]
    assert isinstance(detail, Dvr)
    assert shown == found.dvrs[0].lineup == detail.lineup
    assert "My title" == found.dvrs[0].title


def test_other_providers_guides_are_no_address() -> None:
    """A cloud guide names a lineup, which stays; its tuner is treated like any."""
    cloud = dvr("USA-OTA", provider="tv.plex.providers.epg.cloud", uri="http://me@antenna.lan/x")
    found = public_plex(observed(cloud), SPEC, None)
    assert isinstance(found.dvrs, tuple)
    assert (cloud.lineup, "http://antenna.lan") == (found.dvrs[0].lineup, found.dvrs[0].devices[0].uri)


def test_before_anything_is_published() -> None:
    """The addresses of the spec alone are ours."""
    found = public_plex(
        observed(devices=(device("http://ptctl:5005/x"), device("http://old.lan:5005/x"))), SPEC, None
    )
    assert isinstance(found.devices, tuple)
    assert ["http://ptctl:5005/x", "http://old.lan:5005"] == [one.uri for one in found.devices]


def test_unknown_stays_unknown() -> None:
    """What could not be read is not made empty; what runs at the moment is left out, unless that is unknown."""
    gone = Unknown("timed out")
    found = public_plex(Observed(gone, gone, gone, {"1": gone}, gone, gone), SPEC, None)
    assert (gone, gone, {"1": gone}, gone) == (found.devices, found.dvrs, found.details, found.activities)
    assert () == public_plex(observed(), SPEC, None).activities
