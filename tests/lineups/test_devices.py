"""The tuner side of DVRs alone: what is pinned at creation, what collides, and what a rename or a removal takes along."""

from dataclasses import replace

import pytest

from reconciler.ledger.model import ChannelRecord, DvrRecord, Ledger, Retired
from reconciler.lineups.device_ids import device_id
from reconciler.lineups.devices import BLOCK, FIRST, Devices, dvrs_renamed, let_go, slug_of
from reconciler.spec.model import Bucket, Dvr, Moved, Removed, Serve
from tests.lineups.worlds import everything, simple_spec

NEWS = Bucket("news", everything)


def known(name: str, of: str = "", **more: object) -> DvrRecord:
    """A DVR of the ledger, or a further part of one."""
    return replace(DvrRecord(name, f"ID-{name}", None, name, name, (1, 2), split_of=of), **more)  # type: ignore[arg-type]


def ledger_of(*records: DvrRecord) -> Ledger:
    """Each DVR has a channel and a number that was left."""
    return Ledger(
        dvrs={r.name: r for r in records},
        channels={f"c/{r.name}": ChannelRecord(f"c/{r.name}", r.name, 1, "main") for r in records},
        retired=tuple(Retired(r.name, 2, f"r/{r.name}", "2026-03-01") for r in records),
    )


def test_a_rename_takes_its_parts_along() -> None:
    """Parts, channels and numbers left go with it, other DVRs stay; rules that were done before do nothing."""
    before = ledger_of(known("old"), known("old-2", "old"), known("other"))
    done = [Moved("dvr", "gone", "x"), Moved("dvr", "other", "old"), Moved("source", "old", "y")]
    after = dvrs_renamed(before, [*done, Moved("dvr", "old", "new")])
    assert {"new": "", "new-2": "new", "other": ""} == {n: r.split_of for n, r in after.dvrs.items()}
    assert ["ID-old", "ID-old-2", "ID-other"] == [r.device_id for r in after.dvrs.values()]
    assert ["new", "new-2", "other"] == [c.dvr for c in after.channels.values()]
    assert ["new", "new-2", "other"] == [r.dvr for r in after.retired]


def test_a_renamed_part_takes_nobodys_name() -> None:
    """A DVR that is called what a part would be called stays; the part keeps its name."""
    before = ledger_of(known("old"), known("old-2", "old"), known("new-2"))
    after = dvrs_renamed(before, [Moved("dvr", "old", "new")])
    assert {"new": "ID-old", "old-2": "ID-old-2", "new-2": "ID-new-2"} == {
        n: r.device_id for n, r in after.dvrs.items()
    }
    assert "new" == after.dvrs["old-2"].split_of
    free = replace(after, dvrs={n: r for n, r in after.dvrs.items() if n != "new-2"})
    last = dvrs_renamed(free, [Moved("dvr", "new", "last")])
    assert {"last": "", "last-2": "last"} == {n: r.split_of for n, r in last.dvrs.items()}


def test_two_parts_with_one_number_stay_two() -> None:
    """One kept its name through an earlier rename, the other came since."""
    before = ledger_of(known("new"), known("old-2", "new"), known("new-2", "new"))
    after = dvrs_renamed(before, [Moved("dvr", "new", "last")])
    assert {"last": "ID-new", "last-2": "ID-old-2", "new-2": "ID-new-2"} == {
        n: r.device_id for n, r in after.dvrs.items()
    }


def test_what_is_let_go_and_what_is_not() -> None:
    """With its parts, channels and numbers left; a protected one stays, and one that Plex shall lose."""
    before = ledger_of(known("a"), known("a-2", "a"), known("b", protected=True), known("c"))
    after = let_go(before, [Removed("a", keep=True), Removed("b", keep=True), Removed("c", keep=False)])
    assert {"b", "c"} == set(after.dvrs) == {c.dvr for c in after.channels.values()}
    assert ["b", "c"] == [r.dvr for r in after.retired]
    assert before is let_go(before, [Removed("b", keep=True)])


@pytest.mark.parametrize(
    ("name", "taken", "slug"),
    [
        ("Kids & Family", (), "kids-family"),
        ("a.b_c-1", (), "a.b_c-1"),
        ("..hidden/", (), "hidden"),
        ("Новости", (), "dvr"),
        ("news", ("news",), "news-2"),
        ("News", ("news", "news-2"), "news-3"),
    ],
)
def test_slugs(name: str, taken: tuple[str, ...], slug: str) -> None:
    """A part of a path, whatever the name is made of."""
    assert slug == slug_of(name, taken)


def test_new_dvrs_take_what_nobody_has() -> None:
    """Id, port, slug and block: of the ledger, of the spec, and of those given before in the same run."""
    taken = device_id("home", "Two")
    dvrs = {
        "mine": Dvr("mine", "news", device_id=taken, port=5005, numbers=(FIRST, FIRST + 9)),
        "Two": Dvr("Two", "news", title="Second"),
        "two": Dvr("two", "news"),
    }
    spec = simple_spec(NEWS, dvrs=dvrs, serve=Serve(listen=("0.0.0.0", 5004), ports=(5004, 5010)))
    devices = Devices(spec, ledger_of(known("old", port=5006, slug="two", block=(1700, 1800))))
    mine, first = devices.record("mine", dvrs["mine"]), devices.record("Two", dvrs["Two"])
    part = devices.record("Two-2", dvrs["Two"], "Two")
    last = devices.record("two", dvrs["two"])
    assert (taken, 5005, "mine", (FIRST, FIRST + 9)) == (mine.device_id, mine.port, mine.slug, mine.block)
    assert device_id("home", "Two", {taken}) == first.device_id
    assert (5007, "two-2", "Second") == (first.port, first.slug, first.title)
    assert (1010, 1010 + BLOCK - 1) == first.block
    assert (5008, "two-2-2", "Second 2", "Two") == (part.port, part.slug, part.title, part.split_of)
    assert (1801, 1801 + BLOCK - 1) == part.block
    assert (5009, "two-3", "two") == (last.port, last.slug, last.title)
    assert 4 == len({mine.device_id, first.device_id, part.device_id, last.device_id})


def test_what_an_edit_changes_of_a_known_dvr() -> None:
    """Id, port, title, guide and protection as the spec says now, else as they were; a part keeps its id and its port."""
    spec = simple_spec(NEWS, serve=Serve(ports=(5005, 5010)))
    old = known("news", port=5005, protected=True)
    devices = Devices(spec, ledger_of(old, known("news-2", "news"), known("free", port=5007)))
    assert old == devices.record("news", Dvr("news", "news"))
    edited = Dvr(
        "news", "news", device_id="10AAAAAA", port=5009, title="News", guide_path="g.xml", protect=False
    )
    assert replace(
        old, device_id="10AAAAAA", port=5009, title="News", guide_path="g.xml", protected=False
    ) == devices.record("news", edited)
    part = devices.record("news-2", edited)
    assert ("ID-news-2", 5006, "News 2") == (part.device_id, part.port, part.title)
    assert 5007 == devices.record("free", Dvr("free", "news")).port
