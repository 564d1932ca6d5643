"""What is running now, as rows: for the API (`apply` asks before it deletes), pages and `ptctl status --busy`.

This module refuses to show an address or a credential: a way is named by source and host.
"""

from typing import Any

import trio

from reconciler.serving.generations import Live
from reconciler.serving.relay import Relay
from reconciler.serving.session import Session

__all__ = ["stream_rows"]


def stream_rows(live: Live, relay: Relay) -> list[dict[str, Any]]:
    """One row per DVR and channel being watched or still lingering. Any: JSON."""
    now = trio.current_time()
    rows: list[dict[str, Any]] = []
    placed: set[str] = set()
    generation = live.generation
    dvrs = generation.tuners if generation else {}
    for name in relay.seats.dvrs():
        tuner = dvrs.get(name)
        for seat in relay.seats.of(name):
            session = relay.sessions.get(seat.channel)
            placed.add(seat.channel)
            rows.append(
                {
                    "dvr": name,
                    "tuner": seat.tuner,
                    "number": seat.number,
                    "name": tuner.names.get(seat.number, "") if tuner else "",
                    "channel": seat.channel,
                    "viewers": seat.viewers,
                    "clients": sorted(set(seat.clients)),
                    **(_upstream(session, now) if session else {"state": "ending"}),
                }
            )
    for channel, session in relay.sessions.items():
        if channel not in placed:
            rows.append(
                {"dvr": session.plan.dvr, "channel": channel, "viewers": 0, **_upstream(session, now)}
            )
    return rows


def _upstream(session: Session, now: float) -> dict[str, Any]:
    won = session.won
    return {
        "state": "playing"
        if session.ready.is_set() and won
        else "switching"
        if session.ready.is_set()
        else "tuning",
        "seconds": round(now - session.created_at, 1),
        "rate_bps": int(session.shown_bps),
        "bytes": session.channel.published_bytes,
        "source": won.way.source.name if won else "",
        "host": won.way.host if won else "",
        "switches": session.switches,
    }
