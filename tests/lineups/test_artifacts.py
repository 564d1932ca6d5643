"""The files of a generation: lineups, playlists, manifest, routes; no secret, no provider, no query string."""

import json
import random
from dataclasses import replace

import pytest

from reconciler.catalog.entry import Catalog, SourceReport
from reconciler.errors import StateError
from reconciler.lineups import artifacts
from reconciler.lineups.manifest import (
    manifest_bytes,
    read_manifest,
    read_reference,
    read_routes,
    reference_text,
    routes_bytes,
)
from reconciler.lineups.model import Desired, Verdict
from reconciler.lineups.routes import routes, with_carried
from reconciler.planning.diff import churn
from reconciler.planning.published import published_rows
from reconciler.secret import SecretRef
from reconciler.spec.model import (
    Advertise,
    Bucket,
    Credentials,
    Dvr,
    Guide,
    Serve,
    Source,
    Spec,
    StreamOptions,
)
from tests.lineups.worlds import entry, everything, field, guide, run, simple_spec

NEWS = Bucket("news", field("group", "NEWS"))
ENTRIES = [
    entry(1, "CNN HD", "NEWS", guide_id="cnn.us", logo="https://logo.example/cnn.png"),
    entry(2, 'The "Real" News', "NEWS", number=5),
    entry(3, "Film", "VOD", kind="vod", extension="mkv"),
]


def built(spec: Spec | None = None, **more: object) -> tuple[Spec, Desired]:
    """A small world and its desired state."""
    spec = spec or simple_spec(NEWS)
    return spec, run(spec, ENTRIES, guides={"main": guide("cnn.us")}, **more)  # type: ignore[arg-type]


def test_lineup_json() -> None:
    """Numbers are strings, flags integers, URLs below the advertised address without a query."""
    spec, desired = built()
    data = artifacts.files(spec, desired)["news/lineup.json"]
    assert [
        {"GuideNumber": "1000", "GuideName": 'The "Real" News', "URL": "http://ptctl:5005/auto/v1000"},
        {"GuideNumber": "1001", "GuideName": "CNN HD", "HD": 1, "URL": "http://ptctl:5005/auto/v1001"},
    ] == json.loads(data)
    assert b"?" not in data


@pytest.mark.accepts("TVG-1", "TVG-4")
def test_playlist_says_where_its_guide_is() -> None:
    """Ids are the guide numbers; addresses are the viewers' and hold no credential."""
    spec, desired = built()
    assert (
        '#EXTM3U url-tvg="http://nas.lan:5005/guide.xml" x-tvg-url="http://nas.lan:5005/guide.xml"\n'
        '#EXTINF:-1 tvg-id="1000" tvg-chno="1000" tvg-name="The \'Real\' News" group-title="NEWS",'
        'The "Real" News\n'
        "http://nas.lan:5005/stream/1000\n"
        '#EXTINF:-1 tvg-id="1001" tvg-chno="1001" tvg-name="CNN HD" tvg-logo="https://logo.example/cnn.png"'
        ' group-title="NEWS",CNN HD\n'
        "http://nas.lan:5005/stream/1001\n"
    ) == artifacts.files(spec, desired)["news/playlist.m3u"].decode()


@pytest.mark.accepts("TVG-3")
@pytest.mark.parametrize(
    ("option", "header"), [("off", "#EXTM3U"), ("url-tvg", '#EXTM3U url-tvg="http://nas.lan:5005/guide.xml"')]
)
def test_url_tvg_can_be_less_or_off(option: str, header: str) -> None:
    """Off is a plain header; `url-tvg` is the one attribute."""
    spec = simple_spec(NEWS)
    spec = replace(spec, serve=replace(spec.serve, url_tvg=option))  # type: ignore[arg-type]
    spec, desired = built(spec)
    assert header == artifacts.files(spec, desired)["news/playlist.m3u"].decode().splitlines()[0]


