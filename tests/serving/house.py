"""A house with many DVRs and a guide around the present time, for the tests of pages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from reconciler.catalog.guide_times import time_text
from reconciler.ledger.journal import Journal
from reconciler.ledger.model import Applied, ChannelRecord, DvrRecord, Ledger
from reconciler.ledger.store import save
from reconciler.lineups.manifest import Alternative, SourceRoute
from reconciler.sources.copies import Copies, Head
from tests.serving.stage import ACCOUNT, Stage

__all__ = ["HOSTS", "NAMES", "House", "record"]

NAMES: Final = (
    "bcastus", "newsus", "sportsa", "sportsb", "moviesprem", "generalent", "docsfam", "ukie", "eunordics", "eusouth",
    "eueast", "latin", "otherworld",
)  # fmt: skip
HOSTS: Final = ("http://panel-one.example:8080", "http://panel-two.example:8080")
HOUR: Final = 3600
LENGTHS_MIN: Final = (30, 60, 15, 90, 5, 45)


@dataclass
class House:
    """What is published: 13 DVRs with `channels` channels each, programmes from `hours` before `now` to as many after."""

    state: Path
    now: int
    channels: int = 5
    hours: int = 12
    hosts: tuple[str, ...] = HOSTS
    names: tuple[str, ...] = NAMES
    channel_names: Mapping[str, str] = field(default_factory=dict)
    """Number -> name, where it is not `Channel <number>`."""
    titles: tuple[str, ...] = ("The Harbour Detective", "Quiet Market", "News", "Paper Stories & More")
    logos: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    stage: Stage = field(init=False)

    def __post_init__(self) -> None:
        lineups = {
            name: {str(1000 + 600 * d + c): f"main/{100 * d + c + 1}" for c in range(self.channels)}
            for d, name in enumerate(self.names)
        }
        ids = [id_ for lineup in lineups.values() for id_ in lineup.values()]
        spare = SourceRoute("spare", "m3u", base="http://list.example/")
        main = SourceRoute("main", "xtream", self.hosts, (ACCOUNT,), connections=4, format="ts")
        self.stage = Stage(
            self.state,
            lineups,
            sources={"main": main, "spare": spare},
            channels={
                id_: (
                    Alternative("main", id_.partition("/")[2]),
                    Alternative("spare", url="http://cdn.example/{username}/x.ts"),
                )
                for id_ in ids
            },
            guide=self.guide(lineups),
            changes=self.changes,
        )

    def publish(self) -> str:
        """Write the generation with its names. Returns its id."""
        generation = self.stage.publish()
        for name, lineup in self.stage.lineups.items():
            path = self.state / "artifacts" / generation / name / "lineup.json"
            rows = [
                {"GuideNumber": n, "GuideName": self.name(n), "URL": f"http://ptctl.test/{name}/auto/v{n}"}
                for n in lineup
            ]
            path.write_text(json.dumps(rows))
        return generation

    def name(self, number: str) -> str:
        """What a channel is called."""
        return self.channel_names.get(number, f"Channel {number}")

    def guide(self, lineups: Mapping[str, Mapping[str, str]]) -> bytes:
        """One guide for all DVRs; every fifth channel has nothing in it."""
        numbers = [n for lineup in lineups.values() for n in lineup]
        head, lines = [], []
        for number in numbers:
            icon = f"<icon src={quoteattr(self.logos[number])}/>" if number in self.logos else ""
            name = escape(self.name(number))
            head.append(
                f'<channel id="{number}"><display-name>{number} {name}</display-name>{icon}</channel>\n'
            )
            if int(number) % 5 != 4:
                lines += self._programmes(number)
        return ("<tv>\n" + "".join(head) + "".join(lines) + "</tv>\n").encode("utf-8", "replace")

    def _programmes(self, number: str) -> list[str]:
        at = self.now // HOUR * HOUR - self.hours * HOUR
        lines = []
        turn = int(number)
        while at < self.now + self.hours * HOUR:
            stop = at + LENGTHS_MIN[turn % len(LENGTHS_MIN)] * 60
            title = escape(self.titles[turn % len(self.titles)])
            lines.append(
                f'<programme start="{time_text(at)} +0000" stop="{time_text(stop)} +0000" channel="{number}">'
                f"<title>{title}</title><sub-title>Part {turn % 90}</sub-title><desc>What happens in it.</desc>"
                f'<episode-num system="onscreen">S02E{turn % 90:02d}</episode-num></programme>\n'
            )
            at = stop
            turn += 1
        return lines


def record(state: Path, generation: str, now: int) -> None:
    """A ledger with three DVRs, a journal with a failure, and a copy of a list two hours old."""
    digests = {d["name"]: d["lineup_digest"] for d in
               json.loads((state / "artifacts" / generation / "manifest.json").read_text())["dvrs"]}  # fmt: skip
    dvrs = {}
    for name, digest in (("sportsa", digests["sportsa"]), ("ukie", "of last week"), ("latin", None)):
        applied = Applied("g", "http://a", "http://g", name, "m", 5, lineup_digest=digest) if digest else None
        dvrs[name] = DvrRecord(name, "10AA0001", 5005, name, name, (1000, 1599), applied=applied)
    channels = {
        "main/201": ChannelRecord(
            "main/201",
            "sportsa",
            2200,
            "main",
            ("main/999",),
            "espn.us",
            "espn",
            group="US| <Sports>",
            since="2026-11-01",
        )
    }
    save(state, Ledger("line", dvrs=dvrs, channels=channels), base=Ledger("line"))
    with Journal(state, "apply", lambda: "2026-11-22T10:00:00Z") as journal:
        journal.intent("dvr/sportsa", "create", "sportsa")
        journal.outcome("dvr/sportsa", "failed", "Plex said no", 1.0)
        journal.finish(6)
    Copies(state / "cache" / "lists").keep("main.live", Head("xtream", now - 7200, 12345), ())
