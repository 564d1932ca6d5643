"""From any state that can be reached, one apply ends in what is wanted, and a second has nothing to do."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.planning.numbers import ranges
from reconciler.sandbox.plex import PlexOptions
from tests.applying.house import House, house
from tests.planning.worlds import Lineups

NAMES = ("news", "sport", "docs")
WORDS = tuple(
    f"{word}:{name}" for word in ("shrink", "empty", "delete", "replace") for name in (*NAMES, "all")
)


@st.composite
def lineups(draw: st.DrawFn) -> Lineups:
    """Some DVRs with some channels; numbers of different DVRs do not meet."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    return {
        name: {
            n: f"{name}-{n}"
            for n in draw(
                st.sets(
                    st.integers(1000 + 600 * NAMES.index(name), 1008 + 600 * NAMES.index(name)), min_size=1
                )
            )
        }
        for name in sorted(names)
    }


def meddle(home: House, dice: random.Random) -> None:
    """What people do to Plex behind our back: addresses, names, maps, whole DVRs and tuners."""
    state = home.plex.machine.state
    for device in list(state.devices.values()):
        if device.device_id == "10ABCDEF":
            continue
        what = dice.choice(["nothing", "uri", "title", "off", "map", "drop-dvr", "drop-device"])
        if what == "uri":
            device.uri = "http://10.9.9.9:1"
        elif what == "title":
            device.title = "somebody's"
        elif what == "off":
            device.enabled = False
        elif what == "map":
            device.mappings = tuple(m for m in device.mappings if dice.random() < 0.5)
        elif what == "drop-dvr" and device.parent:
            state.drop_dvr(state.dvrs[device.parent])
            continue
        elif what == "drop-device":
            if device.parent:
                state.drop_dvr(state.dvrs[device.parent])
            state.drop_device(device)
            continue
        state.save_device(device)


@pytest.mark.slow
@pytest.mark.accepts("APP-4")
@settings(max_examples=12, deadline=None)
@given(st.lists(lineups(), min_size=2, max_size=3), st.integers(0, 1 << 30))
def test_apply_ends_in_what_is_wanted(wishes: list[Lineups], seed: int) -> None:
    """A chain of wishes with meddling in between: each apply makes exactly the wished maps, ours alone, and then nothing."""
    dice = random.Random(seed)

    async def main() -> None:
        with TemporaryDirectory() as folder, trio.fail_after(60):
            async with house(Path(folder), options=PlexOptions(load_delay_s=0.01)) as home:
                home.plex.add_foreign_dvr(channels=("2.1", "4.1"))
                foreign = [d for d in home.plex.state()["devices"] if d["deviceId"] == "10ABCDEF"]
                for wish in wishes:
                    result = await home.apply(wish, allow=WORDS)
                    assert result.complete, result.outcomes
                    found = {
                        name: ranges(
                            int(m.device) for m in home.plex.device(record.device_id).enabled_mappings
                        )
                        for name, record in home.ledger().dvrs.items()
                    }
                    assert found == {name: ranges(rows) for name, rows in wish.items()}
                    planned = await home.planned(wish, allow=WORDS)
                    assert (planned.plan.empty, planned.plan.actions) == (True, ())
                    assert foreign == [d for d in home.plex.state()["devices"] if d["deviceId"] == "10ABCDEF"]
                    await home.plex.loads_done()
                    meddle(home, dice)

    trio.run(main)