def test_layout_path_has_one_port() -> None:
    """Everything is below the hub, and the manifest names no port."""
    serve = Serve(advertise=Advertise("http://ptctl:5004", "http://[fd00::1]:5004/tv"), layout="path")
    spec, desired = built(replace(simple_spec(NEWS), serve=serve))
    target = desired.dvrs[0]
    assert "http://ptctl:5004/news" == artifacts.base_url(spec, target.record)
    assert "http://[fd00::1]:5004/tv/news" == artifacts.base_url(spec, target.record, viewers=True)
    assert artifacts.manifest(spec, desired, {"news": "aa"}).dvrs[0].port is None
    ports = replace(serve, layout="ports")
    record = replace(target.record, port=5010)
    assert "http://[fd00::1]:5010/tv" == artifacts.base_url(replace(spec, serve=ports), record, viewers=True)


def test_exports_play_through_the_hub() -> None:
    """VOD and buckets without a DVR become M3U files whose addresses name the channel id."""
    spec, desired = built(simple_spec(NEWS, dvrs=()))
    files = artifacts.files(spec, desired)
    assert {"dvr-news.m3u", "vod.m3u"} == files.keys()
    assert "http://nas.lan:5004/play/main/vod/3" == files["vod.m3u"].decode().splitlines()[-1]
    assert ("dvr-news", "vod") == artifacts.manifest(spec, desired, {}).exports


def test_manifest_and_back() -> None:
    """What `serve` must know of each DVR, and equal bytes for equal lineups."""
    spec, desired = built(verdicts={"main/1": Verdict("off", "guide")})
    manifest = artifacts.manifest(spec, desired, {"news": "aa"})
    dvr = manifest.dvrs[0]
    assert ({"1000": "main/2", "1001": "main/1"}, ("1001",)) == (dvr.channels, dvr.off)
    assert ("news", "http://ptctl:5005", 5005, "aa") == (dvr.slug, dvr.base_url, dvr.port, dvr.guide_digest)
    assert manifest == read_manifest(manifest_bytes(manifest))


def test_carried_dvrs_keep_their_entry() -> None:
    """A blocked DVR's manifest entry stays word for word, one that left the spec comes last."""
    spec, desired = built()
    manifest = artifacts.manifest(spec, desired, {"news": "aa"})
    old = replace(manifest.dvrs[0], channels={"1000": "main/77"})
    gone = replace(old, name="asia", slug="asia")
    carried = artifacts.manifest(spec, desired, {}, {"news": old, "asia": gone})
    assert (old, gone) == carried.dvrs


def test_a_tuner_without_channels_is_not_offered() -> None:
    """A DVR that has no channel gets no files and no entry."""
    spec, desired = built(simple_spec(Bucket("none", field("group", "?")), NEWS))
    assert ["news"] == [d.name for d in artifacts.manifest(spec, desired, {"news": "aa"}).dvrs]
    assert {"news/lineup.json", "news/playlist.m3u", "vod.m3u"} == artifacts.files(spec, desired).keys()


def test_guide_rows_are_the_lineup() -> None:
    """Every row of the lineup is wanted in the guide, under its number, with the guide that tells it."""
    _, desired = built()
    wanted = artifacts.guide_wanted(desired)
    assert [(1000, "", ""), (1001, "main", "cnn.us")] == [(w.number, w.guide, w.xmltv_id) for w in wanted]
    assert {"news"} == {w.dvr for w in wanted}


@pytest.mark.accepts("ART-1")
def test_shuffled_input_gives_identical_bytes() -> None:
    """The order in which a source lists its channels is in no file."""
    spec = replace(
        simple_spec(NEWS, Bucket("rest", everything)),
        guides={"main": Guide("main", source="main", match=("id", "name"))},
    )
    entries = [
        *(entry(i, f"Channel {i % 7}", "NEWS" if i % 2 else "X", guide_id=f"c{i % 11}") for i in range(60)),
        *(
            entry("", f"Local {i % 5}", "NEWS", source="locals", url=f"http://10.0.0.{i}/a/{i % 9}.ts")
            for i in range(30)
        ),
    ]
    seen = set()
    for seed in range(6):
        random.Random(seed).shuffle(entries)
        desired = run(spec, entries, guides={"main": guide("c1", "c2")})
        manifest = artifacts.manifest(spec, desired, {"news": "aa", "rest": "bb"})
        ways = routes_bytes(routes(spec, desired, Catalog(tuple(entries), {})))
        seen.add((manifest_bytes(manifest), ways, *sorted(artifacts.files(spec, desired).items())))
    assert 1 == len(seen)


