"""Which channels of a tuner Plex pairs with its guide: asked until all are there, with one scan where that helps.

Nothing pairs until the guide is indexed (plex-livetv.md 4.2). Most servers read the tuner's list of channels again
together with the guide, some only when told to scan the tuner (2.6: "reload first, scan only if the map lacks expected
channels"). This module refuses to switch a channel on.
"""

import trio

from reconciler.applying.context import Run
from reconciler.errors import PlexRefused, PlexUnreachable
from reconciler.planning.model import Action
from reconciler.planning.targets import Target
from reconciler.plex.model import ChannelPair, Device, Dvr, Unknown
from reconciler.plex.reader import read_channel_map, read_channels, read_device_channels

__all__ = ["pairs_of", "shown"]

_Answer = tuple[ChannelPair, ...] | Unknown


async def pairs_of(
    run: Run, action: Action, target: Target, device: Device, dvr: Dvr
) -> tuple[ChannelPair, ...]:
    """The wanted part of what Plex can pair; waits until it is all of it, at most `map_s`.

    The tuner is scanned once, where Plex's own list of its channels lacks some of ours after `list_s`, or when nothing
    pairs to the end; `list_s` more are then given. Raises PlexUnreachable when Plex never told what pairs.
    """
    timing = run.timing
    end = trio.current_time() + timing.map_s
    first = min(timing.list_s, timing.map_s)
    found = await _polled(run, action, target, device, dvr, first)
    scanned = False
    if _lacking(found, target) and await _list_lacks(run, target, device):
        scanned = await _scan(run, action, device)
        end = max(end, trio.current_time() + timing.list_s)
    if _lacking(found, target) and (left := end - trio.current_time()) > 0:
        later = await _polled(run, action, target, device, dvr, left)
        found = found if isinstance(later, Unknown) and not isinstance(found, Unknown) else later
    if found == () and not scanned and await _scan(run, action, device):
        found = await _polled(run, action, target, device, dvr, timing.list_s)
    if isinstance(found, Unknown):
        raise PlexUnreachable(
            f"the channel map could not be read for {timing.map_s:g} s: {found.why}",
            next_step=f"ptctl explain dvr {action.dvr}",
        )
    return found


async def _polled(
    run: Run, action: Action, target: Target, device: Device, dvr: Dvr, seconds: float
) -> _Answer:
    """What pairs of the wanted channels, as soon as it is all of them or after `seconds`."""
    wanted = {str(number) for number in target.numbers}
    found: _Answer = Unknown("no answer")
    began = trio.current_time()
    with trio.move_on_after(seconds):
        while True:
            answer = await read_channel_map(run.connection, device.uuid, dvr.lineup)
            if not isinstance(answer, Unknown):
                by_device = {pair.device: pair for pair in answer if pair.device in wanted}
                found = tuple(sorted(by_device.values()))
            elif isinstance(found, Unknown):
                found = answer
            run.tell(
                action,
                f"no channel map yet: {answer.why}"
                if isinstance(answer, Unknown)
                else "Plex pairs channels with the guide",
                began=began,
                done=0 if isinstance(found, Unknown) else len(found),
                expected=len(wanted),
            )
            if not _lacking(found, target):
                return found
            await trio.sleep(run.timing.poll_s)
    return found


def _lacking(found: _Answer, target: Target) -> bool:
    return isinstance(found, Unknown) or len(found) < len(target.numbers)


async def _list_lacks(run: Run, target: Target, device: Device) -> bool:
    """Whether Plex's own list of the tuner's channels is known to lack some of ours."""
    listed = await read_device_channels(run.connection, device.key)
    return not isinstance(listed, Unknown) and any(str(n) not in listed for n in target.numbers)


async def _scan(run: Run, action: Action, device: Device) -> bool:
    """Have the tuner scanned; False where Plex refuses (500 straight after it was added, 2.6): the map decides then."""
    began = trio.current_time()
    run.tell(action, "Plex is told to read the tuner's channels again", began=began)
    async with run.writing(action.dvr) as writer:
        try:
            await writer.scan(device.key)
        except PlexRefused as error:
            run.tell(action, f"no scan: {error.message}", began=began)
            return False
    return True


async def shown(run: Run, action: Action, dvr: Dvr, expected: int) -> None:
    """What clients get: the guide's own channel list. Known and wrong is a failure, unknown is none."""
    listed: tuple[str, ...] | Unknown = Unknown("not asked")
    began = trio.current_time()
    with trio.move_on_after(run.timing.map_s):
        while True:
            listed = await read_channels(run.connection, dvr)
            if isinstance(listed, Unknown) or len(listed) == expected:
                return
            run.tell(
                action, "the guide takes the channels over", began=began, done=len(listed), expected=expected
            )
            await trio.sleep(run.timing.poll_s)
    assert not isinstance(listed, Unknown)
    raise PlexRefused(
        f"the guide shows {len(listed)} channels, {expected} are on",
        status=200,
        reason="guide differs",
        next_step=f"ptctl explain dvr {action.dvr}",
    )
