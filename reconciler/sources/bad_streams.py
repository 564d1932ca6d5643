"""Which channels should leave their lineup because their streams are broken, and why.

Two sources of that knowledge: files that people wrote, which always win (PVL-2), and what probes found, until it expires
(PVL-1). This module refuses to take anything away: planning shows it first, and its thresholds guard it (PVL-5).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from reconciler.lineups.manifest import Routes
from reconciler.sources.blacklist import load_blacklists
from reconciler.sources.probe_outcome import Subject, judged_bad
from reconciler.sources.probe_store import load_probes
from reconciler.spec.model import Spec

__all__ = ["bad_streams"]


def bad_streams(spec: Spec, routes: Routes, subjects: Sequence[Subject], *, now: float) -> dict[str, str]:
    """Reasons by channel id. With `probes.mode: off` only the files count.

    `routes` says which hosts a panel's alternatives have. Raises OperatorError for a file that cannot be understood,
    StateError for a broken `state.db`. Reads files; asks nobody.
    """
    found: dict[str, str] = {}
    if spec.probes.mode != "off":
        known = judged_bad(subjects, load_probes(Path(spec.state)), now=now, expire_s=spec.probes.expire_s)
        for channel, one in known.items():
            found[channel] = f"failing since {_day(one.first_bad)}: {one.detail or one.cause}"
    if spec.probes.blacklist:
        found |= load_blacklists(spec.probes.blacklist).bad(subjects, routes.sources)
    return found


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
