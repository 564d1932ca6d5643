"""How a simulated panel treats its clients while nothing is wrong: limits, redirects, pacing, JSON types.

Real panels differ in all of these and none of them is a failure (iptv-streams.md B2 to B4), which is why they are
not in `faults`. This module refuses to act: it only holds the choices.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Manners"]


@dataclass(frozen=True, slots=True)
class Manners:
    """Habits of a panel. All times in seconds.

    `limit_answer`: what a client over its connection limit gets: a status, or `slate`, an endless clip that says
    so; `limit_text` is the body that goes with a status. `limit_policy`: refuse the newcomer, or cut the oldest stream in its favour. `notice`: how long a closed stream
    goes on counting ("a closed connection is noticed late", iptv-streams.md B4). `hls_hold`: how long an HLS client
    counts after its last request: ten seconds, because one of six-second segments asks that seldom, and longer than the 2 to
    5 s that `serve` takes for noticing a close. `redirect`: live requests are sent to another host with a token that is refused with
    403 after `token_life`. `api_rate`: so many API requests in so many seconds, then 429 with `Retry-After`.
    `messy`: numbers as strings, empty strings for null, and the other quirks of B3. `advertised_host`: index of
    the host that `server_info` names (None: the one that was asked; -1: a host that does not exist).
    `pace` False sends streams as fast as the client takes them. `mid_gop`: streams begin anywhere, not at a key frame.
    `numbered` False lets all channels share one picture, which saves making one for each.
    """

    messy: bool = False
    limit_policy: Literal["refuse", "cut-oldest"] = "refuse"
    limit_answer: int | Literal["slate"] = 403
    limit_text: str = ""
    notice: float = 0.0
    hls_hold: float = 10.0
    redirect: bool = False
    token_life: float = 45.0
    api_rate: tuple[int, float] | None = None
    advertised_host: int | None = None
    pace: bool = True
    burst: float = 2.0
    mid_gop: bool = False
    numbered: bool = True
    window: int = 5
    segment: int = 2
    list_with_films: bool = True
