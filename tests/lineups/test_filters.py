"""Filters as the spec says them: what each does to a channel, what is counted, and what an override keeps from them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from reconciler.catalog.entry import Entry
from reconciler.lineups.explain import explain
from reconciler.lineups.model import Channel, Desired
from reconciler.spec.model import (
    Bucket,
    Drop,
    FieldIs,
    Filter,
    FilterAction,
    Guide,
    Is,
    Merge,
    Only,
    Override,
    Prefer,
    Rename,
    SetFields,
    Spec,
)
from tests.lineups.worlds import TODAY, catalog, entry, everything, field, guide, run, simple_spec

ALL = Bucket("all", everything)
LISTED = FieldIs("guide", Is("listed"))


def filtered(*actions: FilterAction, bucket: Bucket = ALL, **more: Any) -> Spec:
    """One bucket behind these filters, named f0, f1 and so on."""
    filters = tuple(Filter(f"f{i}", action) for i, action in enumerate(actions))
    return simple_spec(bucket, filters=filters, **more)


def shown(spec: Spec, entries: Iterable[Entry], **more: Any) -> dict[str, Channel]:
    """The channels of `all` by id."""
    target = next(t for t in run(spec, entries, **more).dvrs if t.record.name == "all")
    return {row.channel.id: row.channel for row in target.lineup.rows}


def lost(spec: Spec, entries: Iterable[Entry], **more: Any) -> dict[str, int]:
    """How many entries each filter took out."""
    return dict(run(spec, entries, **more).filtered)


def told(desired: Desired) -> dict[str, str]:
    """The XMLTV id that tells each channel's programmes."""
    rows = (row for t in desired.dvrs for row in t.lineup.rows)
    return {r.channel.name: r.channel.link.xmltv_id for r in rows if r.channel.link}


def test_drop_and_only_are_counted_in_live_entries() -> None:
    """Films are taken out as well and counted nowhere: no lineup lacks them. A merged channel counts with all its entries."""
    entries = [entry(1, "A", "X"), entry(2, "B", "Y"), entry(3, "A", "X"), entry(4, "F", "X", kind="vod")]
    spec = filtered(Drop(field("group", "X")))
    assert ({"main/2"}, {"f0": 2}) == (set(shown(spec, entries)), lost(spec, entries))
    assert () == run(spec, entries).exports
    spec = filtered(Only(field("group", "X")))
    assert ({"main/1", "main/3"}, {"f0": 1}) == (set(shown(spec, entries)), lost(spec, entries))
    merged = filtered(Merge(("name",)), Drop(field("name", "A")))
    assert {"f0": 1, "f1": 2} == lost(merged, entries)


def test_a_merge_counts_what_it_folds() -> None:
    """Two of three live entries of one name are alternatives now; films merge uncounted; nothing folded is not listed."""
    live = [entry(i, "A", number=i) for i in (1, 2, 3)]
    films = [entry(i, "A", kind="vod") for i in (4, 5)]
    assert {"f0": 2} == lost(filtered(Merge(("name",))), [*live, *films])
    assert {} == lost(filtered(Merge(("name",))), [live[0], *films])


def test_what_lacks_a_guide_is_counted_apart() -> None:
    """SPL-2's count: entries that a filter on `guide` takes out, by whichever filter."""
    entries = [entry(1, "A", guide_id="a"), entry(2, "B"), entry(3, "C", guide_id="none")]
    spec = filtered(Only(LISTED))
    desired = run(spec, entries, guides={"main": guide("a")})
    assert (2, ()) == (desired.without_guide, desired.filtered)
    spec = filtered(Drop(FieldIs("guide", Is("id"))))
    desired = run(spec, entries, guides={"main": guide("a")})
    assert (2, ()) == (desired.without_guide, desired.filtered)


@pytest.mark.parametrize(
    "action",
    [
        Drop(LISTED),
        SetFields(LISTED, (("group", "X"),)),
        Merge(("name",), (Prefer(field("name", "zzz")), Prefer(LISTED))),
    ],
)
def test_a_filter_that_asks_the_guides_gets_an_answer(action: FilterAction) -> None:
    """Guides are matched before the first filter that asks for them."""
    entries = [entry(1, "A", number=1), entry(2, "A", guide_id="a", number=2)]
    found = shown(filtered(action), entries, guides={"main": guide("a")})
    match action:
        case Drop():
            assert {"main/1"} == found.keys()
        case SetFields():
            assert {"main/1": "", "main/2": "X"} == {i: c.group for i, c in found.items()}
        case _:
            assert {"main/2": ("main/1",)} == {i: c.aliases for i, c in found.items()}


