"""Plans to render: one of each thing a plan can say, with invented figures."""

from dataclasses import replace

from reconciler.catalog.entry import Dropped, SourceReport
from reconciler.lineups.model import Block, Funnel, Held
from reconciler.planning.model import (
    Action,
    Change,
    Counts,
    Digests,
    DriftItem,
    FieldChange,
    Foreign,
    LastApply,
    Loss,
    NamedChannel,
    Plan,
    PlanWarning,
    Summary,
)

__all__ = ["busy_plan", "channels", "quiet_plan"]


def channels(first: int, count: int, *, name: str = "Channel", why: str = "") -> tuple[NamedChannel, ...]:
    """`count` channels with numbers from `first` up."""
    return tuple(
        NamedChannel(first + i, f"{name} {i + 1}", f"main/{first + i}", "source", group="US| NEWS", why=why)
        for i in range(count)
    )


def quiet_plan() -> Plan:
    """Nothing to change."""
    return Plan(
        made="2026-03-04T04:31:00Z",
        version="0.4.0",
        spec_name="home.yaml",
        spec_files=("home.yaml", "a.yaml", "b.yaml", "c.yaml"),
        env="prod",
        plex="known",
        plex_why="",
        server_name="plex.home",
        server_machine="b4e06fd5",
        server_version="1.43.2.10687-563d026ea",
        ledger_lineage="7f3a",
        ledger_serial=123,
        digests=Digests("91c0", "0be2", {}, "aa", "bb"),
        sources=(),
        funnels=(),
        entries=41_872,
        without_guide=31_006,
        filtered=(("no-adult", 6_388),),
        unbucketed=(("AF|Arabic", 41), ("AS|Hindi", 36)),
        held=(),
        drift=(),
        foreign=(),
        changes=(
            Change("same", "generalent", Counts(455, 455)),
            Change("same", "eusouth", Counts(302, 302)),
        ),
        warnings=(),
        actions=(),
        summary=Summary(same=2),
        files_written=(),
        guide_loads=0,
        estimate_s=None,
        estimate_basis="",
        requests=41,
        seconds=2.2,
    )


def busy_plan() -> Plan:
    """Everything at once: drift, foreign objects, blocks, losses, costs."""
    shrink = Block("S101", "moviesprem", "shrink 42.0 % > 30 %", "shrink:moviesprem")
    swap = Block("S202", "ukie", "replace (guide URL)", "replace:ukie", "replace")
    gone = Block("S201", "asia", "delete (not in spec)", "delete:asia", "delete")
    full = Block("S301", "docsfam", "481 channels need 481 places, it holds 480", "")
    return replace(
        quiet_plan(),
        last_apply=LastApply(117, "2026-02-28T04:09:11Z"),
        sources=(
            SourceReport(
                "main",
                "xtream",
                "fresh",
                41_872,
                seconds=4.1,
                host=2,
                hosts=6,
                notes=("host 1: 200 with empty body",),
                dropped=(Dropped("no usable id", 3, ("ESPN 8", "Das Erste")),),
            ),
            SourceReport("backup", "m3u", "cached", 38_120, age_s=7200, notes=("HTTP 503, 3 tries",)),
            SourceReport("guide", "xmltv", "fresh", 9_310, seconds=6.8, size_bytes=84_200_000),
        ),
        funnels=(Funnel("sportsa", 812, 640, 600, 590, 480),),
        held=(Held("main/7", "Dave HD", "ukie", "generalent", "UK|ENT", "UK|ENTERTAINMENT"),),
        drift=(
            DriftItem(
                "newsus",
                "channels",
                "211 on",
                "209 on",
                "switch on again",
                "2 channels switched off in Plex: 1604 CNBC World, 1688 Newsy",
            ),
            DriftItem(
                "otherworld", "tuner address", "http://10.0.0.5:5017", "http://10.0.0.5:5015", "set to :5017"
            ),
        ),
        foreign=(
            Foreign("201", "Antenna", "HDHomeRun 10A1B2C3", 61),
            Foreign("207", "", "Unknown", 0, "tuner"),
        ),
        changes=(
            Change(
                "change",
                "bcastus",
                Counts(
                    470,
                    472,
                    channels(1470, 4, name="Local"),
                    channels(1400, 2, name="Old", why="gone from source main"),
                    channels(1000, 3),
                ),
                causes=("source",),
                map_bytes=29_279,
                guide_loads=1,
            ),
            Change(
                "change", "newsus", Counts(211, 211), causes=("drift",), map_bytes=13_097, note="2 back on"
            ),
            Change(
                "change",
                "moviesprem",
                Counts(338, 196, (), channels(4000, 142, name="Movie", why="gone from source main")),
                blocks=(shrink,),
            ),
            Change("same", "generalent", Counts(455, 455)),
            Change("move", "docsfam", Counts(161, 161), note='was "docs"; DVR 141 is kept', blocks=(full,)),
            Change(
                "replace",
                "ukie",
                Counts(388, 391, channels(6500, 3, name="電視台 東京")),
                fields=(
                    FieldChange(
                        "guide URL",
                        "http://10.0.0.4:5012/guide.xml",
                        "http://10.0.0.5:5012/guide.xml",
                        forces="replace",
                    ),
                ),
                blocks=(swap,),
                loses=(Loss("recording rules", 5),),
                details=("Plex cannot change a guide URL in place: DVR 147 is deleted and created again",),
            ),
            Change(
                "adopt",
                "eunordics",
                Counts(254, 260, channels(6900, 6)),
                map_bytes=16_135,
                note="DVR 153, same DeviceID",
            ),
            Change(
                "add",
                "latin",
                Counts(0, 347, channels(7600, 347, name="Canal | de *todos*")),
                map_bytes=21_529,
                note="new tuner on :5016",
                details=(
                    "1 register tuner  2 create DVR  3 load guide  4 switch on 347 channels (7600-7946)",
                ),
            ),
            Change("change", "otherworld", Counts(431, 431), content_only=True),
            Change("delete", "asia", Counts(188, 0, (), channels(8200, 188)), blocks=(gone,)),
        ),
        warnings=(
            PlanWarning(
                "W207",
                'moviesprem: all 142 removals had group "VOD|24-7", which the source no longer sends',
                "ptctl explain dvr moviesprem",
            ),
        ),
        actions=(
            Action("register-device:latin", "register-device", "latin", effect="tuner registered at :5016"),
            Action(
                "create-dvr:latin",
                "create-dvr",
                "latin",
                needs=("register-device:latin",),
                effect="DVR created",
            ),
        ),
        summary=Summary(add=1, change=3, adopt=1, same=1, blocked=4),
        files_written=tuple(f"file{i}" for i in range(10)),
        guide_loads=6,
        estimate_s=184.0,
        estimate_basis="median of 10 runs: 92 s each",
        blocks=(shrink, full, swap, gone),
        allowed=("shrink:eueast",),
    )
