"""What planning is given: values alone, gathered by `pipeline` at the edges.

`World` is enough to judge (`planning.safety.judge`), which happens before artifacts are built, because a blocked DVR's
files are carried over byte for byte. `PlanInputs` adds what is known afterwards. This module refuses to compute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.catalog.entry import SourceReport
from reconciler.ledger.model import Ledger
from reconciler.lineups.manifest import Manifest
from reconciler.lineups.model import Block, Desired
from reconciler.planning.model import LastApply, PlanWarning
from reconciler.plex.model import DatabaseView, Observed, Unknown
from reconciler.spec.model import Spec

__all__ = ["Estimate", "GuideEnded", "Judgement", "PlanInputs", "PublishedRow", "World"]


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row of a lineup as it was published: what "before" means in a plan.

    `remembered`: the ledger's normal form of a name, for showing and not for comparing.
    """

    number: int
    id: str
    name: str
    guide_id: str = ""
    logo: str = ""
    off: bool = False
    remembered: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a guide load took in earlier runs: seconds each, and where the figure comes from."""

    load_s: float
    basis: str


@dataclass(frozen=True, slots=True)
class GuideEnded:
    """A guide whose programmes are over for `channels` of the `of` channels it tells. `newest`: an ISO second in UTC."""

    guide: str
    channels: int
    of: int
    newest: str


@dataclass(frozen=True, slots=True)
class World:
    """Spec, desired state, ledger and everything observed, of one moment.

    `observed` None: the spec has no plex section. Unknown: Plex could not be read at all. `published` is the manifest of
    the current generation, None before the first. `reports` are of sources by name, and of guides by
    "guide NAME". `allow` are the words of
    `--allow`, `only` and `skip` DVR names of the options of that name. `now` is an ISO second in UTC. `busy` counts running streams and recordings by DVR name, from `serve`.
    `database` is what a stopped Plex left behind; `observed` is Unknown then.
    """

    spec: Spec
    desired: Desired
    ledger: Ledger
    now: str
    observed: Observed | Unknown | None = None
    published: Manifest | None = None
    reports: Mapping[str, SourceReport] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    busy: Mapping[str, int] | Unknown = field(default_factory=lambda: Unknown("serve was not asked"))
    database: DatabaseView | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    cached: bool = False
    """Nobody was asked: copies stand in because the caller wanted them."""

    def skipped(self, dvr: str) -> bool:
        """Whether `--only` or `--skip` leaves this DVR alone."""
        return dvr in self.skip or bool(self.only and dvr not in self.only)

    @property
    def today(self) -> str:
        """The ISO day of `now`."""
        return self.now[:10]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What safety says of a world.

    `blocks` are those in force, lifted ones left out. `carried` names the DVRs whose published files are carried over
    byte for byte: blocked ones, and those that would become empty. `desired` is the world's without what a carried DVR
    keeps; build artifacts from it. `ledger` is what the ledger becomes (numbers exactly so) before anything of Plex is
    known to have changed. `used` are the words that lifted something, `spends` the approvals used up (`word until`).
    """

    blocks: tuple[Block, ...]
    carried: frozenset[str]
    desired: Desired
    ledger: Ledger
    used: tuple[str, ...] = ()
    spends: tuple[str, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()
    old_names: Mapping[str, str] = field(default_factory=dict)
    """New name -> the name the published generation has, for renamed DVRs: their carried files lie under that."""

    def blocks_of(self, dvr: str) -> tuple[Block, ...]:
        """The blocks that stop this DVR's change: its own, and those of the whole that carried it over."""
        return tuple(b for b in self.blocks if b.dvr == dvr or (not b.dvr and dvr in self.carried))


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """A judged world and the artifacts made from it.

    `manifest` and `generation` are the new ones; `published_generation` is "" before the first. `before` has the rows of
    each DVR as last applied (by its old name), `manifests` those of generations the ledger names, where they still
    exist. `last_apply` is the newest run that did something in Plex. `files` are the names of files that publishing writes, `damaged` those among them that were published and are
    no longer what they were. `arguments` is the canonical text of all command-line
    arguments that matter. `ended` are guides that ended (of DVRs whose files are made anew). `requests` and `seconds` are what gathering cost.
    """

    world: World
    judgement: Judgement
    manifest: Manifest
    generation: str
    published_generation: str = ""
    before: Mapping[str, tuple[PublishedRow, ...]] = field(default_factory=dict)
    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    estimate: Estimate | None = None
    last_apply: LastApply | None = None
    version: str = ""
    env: str = ""
    arguments: str = ""
    ended: tuple[GuideEnded, ...] = ()
    base: str = ""
    requests: int = 0
    seconds: float = 0.0