def test_a_rename_of_names() -> None:
    """Blanks go; a name that would be eaten whole stays; a guide is asked by the new one; quality is the provider's word."""
    entries = [entry(1, "News FHD"), entry(2, "FHD"), entry(3, "Other")]
    spec = filtered(
        Only(FieldIs("guide", Is("any"))),
        Rename("name", r"FHD$", ""),
        guides={"main": Guide("main", source="main", match=("name",))},
    )
    names = {"News tonight": ("News",), "o": ("Other",)}
    known = guide(*names, names=names)
    found = shown(spec, entries, guides={"main": known})
    assert {"main/1": "News", "main/2": "FHD", "main/3": "Other"} == {i: c.name for i, c in found.items()}
    assert "fhd" == found["main/1"].quality
    assert {"News": "News tonight", "Other": "o"} == told(run(spec, entries, guides={"main": known}))


def test_a_rename_changes_whom_the_guide_means() -> None:
    """A channel that was matched under its old name is matched anew."""
    spec = filtered(
        Drop(FieldIs("guide", Is("nothing"))),
        Rename("name", r"^Old$", "New"),
        guides={"main": Guide("main", source="main", match=("name",))},
    )
    known = guide("o", "n", names={"o": ("Old",), "n": ("New",)})
    assert {"New": "n"} == told(run(spec, [entry(1, "Old")], guides={"main": known}))


def test_a_rename_of_groups() -> None:
    """Every channel of the group; one that would be eaten whole stays; buckets see the new one."""
    entries = [entry(1, "A", "UK| News"), entry(2, "B", "UK| News"), entry(3, "C", "UK|"), entry(4, "D", "X")]
    spec = filtered(Rename("group", r"^UK\|", ""), bucket=Bucket("all", field("group", "News*")))
    assert {"main/1": "News", "main/2": "News"} == {i: c.group for i, c in shown(spec, entries).items()}
    spec = filtered(Rename("group", r"^UK\|", ""))
    assert {"News", "UK|", "X"} == {c.group for c in shown(spec, entries).values()}


def test_set_gives_fields_where_it_matches() -> None:
    """Each field of the spec's list, and nothing elsewhere."""
    values: Any = (
        ("name", "N"), ("group", "G"), ("guide_id", "i"), ("logo", "http://l"), ("country", "DE"),
        ("language", "de"), ("quality", "uhd"),
    )  # fmt: skip
    found = shown(
        filtered(SetFields(field("name", "A*"), values)), [entry(1, "B"), entry(2, "A"), entry(3, "A2")]
    )
    for id_ in ("main/2", "main/3"):
        c = found[id_]
        assert tuple(v for _, v in values) == (c.name, c.group, c.guide_id, c.logo, c.country, c.language, c.quality)  # fmt: skip
    assert ("B", "", "") == (found["main/1"].name, found["main/1"].guide_id, found["main/1"].quality)


@pytest.mark.parametrize(("name", "value", "match"), [("guide_id", "n", "id"), ("name", "New", "name")])
def test_a_set_name_or_id_is_asked_of_the_guide_again(name: Any, value: str, match: Any) -> None:
    """The link to the old one is gone, whichever filter asked for it before."""
    spec = filtered(
        Drop(FieldIs("guide", Is("nothing"))),
        SetFields(everything, ((name, value),)),
        guides={"main": Guide("main", source="main", match=(match,))},
    )
    known = guide("o", "n", names={"o": ("Old",), "n": ("New",)})
    told_now = told(run(spec, [entry(1, "Old", guide_id="o")], guides={"main": known}))
    assert ["n"] == list(told_now.values())


@pytest.mark.parametrize(
    ("said", "action"),
    [
        (Override("main/1", name="Mine"), Rename("name", "M", "X")),
        (Override("main/1", name="Mine"), SetFields(everything, (("name", "X"), ("country", "DE")))),
        (Override("main/1", group="Mine"), Rename("group", "M", "X")),
        (Override("main/1", group="Mine"), SetFields(everything, (("group", "X"), ("country", "DE")))),
        (Override("main/1", guide_id="Mine"), SetFields(everything, (("guide_id", "X"), ("country", "DE")))),
        (Override("main/1", logo="Mine"), SetFields(everything, (("logo", "X"), ("country", "DE")))),
    ],
)
def test_no_filter_changes_what_an_override_set(said: Override, action: FilterAction) -> None:
    """The spec's word for one channel stands; its other fields, and other channels, are filtered as ever."""
    entries = [entry(1, "A"), entry(2, "M", "M", guide_id="M", logo="M")]
    found = shown(filtered(action, overrides=(said,)), entries)
    mine = found["main/1"]
    assert 1 == [mine.name, mine.group, mine.guide_id, mine.logo].count("Mine")
    assert ("DE" if isinstance(action, SetFields) else "") == mine.country
    other = found["main/2"]
    assert 1 == [other.name, other.group, other.guide_id, other.logo].count("X")


