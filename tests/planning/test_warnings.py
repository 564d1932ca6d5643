"""What a plan warns about besides Plex, sentence by sentence: a person decides by them what to look at first."""

from dataclasses import replace

import pytest

from reconciler.catalog.entry import SourceReport
from reconciler.ledger.model import ChannelRecord
from reconciler.lineups.model import Cause, Unbucketed
from reconciler.planning.inputs import GuideEnded
from reconciler.planning.model import PlanWarning
from reconciler.spec.model import Safety, Source, StreamOptions
from tests.planning.worlds import Home, channel

TEN = {1000 + i: f"c{i}" for i in range(10)}
WIDE = Safety(shrink=0.99, total_shrink=0.99)


def told(home: Home, code: str) -> list[tuple[str, str, str]]:
    """Sentence, next step and DVR of the warnings with this code, in the order of the plan."""
    return [(w.message, w.next_step, w.dvr) for w in home.planned().plan.warnings if w.code == code]


def reported(cached: bool = False, **reports: SourceReport) -> Home:
    """What came of fetching."""
    return Home({"news": TEN}, {"news": TEN}, changes={"reports": reports, "cached": cached})


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (0.0, "0 s"),
        (59.0, "59 s"),
        (60.0, "1 min"),
        (3599.0, "60 min"),
        (3600.0, "60 min"),
        (90_000.0, "25 h"),
    ],
)
def test_a_copy_stands_in(seconds: float, age: str) -> None:
    """What could not be fetched, why, and how old the copy is."""
    home = reported(main=SourceReport("main", "m3u", "cached", 5, age_s=seconds, failure="no answer"))
    text = f'source "main" could not be fetched (no answer); the copy in use is {age} old'
    assert [(text, "ptctl doctor", "")] == told(home, "W120")


@pytest.mark.accepts("ART-2")
def test_what_did_not_come() -> None:
    """Sources and guides in the order of their names; what was fetched, or not asked for, is no warning."""
    home = reported(
        z=SourceReport("z", "m3u", "absent"),
        b=SourceReport("b", "m3u", "unchanged", 5),
        a=SourceReport("a", "m3u", "cached", 5),
        g=SourceReport("g", "xmltv", "absent"),
        h=SourceReport("h", "xmltv", "cached", age_s=7200.0),
    )
    assert [
        ('source "a" could not be fetched; the copy in use is 0 s old', "ptctl doctor", ""),
        ('source "z" could not be fetched and there is no copy', "ptctl doctor", ""),
    ] == told(home, "W120")
    assert [
        ('guide "g" could not be fetched', "check guides.g, then: ptctl refresh", ""),
        (
            'guide "h" could not be fetched; the copy in use is 2 h old',
            "check guides.h, then: ptctl refresh",
            "",
        ),
    ] == told(home, "W121")
    asked = reported(
        cached=True, a=SourceReport("a", "m3u", "cached", 5), z=SourceReport("z", "m3u", "absent")
    )
    assert ['source "z" could not be fetched and there is no copy'] == [m for m, *_ in told(asked, "W120")]


@pytest.mark.accepts("SPL-6")
@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ((("AF|Arabic", 1),), "1 channel fits no bucket (AF|Arabic 1)"),
        ((("AF|Arabic", 41), ("", 2)), "43 channels fit no bucket (AF|Arabic 41, no group 2)"),
        ((("a", 1000), ("b", 36), ("c", 1)), "1,037 channels fit no bucket (a 1000, b 36, 1 more)"),
    ],
)
def test_channels_in_no_bucket(groups: tuple[tuple[str, int], ...], text: str) -> None:
    """How many, and the largest groups among them."""
    home = Home({"news": TEN}, {"news": TEN})
    home = replace(home, changes={"desired": replace(home.desired(), unbucketed=Unbucketed(groups))})
    assert [(text, "ptctl explain unbucketed", "")] == told(home, "W110")


@pytest.mark.parametrize(
    ("where", "count", "text"),
    [
        ("rest", 1, "news is full; 1 new match goes to rest"),
        ("rest", 2, "news is full; 2 new matches go to rest"),
        ("", 1, "news is full; 1 new match is left out"),
        ("", 3, "news is full; 3 new matches are left out"),
    ],
)
def test_a_full_dvr(where: str, count: int, text: str) -> None:
    """How many found it full, and what becomes of them."""
    home = Home({"news": TEN}, {"news": TEN})
    desired = home.desired()
    full = replace(desired.dvrs[0], overflowed=((where, count),))
    home = replace(home, changes={"desired": replace(desired, dvrs=(full,))})
    assert [(text, "ptctl explain dvr news", "news")] == told(home, "W311")
    details = home.planned().plan.changes[0].details
    went = "went to rest" if where else "is left out" if count == 1 else "are left out"
    assert (f"{count} new channel{'s' if count > 1 else ''} found it full and {went}",) == details