@pytest.mark.accepts("SPL-3", "XTR-6")
def test_routes_keep_every_alternative_and_hold_references_alone() -> None:
    """Hosts in the order to try, all alternatives of a channel, credentials as references."""
    spec = simple_spec(NEWS)
    panel = Source(
        "main",
        "xtream",
        hosts=("http://cf.example:80", "http://down.example", "http://direct.example"),
        credentials=("provider",),
        stream=StreamOptions(
            format="ts", headers=(("X-Key", SecretRef("env", "KEY")),), user_agent='A "b" c'
        ),
    )
    spec = replace(
        spec,
        sources={**spec.sources, "main": panel},
        credentials={
            "provider": Credentials(
                "provider", SecretRef("env", "U"), SecretRef("exec", "", argv=("op", "x"))
            )
        },
    )
    desired = run(
        spec, [entry(1, "CNN", "NEWS", url="http://a.example/1.ts", more_urls=("http://b.example/1.ts",))]
    )
    report = SourceReport("main", "xtream", "fresh", host=1, direct_hosts=(3,), connections=2)
    found = routes(spec, desired, Catalog((), {"main": report}), "g1")
    main = found.sources["main"]
    assert ("http://direct.example", "http://cf.example:80", "http://down.example") == main.hosts
    assert ({"username": "env:U", "password": 'exec:["op", "x"]'},) == main.credentials
    assert (2, "ts", 'A "b" c', (("X-Key", "env:KEY", True),)) == (
        main.connections,
        main.format,
        main.user_agent,
        main.headers,
    )
    (way,) = found.channels["main/1"]
    assert ("http://a.example/1.ts", ("http://b.example/1.ts",)) == (way.url, way.more_urls)
    assert found == read_routes(routes_bytes(found))


@pytest.mark.accepts("PLY-1")
def test_a_dvr_reaches_a_source_in_its_own_way() -> None:
    """All that a DVR says of streams wins, what it leaves out is the source's, and other DVRs are untouched."""
    theirs = StreamOptions(
        format="ts", user_agent="VLC", headers=(("Referer", "a"), ("X-Key", "k")), buffer_bytes=1024
    )
    panel = Source("main", "xtream", hosts=("http://cf.example", "http://direct.example"), stream=theirs)
    own = StreamOptions(
        format="hls",
        host="as-listed",
        pin="cf.example",
        pin_mode="strict",
        user_agent="Lavf",
        headers=(("referer", "b"),),
        connect_s=0.5,
    )
    spec = simple_spec(NEWS, dvrs={"news": Dvr("news", "news", stream=own), "rest": Dvr("rest", "news")})
    spec = replace(spec, sources={**spec.sources, "main": panel})
    report = SourceReport("main", "xtream", "fresh", host=1, direct_hosts=(2,))
    found = routes(spec, run(spec, ENTRIES), Catalog((), {"main": report}), "g1")
    assert {"news": {"main", "locals"}} == {dvr: set(sources) for dvr, sources in found.by_dvr.items()}
    assert ("ts", "VLC", panel.hosts[::-1]) == (
        (rest := found.source("main", "rest")) and (rest.format, rest.user_agent, rest.hosts)
    )
    news = found.source("main", "news")
    assert news == replace(
        found.sources["main"],
        format="hls",
        hosts=panel.hosts,
        pin="cf.example",
        pin_mode="strict",
        user_agent="Lavf",
        headers=(("referer", "b", False), ("X-Key", "k", False)),
        connect_s=0.5,
    )
    assert found == read_routes(routes_bytes(found))