def told_by(spec: Spec, entries: Iterable[Entry], query: str, place: int = 0) -> list[tuple[str, str]]:
    """What `explain` says of the filters that one entry met; of several that `query` means, the one at `place`."""
    found = explain(query, spec, catalog(*entries), {}, run(spec, entries).ledger, today=TODAY)
    events = found[place].events
    return [(e.stage, e.verdict) for e in events if e.stage.startswith(("filter", "overrides"))]


def test_explain_says_what_each_filter_did() -> None:
    """Dropped, kept and why, changed from what to what, an alternative of whom, standing for how many."""
    entries = [entry(1, "A HD", "G", number=1), entry(2, "A", "G", number=2), entry(3, "B", "G", number=3)]
    spec = filtered(
        Only(field("group", "G")),
        Drop(field("name", "Z")),
        SetFields(field("name", "B"), (("group", "H"), ("logo", "l"))),
        Merge(("name",)),
        Drop(field("name", "B")),
    )
    assert [
        ("filter f0", "kept (matches)"),
        ("filter f1", "kept (no match)"),
        ("filter f2", "'G' -> 'H', '' -> 'l'"),
        ("filter f3", "kept (no match)"),
        ("filter f4", "dropped"),
    ] == told_by(spec, entries, "main/3")
    assert ("filter f3", "stands for 2 alternatives") == told_by(spec, entries, "main/1")[3]
    assert ("filter f3", "an alternative of main/1") in told_by(spec, entries, "main/1", 1)


def test_explain_says_what_an_override_did() -> None:
    """Set, or to be dropped and then dropped."""
    entries = [entry(1, "A"), entry(2, "B")]
    spec = filtered(overrides=(Override("main/1", name="C"), Override("main/2", drop=True)))
    assert [("overrides", "set")] == told_by(spec, entries, "main/1")
    assert [("overrides", "to be dropped"), ("overrides", "dropped")] == told_by(spec, entries, "main/2")


def test_an_override_finds_its_channel_by_any_id() -> None:
    """Its own, or that of a member which the provider no longer lists: then the channel the ledger knows is meant."""
    spec = filtered(Merge(("guide_id",)), overrides=(Override("main/2", name="Mine"),))
    both = [entry(1, "A", guide_id="a", number=1), entry(2, "A2", guide_id="a", number=2)]
    first = run(spec, both)
    assert {"main/1": "Mine"} == {i: c.name for i, c in shown(spec, both).items()}
    alone = shown(spec, both[:1], ledger=first.ledger)
    assert {"main/1": "Mine"} == {i: c.name for i, c in alone.items()}
    assert {"main/1": "A"} == {i: c.name for i, c in shown(spec, both[:1]).items()}
    main = replace(spec, overrides=(Override("main/1", name="Mine"),))
    gone = shown(main, both[1:], ledger=first.ledger)
    assert {"main/1": "Mine"} == {i: c.name for i, c in gone.items()}


def test_later_overrides_win_field_by_field() -> None:
    """What the second does not say stays as the first said."""
    spec = filtered(overrides=(Override("main/1", name="One", logo="l"), Override("main/1", name="Two")))
    (found,) = shown(spec, [entry(1, "A")]).values()
    assert ("Two", "l") == (found.name, found.logo)


def test_an_overrides_id_is_asked_of_the_guide() -> None:
    """The programmes of the channel are those of the id that the author gave it."""
    spec = filtered(overrides=(Override("main/1", guide_id="n"),))
    assert {"A": "n"} == told(run(spec, [entry(1, "A", guide_id="o")], guides={"main": guide("o", "n")}))


def test_a_dropped_channel_is_counted_under_overrides() -> None:
    """One entry, or all that were merged into it; whichever of them was named."""
    entries = [entry(1, "A", guide_id="a"), entry(2, "B", guide_id="a"), entry(3, "C")]
    spec = filtered(overrides=(Override("main/2", drop=True),))
    assert {"overrides": 1} == lost(spec, entries)
    spec = filtered(Merge(("guide_id",)), overrides=(Override("main/2", drop=True),))
    assert ({"main/3"}, {"f0": 1, "overrides": 2}) == (set(shown(spec, entries)), lost(spec, entries))


def test_filters_for_a_bucket_meet_nobody_else() -> None:
    """They are applied after bucketing, and take nothing from the others."""
    special = Filter("hd", Drop(field("name", "*HD")), buckets=("news",))
    spec = simple_spec(Bucket("news", field("group", "N")), Bucket("all", everything), filters=(special,))
    entries = [entry(1, "A HD", "N"), entry(2, "B", "N"), entry(3, "C HD", "X")]
    desired = run(spec, entries, today=date(2026, 3, 4))
    assert {"news": ["main/2"], "all": ["main/3"]} == {
        t.record.name: [row.channel.id for row in t.lineup.rows] for t in desired.dvrs
    }
    assert (("hd", 1),) == desired.filtered
