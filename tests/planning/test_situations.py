"""What a plan says and does about one DVR, in every situation that spec, ledger and Plex can be in: compared with stored files.

`PTCTL_STORE=1 python -m pytest tests/planning/test_situations.py` writes them again; the change is read in review. Each
names everything the plan has of the DVR but its channels: the words are for people, the arguments for other programs.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from reconciler.ledger.model import Applied, Retired
from reconciler.lineups.manifest import Manifest
from reconciler.lineups.model import Block
from reconciler.planning.adoption import UNMATCHED
from reconciler.planning.diff import map_digest
from reconciler.planning.inputs import PublishedRow
from reconciler.plex.model import Device, Dvr, Unknown
from reconciler.plex.requests import lineup_uri
from reconciler.spec.model import Serve
from tests.planning.worlds import NOW, Home, pairs, port

STORED: Final = Path(__file__).parent / "stored"
STORE: Final = os.environ.get("PTCTL_STORE") == "1"

NEWS: Final = {"news": {1000: "BBC", 1001: "Sky", 1002: "Arte"}}
LESS: Final = {"news": {1000: "BBC", 1002: "Arte"}}
MORE: Final = {"news": {**NEWS["news"], 1003: "Zee"}}
SAME_GUIDE: Final = f"http://ptctl:{port('news')}/guide.xml"


def home(before: Any = NEWS, after: Any = NEWS, **changes: Any) -> Home:
    """The DVR as it was and as it shall be. Any: the fields of a `Home`."""
    return Home(before, after, **changes)


def applied(made: Home, **changes: Any) -> Home:
    """The same home, where something else was noted at the last apply."""
    noted = made.ledger().dvrs["news"].applied
    assert noted is not None
    return replace(made, records={"news": {"applied": replace(noted, **changes)}})


def seen(made: Home, **changes: Any) -> Home:
    """The same home, where Plex shows something else altogether."""
    return replace(made, changes={**made.changes, "observed": replace(made.observed(), **changes)})


def unledgered(made: Home, **record: Any) -> Home:
    """The same home after its ledger was lost."""
    desired, before = made.desired(), made.ledger()
    blank = {"device_key": "", "dvr_key": "", "dvr_uuid": "", "machine": "", "applied": None, **record}
    targets = tuple(replace(t, record=replace(t.record, **blank)) for t in desired.dvrs)
    dvrs = {t.record.name: t.record for t in targets}
    lost = {
        "ledger": replace(before, dvrs={}, channels={}),
        "desired": replace(desired, dvrs=targets, ledger=replace(desired.ledger, dvrs=dvrs)),
    }
    return replace(made, changes={**made.changes, **lost})


def other(key: str, *numbers: int, guide: str = "http://10.0.0.9/guide.xml") -> Dvr:
    """A DVR that somebody else made."""
    device = Device(
        f"9{key}", "device://y", f"TF{key}", "http://10.0.0.9", parent=key, pairs=pairs(list(numbers))
    )
    return Dvr(key, f"u{key}", lineup_uri(guide, "old"), "old", devices=(device,))


def with_company() -> Home:
    """Somebody put a tuner of their own into our DVR, and its guide moves."""
    made = home(host_after="http://nas", rules={"18": 1})
    (ours,) = made.observed().devices  # type: ignore[misc]  # known, as `Home` makes it
    return replace(made, plex_dvrs={"news": {"devices": (ours, other("40").devices[0])}})


def reserved(*numbers: int, **changes: Any) -> Home:
    """Adopted with numbers that no channel matches."""
    on = pairs([1000, 1001, 1002, *numbers])
    made = home(devices={"news": {"pairs": on}}, **changes)
    desired = made.desired()
    kept = tuple(Retired("news", n, f"{UNMATCHED}{n}", NOW[:10]) for n in numbers)
    made = applied(made, map_digest=map_digest(on))
    ledger = replace(made.ledger(), retired=kept)
    desired = replace(made.desired(), ledger=replace(desired.ledger, dvrs=ledger.dvrs, retired=kept))
    return replace(made, changes={"ledger": ledger, "desired": desired})


def all_off(after: Any, before: Any = MappingProxyType({})) -> Home:
    """A DVR that Plex does not have, because no channel of it has any programme."""
    made = home(before, after, records={"news": {"dvr_key": "", "applied": None}}, absent=frozenset({"news"}))
    desired = made.desired()
    targets = tuple(
        replace(t, lineup=replace(t.lineup, rows=tuple(replace(r, off=True) for r in t.lineup.rows)))
        for t in desired.dvrs
    )
    changes: dict[str, Any] = {"desired": replace(desired, dvrs=targets)}
    public = made.published
    if public is not None:
        changes["published"] = silent(public)
    made = replace(made, changes=changes)
    rows = tuple(
        PublishedRow(n, f"main/{name}", name, off=True) for n, name in before.get("news", {}).items()
    )
    manifest = silent(made.plan_inputs().manifest)
    return replace(made, inputs={"manifest": manifest, "before": {"news": rows}})


def silent(manifest: Manifest) -> Manifest:
    """The same tuners with every channel switched off."""
    return replace(manifest, dvrs=tuple(replace(d, off=tuple(d.channels)) for d in manifest.dvrs))


SITUATIONS: Final[dict[str, Callable[[], Home]]] = {
    # what Plex does not have
    "new": lambda: home({}),
    "new-same-guide-once": lambda: home({}, foreign=(other("40", guide=SAME_GUIDE),)),
    "new-same-guide-twice": lambda: home({}, foreign=(other("40", guide=SAME_GUIDE), other("41", guide=SAME_GUIDE))),
    "new-without-channels": lambda: home({}, {"news": {}}),
    "new-without-channels-blocked": lambda: home({}, {"news": {}}, blocks=(Block("S301", "news", "full", ""),)),
    "new-without-programmes": lambda: all_off(NEWS),
    "still-without-programmes": lambda: all_off(NEWS, NEWS),
    "more-without-programmes": lambda: all_off(MORE, NEWS),
    "tuner-gone": lambda: home(absent=frozenset({"news"})),
    "tuner-gone-never-applied": lambda: home(absent=frozenset({"news"}), records={"news": {"applied": None}}),
    "dvr-gone": lambda: home(devices={"news": {"parent": "", "pairs": ()}}),
    "dvr-gone-address-differs-numbers-of-others": lambda: home(
        after=MORE, devices={"news": {"parent": "", "pairs": (), "uri": "http://old:1"}}, foreign=(other("50", 1003),)
    ),
    "dvr-gone-key-unknown": lambda: home(
        devices={"news": {"parent": "", "pairs": ()}}, records={"news": {"dvr_key": "", "device_key": ""}}
    ),
    "run-died-after-registering": lambda: home(
        devices={"news": {"parent": "", "pairs": (), "title": ""}}, records={"news": {"dvr_key": "", "applied": None}}
    ),
    "run-died-after-creating": lambda: home(
        devices={"news": {"pairs": ()}}, records={"news": {"applied": None}}
    ),
    # what the ledger does not have
    "adopted": lambda: unledgered(home()),
    "adopted-with-other-title": lambda: unledgered(home(plex_dvrs={"news": {"lineup_title": "Nachrichten", "lineup": lineup_uri(SAME_GUIDE, "Nachrichten")}})),
    "adopted-tuner-without-dvr": lambda: unledgered(home(devices={"news": {"parent": "", "pairs": ()}})),
    "adopted-with-unmatched": lambda: reserved(1500, 1501),
    "adopted-with-unmatched-map-sent": lambda: reserved(1500, 1501, after=MORE),
    "adopted-with-one-unmatched": lambda: reserved(1500),
    "adopted-with-one-unmatched-map-sent": lambda: reserved(1500, after=MORE),
    "adopted-with-explicit-title": lambda: unledgered(home(dvr={"news": {"title": "News TV"}})),
    # channels
    "channel-gone": lambda: home(after=LESS, changes={"allow": ("shrink:all",)}),
    "channel-new": lambda: home(after=MORE),
    "lineup-differs": lambda: applied(home(), lineup_digest="another"),
    "lineup-not-known": lambda: applied(home(), lineup_digest="", guide_digest=""),
    "map-by-others": lambda: home(devices={"news": {"pairs": pairs([1000, 1002, 1099])}}),
    "map-by-others-and-channel-new": lambda: home(after=MORE, devices={"news": {"pairs": pairs([1000, 1002])}}),
    "map-by-others-generation-gone": lambda: home(devices={"news": {"pairs": pairs([1000])}}, inputs={"manifests": {}}),
    "map-as-it-shall-be": lambda: home(after=LESS, devices={"news": {"pairs": pairs([1000, 1002])}}, changes={"allow": ("shrink:all",)}),
    "unpaired": lambda: applied(
        home(devices={"news": {"pairs": pairs([1000])}}), unmatched="1001-1002", map_digest=map_digest(pairs([1000]))
    ),
    "unpaired-and-guide-moved": lambda: replace(
        applied(
            home(devices={"news": {"pairs": pairs([1000])}}), unmatched="1001-1002", map_digest=map_digest(pairs([1000]))
        ),
        guide_after="g2",
        spec={"serve": Serve(guide_reload_s=60.0)},
    ),
    "unpaired-and-lineup-differs": lambda: applied(
        home(devices={"news": {"pairs": pairs([1000])}}), unmatched="1001-1002", map_digest=map_digest(pairs([1000])), lineup_digest="another"
    ),
    "too-many-bytes": lambda: home(after={"news": {10_000 + n: f"c{n}" for n in range(480)}}, changes={"allow": ("renumber:news", "shrink:news", "shrink:all")}),
    "numbers-of-others": lambda: home(after={"news": {**MORE["news"], 1004: "Yes"}}, foreign=(other("50", 1003, 1002), other("49", 1004))),
    "numbers-of-others-allowed": lambda: home(
        after=MORE, foreign=(other("50", 1003),), changes={"allow": ("overlap:news",)}
    ),
    # guides that moved on
    "guide-moved": lambda: home(guide_after="g2"),
    "guide-moved-due": lambda: home(guide_after="g2", spec={"serve": Serve(guide_reload_s=15_160.0)}),  # to the second
    "guide-made-otherwise": lambda: replace(applied(home(), guide_rules="before"), guide_after="g2"),
    "guide-made-otherwise-without-effect": lambda: applied(home(), guide_rules="before"),
    "guide-moved-never-loaded": lambda: replace(applied(home(), loaded_at=""), guide_after="g2"),
    # addresses, titles, settings
    "address-by-others": lambda: home(devices={"news": {"uri": "http://10.0.0.9:1"}}),
    "address-of-the-spec": lambda: applied(home(devices={"news": {"uri": "http://old:1"}}), tuner_uri="http://old:1"),
    "address-by-both": lambda: applied(home(devices={"news": {"uri": "http://10.0.0.9:1"}}), tuner_uri="http://old:1"),
    "other-number-of-tuners": lambda: home(devices={"news": {"tuners": 4}}),
    "tuner-renamed-and-off": lambda: home(devices={"news": {"title": "x", "state": "disabled"}}),
    "tuner-off": lambda: home(devices={"news": {"state": "disabled"}}),
    "tuner-renamed-adopted": lambda: home(
        devices={"news": {"title": "x"}}, records={"news": {"adopted": True}}, after=MORE
    ),
    "moving-house": lambda: home(host_after="http://nas", rules={"18": 3}),
    "moving-house-allowed": lambda: home(host_after="http://nas", rules={"18": 3}, changes={"allow": ("replace:news",)}),
    "moving-house-protected": lambda: home(
        host_after="http://nas", records={"news": {"protected": True}}, changes={"allow": ("replace:news",)}
    ),
    "moving-house-busy": lambda: home(host_after="http://nas", changes={"busy": {"news": 2}, "allow": ("replace:news",)}),
    "moving-house-with-company": with_company,
    "guide-by-others": lambda: home(plex_dvrs={"news": {"lineup": lineup_uri("http://10.0.0.9/g.xml", "news")}}),
    "guide-by-others-and-guide-moved": lambda: home(
        plex_dvrs={"news": {"lineup": lineup_uri("http://10.0.0.9/g.xml", "news")}}, guide_after="g2"
    ),
    "guide-of-the-spec": lambda: applied(
        home(plex_dvrs={"news": {"lineup": lineup_uri("http://old/g.xml", "news")}}), guide_url="http://old/g.xml"
    ),
    "other-title": lambda: home(dvr={"news": {"title": "News TV"}}, rules=Unknown("500")),
    "other-title-and-guide-moved": lambda: home(dvr={"news": {"title": "News TV"}}, guide_after="g2"),
    "title-spelled-out": lambda: home(dvr={"news": {"title": "news"}}),
    "other-title-and-moving-house": lambda: home(dvr={"news": {"title": "News TV"}}, host_after="http://nas", after=MORE),
    "renamed": lambda: home({"old": NEWS["news"]}, old_names={"news": "old"}),
    "renamed-with-title": lambda: home({"old": NEWS["news"]}, old_names={"news": "old"}, dvr={"news": {"title": "old"}}),
    "renamed-never-applied": lambda: home(
        {"old": NEWS["news"]}, old_names={"news": "old"}, absent=frozenset({"old"}), records={"old": {"dvr_key": "", "applied": None}}
    ),
    # what cannot be known
    "plex-half-read": lambda: seen(home(after=MORE), dvrs=Unknown("500 from Plex")),
    "plex-half-read-never-applied": lambda: seen(
        home(records={"news": {"applied": None}}), dvrs=Unknown("500 from Plex")
    ),
    "plex-half-read-new": lambda: seen(home({}), devices=Unknown("500 from Plex")),
    "blocked-elsewhere": lambda: home(guide_after="g2", blocks=(Block("S303", "news", "no number", "reuse:news", "write"),)),
}  # fmt: skip


def told(value: Any, depth: int = 0) -> Iterator[str]:
    """The fields of a value that say something, a line each. Any: a dataclass of the plan."""
    margin = "  " * depth
    for one in fields(value):
        content = getattr(value, one.name)
        if content in ((), "", None, 0, {}) or one.name in {"counts", "at"}:
            continue
        if isinstance(content, tuple) and is_dataclass(content[0]):
            for part in content:
                yield f"{margin}{one.name}:"
                yield from told(part, depth + 1)
        elif isinstance(content, tuple):
            yield from (f"{margin}{one.name}: {part}" for part in content)
        elif isinstance(content, dict):
            yield from (f"{margin}{one.name}: {key} = {said}" for key, said in content.items())
        else:
            yield f"{margin}{one.name}: {content}"


DIGESTS: Final = ("generation", "map_digest", "guide_digest", "lineup_digest", "guide_rules")


def story(made: Home) -> str:
    """All that the plan has of the DVR. Of an action what it needs and is told; its sentences are in `actions.txt`."""
    planned = made.planned()
    plan = planned.plan
    parts: list[tuple[str, Any]] = [("change", c) for c in plan.changes]
    parts += [("drift", d) for d in plan.drift]
    parts += [("warning", w) for w in plan.warnings if w.dvr]
    lines = [line for name, value in parts for line in (name, *told(value, 1), "")]
    for action in plan.actions:
        lines.append(f"{action.id} after {', '.join(action.needs) or 'nothing'}")
        if action.kind != "publish":
            lines += [f"  {name} = {said}" for name, said in (action.args or {}).items() if said]
    before, noted = (ledger.dvrs.get("news") for ledger in (made.world().ledger, planned.ledger))
    was, now = (record.applied if record else None for record in (before, noted))
    if now is not None and now != was:
        lines += ["", "noted as applied without a write"]
        public = made.plan_inputs().manifest.dvrs[0]
        assert (public.guide_digest, public.lineup_digest) == (now.guide_digest, now.lineup_digest)
        for one in fields(Applied):
            said = getattr(now, one.name)
            if said and (was is None or said != getattr(was, one.name)):
                lines.append(f"  {one.name}" if one.name in DIGESTS else f"  {one.name}: {said}")
    return "\n".join(lines).strip() + "\n"


def check(name: str, text: str) -> None:
    """Compare with the stored file, or write it."""
    path = STORED / f"{name}.txt"
    if STORE:
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_situation_is_as_stored(situation: str) -> None:
    """Kind, causes, remark, fields, blocks, losses, drift, warnings and each action with its reason and its undo."""
    check(situation, story(SITUATIONS[situation]()))


def test_the_words_of_actions_are_as_stored() -> None:
    """Each kind once with all its sentences: why, what must hold before, what it leads to, what is lost, how to undo it."""
    homes = [
        SITUATIONS[s]()
        for s in ("new", "address-by-others", "moving-house-allowed", "channel-gone", "lineup-differs")
    ]
    homes.append(
        home(
            {**NEWS, "old": {2000: "Old"}}, NEWS, changes={"allow": ("delete:old", "shrink:all", "empty:old")}
        )
    )
    homes.append(home({}, {"news": {1000: "A"}, "also": {2000: "B"}}))
    actions: dict[tuple[str, ...], str] = {}
    for one in homes:
        inputs = one.plan_inputs()
        for a in one.planned().plan.actions:
            text = "\n".join(told(a)).replace(inputs.generation, "NEW")
            if inputs.published_generation:
                text = text.replace(inputs.published_generation, "OLD")
            actions[a.kind, a.reason, a.undo.partition(" ")[0], (a.args or {}).get("dvrs", "")] = text
    check("actions", "\n\n".join(text for _, text in sorted(actions.items())) + "\n")


def test_every_stored_file_belongs_to_a_situation() -> None:
    """None is left behind when a situation goes."""
    assert {*SITUATIONS, "actions"} == {path.stem for path in STORED.glob("*.txt")}