def test_the_parts_of_a_split_dvr_reach_sources_as_it_does() -> None:
    """`news-2` stands in no spec, and what `news` says of streams holds for it."""
    dvr = Dvr("news", "news", limit=1, stream=StreamOptions(user_agent="Lavf"))
    spec = simple_spec(replace(NEWS, overflow="split"), dvrs={"news": dvr})
    found = routes(spec, run(spec, ENTRIES), Catalog((), {}), "g1")
    agents = [
        source and source.user_agent for source in (found.source("main", n) for n in ("news", "news-2"))
    ]
    assert ["Lavf", "Lavf"] == agents


def test_routes_of_carried_channels_stay() -> None:
    """A blocked lineup goes on playing channels that the source no longer lists."""
    spec, desired = built()
    old = routes(spec, desired, Catalog((), {}))
    fewer = routes(spec, run(spec, ENTRIES[1:]), Catalog((), {}))
    assert "main/1" not in fewer.channels
    assert old.channels["main/1"] == with_carried(fewer, old, {"1001": "main/1"}).channels["main/1"]
    assert fewer == with_carried(fewer, None, {"1001": "main/1"})


@pytest.mark.parametrize(
    "ref", [SecretRef("env", "A"), SecretRef("envfile", "x", "N"), SecretRef("exec", "", argv=("a", "b c"))]
)
def test_references_survive_as_text(ref: SecretRef) -> None:
    """A command keeps all its words."""
    assert ref == read_reference(reference_text(ref))
    assert read_reference("exec:nothing") is None


def test_two_dvrs_for_one_bucket_fill_in_order() -> None:
    """The second device takes what the first has no room for."""
    spec = simple_spec(Bucket("all", everything), dvrs={"a": Dvr("a", "all", limit=1), "b": Dvr("b", "all")})
    _, desired = built(spec)
    assert [1, 1] == [len(t.lineup.rows) for t in desired.dvrs]


@pytest.mark.accepts("M3U-5", "APP-3")
@pytest.mark.parametrize(
    ("name", "logo"),
    [
        ("ESPN  HD", "https://logo.example/a b.png"),
        ("Non\u00a0\u00a0break \u3000wide", 'https://logo.example/a"b.png'),
        ("Line\u2028of\u0085Windows", "https://logo.example/a\u00a0 b.png"),
    ],
)
def test_files_say_what_the_plan_compares(name: str, logo: str) -> None:
    """Two blanks in a name or a quote in a logo are no change that comes back with every plan."""
    spec = simple_spec(NEWS)
    desired = run(spec, [entry(1, name, "NEWS", logo=logo)])
    made = artifacts.files(spec, desired)
    (dvr,) = artifacts.manifest(spec, desired, {"news": "d"}).dvrs
    rows = published_rows(dvr, made["news/lineup.json"], made["news/playlist.m3u"])
    assert [row.logo for row in rows] == [desired.dvrs[0].lineup.rows[0].channel.logo]
    assert not churn(rows, desired.dvrs[0].lineup.rows, {}).changed


@pytest.mark.accepts("UPG-1")
def test_a_manifest_with_addresses_of_its_own_is_read() -> None:
    """Manifests had the advertised addresses; nobody read them, and what is published has them still."""
    spec, desired = built()
    now = artifacts.manifest(spec, desired, {"news": "d"})
    written = {
        "advertise_plex": "http://a",
        "advertise_viewers": "http://b",
        **json.loads(manifest_bytes(now)),
    }
    assert now == read_manifest(json.dumps(written).encode())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "broken"),
        (b"[]", "broken"),
        (b'{"generation": "a"}', "'format'"),
        (b'{"format": "ptctl-routes/2"}', "upgrade ptctl"),
        (b'{"format": "ptctl-routes/1", "generation": 1, "sources": {}, "channels": {}}', "`str`"),
        (b'{"format": "ptctl-routes/1", "generation": "a", "sources": {}, "channels": {"m/1": [{}]}}', "`source`"),
    ],
)  # fmt: skip
def test_routes_that_are_none_say_so(data: bytes, said: str) -> None:
    """A broken or newer file is one error with what is wrong, never half of the routes."""
    with pytest.raises(StateError) as caught:
        read_routes(data)
    assert said in f"{caught.value.message} {caught.value.next_step}"