@pytest.mark.accepts("COR-2")
def test_what_will_be_silent() -> None:
    """The profile of a DVR, or of a source where the DVR says none: how many channels have no audio."""
    why = "the profile salvage keeps the first video only"
    salvage = StreamOptions(profile="salvage")
    one = {"news": {1000: "a"}}
    assert [(f"no audio on 1 channel of news: {why}", "", "news")] == told(
        Home(one, one, dvr={"news": {"stream": salvage}}), "W321"
    )
    spec = {"sources": {"main": Source("main", "m3u", stream=salvage)}}
    both = {"news": TEN, "rest": {2000: "z"}}
    assert [(f'no audio on 11 channels of source "main": {why}', "", "")] == told(
        Home(both, both, spec=spec), "W321"
    )
    copies = {"rest": {"stream": StreamOptions(profile="copy")}}
    assert [f'no audio on 10 channels of source "main": {why}'] == [
        m for m, *_ in told(Home(both, both, spec=spec, dvr=copies), "W321")
    ]
    assert [] == told(Home(both, both), "W321")


@pytest.mark.parametrize(("channels", "warned"), [(4, False), (5, True), (10, True)])
def test_a_guide_that_ended(channels: int, warned: bool) -> None:
    """Where half of its channels or more have nothing left; a few end every day."""
    ended = GuideEnded("main", channels, 10, "2026-02-28T21:30:00Z")
    home = Home({"news": TEN}, {"news": TEN}, inputs={"ended": (ended,)})
    text = (
        f'guide "main" has ended for {channels} of 10 channels; '
        "its newest programme there was over at 2026-02-28 21:30 UTC"
    )
    expected = [(text, "ptctl refresh, or another address under guides", "")]
    assert (expected if warned else []) == told(home, "W122")


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        (("news/guide.xml",), "news/guide.xml"),
        (("news/guide.xml", "news/lineup.json", "x.m3u"), "news/guide.xml and 2 more"),
    ],
)
def test_files_that_somebody_changed(files: tuple[str, ...], shown: str) -> None:
    """The first of them, and how many others."""
    home = Home({"news": TEN}, {"news": TEN}, inputs={"damaged": files})
    text = f"published files were changed or removed since ({shown}); they are written anew"
    assert [(text, "ptctl refresh", "")] == told(home, "W123")


def outage(groups: dict[str, str], *, living: str = "else", cause: dict[str, Cause] | None = None) -> Home:
    """`news` loses its first channels, which had these groups by name; the others have the group `living`."""
    after = {n: c for n, c in TEN.items() if c not in groups}
    home = Home(
        {"rest": {2000: "z"}, "news": TEN},
        {"rest": {2000: "z"}, "news": after},
        causes={"news": {f"main/{c}": why for c, why in (cause or {}).items()}},
        spec={"safety": replace(WIDE, minimum=3)},
    )
    ledger = home.ledger()
    channels: dict[str, ChannelRecord] = {
        i: replace(r, group=groups.get(r.name, living)) for i, r in ledger.channels.items()
    }
    desired = home.desired()
    targets = tuple(
        replace(
            t,
            lineup=replace(
                t.lineup,
                rows=tuple(
                    replace(row, channel=channel(row.channel.name, group=living)) for row in t.lineup.rows
                ),
            ),
        )
        for t in desired.dvrs
    )
    changes = {"ledger": replace(ledger, channels=channels), "desired": replace(desired, dvrs=targets)}
    return replace(home, changes=changes)


THREE = {"c0": "FR| Kino", "c1": "FR| Kino", "c2": "FR| Kino"}


def test_a_group_that_is_gone_as_a_whole() -> None:
    """Many removals of one group that nobody has any more look like an outage; the rest of the plan goes on."""
    text = (
        'news: all 3 removals had group "FR| Kino", which the source no longer sends; '
        "an outage or a renamed group looks like this"
    )
    assert [(text, "ptctl explain dvr news", "news")] == told(outage(THREE), "W207")


@pytest.mark.parametrize(
    "home",
    [
        outage({"c0": "FR| Kino", "c1": "FR| Kino"}),  # fewer than safety.minimum
        outage({**THREE, "c3": "DE| Kino"}),  # of two groups
        outage(THREE, living="FR| Kino"),  # the group is still there
        outage(dict.fromkeys(THREE, "")),  # of no group
        outage(THREE, cause={"c1": "spec"}),  # somebody wanted one of them gone
        outage(THREE, cause=dict.fromkeys(THREE, "spec")),
    ],
)
def test_what_is_no_outage(home: Home) -> None:
    """Few channels, several groups, a living group, and what the spec did."""
    assert [] == told(home, "W207")


def test_words_that_lift_nothing() -> None:
    """Each word of the command line that nothing asked for, sorted."""
    words = ("shrink:news", "delete:x", "busy:y")
    home = Home({"news": TEN}, {"news": {n: c for n, c in TEN.items() if n > 1003}}, changes={"allow": words})
    found = [w for w in home.planned().plan.warnings if w.code == "W403"]
    assert [
        PlanWarning("W403", f'"--allow {word}" lifts nothing in this plan') for word in ("busy:y", "delete:x")
    ] == found
