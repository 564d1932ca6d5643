"""Who holds which tuner of a DVR.

A tuner is tuned to one channel. Two viewers of one channel on one DVR share its tuner, because they share the upstream:
refusing the second would refuse what costs nothing. When all tuners are tuned to other channels the answer is 805, as
a real device gives it. This module refuses to know of upstreams and accounts.
"""

from dataclasses import dataclass, field

from reconciler.lineups.manifest import DvrManifest

__all__ = ["Seat", "Seats"]


@dataclass(slots=True)
class Seat:
    """One tuner tuned to one channel, with its number of viewers."""

    dvr: str
    tuner: int
    number: str
    channel: str
    viewers: int = 0
    clients: list[str] = field(default_factory=list)


class Seats:
    """All tuners of all DVRs. Synchronous: taking never waits."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[int, Seat]] = {}

    def take(self, dvr: DvrManifest, number: str, client: str, wish: int | None = None) -> Seat | int:
        """A seat for one viewer, or why there is none: 805, or 804 where tuner `wish` is tuned to something else.

        Give it back with `leave`.
        """
        taken = self._taken.setdefault(dvr.name, {})
        tuners = dvr.tuners
        if wish is not None:
            if wish >= tuners:
                return 804
            seat = taken.get(wish)
            if seat is not None and seat.number != number:
                return 804
            index = wish
        else:
            seat = next((s for s in taken.values() if s.number == number), None)
            index = next((n for n in range(tuners) if n not in taken), tuners) if seat is None else seat.tuner
        if seat is None:
            if index >= tuners:
                return 805
            seat = taken[index] = Seat(dvr.name, index, number, dvr.channels[number])
        seat.viewers += 1
        seat.clients.append(client)
        return seat

    def leave(self, seat: Seat, client: str) -> None:
        """One viewer less; the last one frees the tuner."""
        seat.viewers -= 1
        seat.clients.remove(client)
        if seat.viewers == 0:
            del self._taken[seat.dvr][seat.tuner]

    def dvrs(self) -> tuple[str, ...]:
        """DVRs with a tuner in use."""
        return tuple(sorted(name for name, taken in self._taken.items() if taken))

    def of(self, dvr: str) -> tuple[Seat, ...]:
        """The tuners in use."""
        return tuple(self._taken.get(dvr, {}).values())
