"""Kind of action -> calls on Plex, each read back before it counts.

Every handler looks at the live object before it writes (a resumed run may find it done) and again afterwards: an
acknowledgement proves little. A handler gives the sentence for its success, with remarks; it raises a `PtctlError` for a
failure. A delete-and-create never hides behind another kind. This module refuses to choose the order.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import trio

from reconciler.applying.context import Run
from reconciler.applying.database import database_update
from reconciler.applying.done import Done
from reconciler.applying.looks import (
    device_of,
    dvr_of,
    dvr_with,
    empty_dvrs,
    forgotten,
    listed_dvrs,
    needed_device,
)
from reconciler.applying.pairs import pairs_of, shown
from reconciler.errors import PlexRefused, PlexUnreachable
from reconciler.planning.addresses import same_address
from reconciler.planning.diff import map_digest
from reconciler.planning.model import Action, ActionKind
from reconciler.planning.numbers import ranges
from reconciler.planning.sight import company
from reconciler.planning.targets import Target
from reconciler.plex.model import Device, Dvr, Unknown
from reconciler.plex.reader import read_dvr
from reconciler.plex.writer import IN_USE
from reconciler.wording import plural

__all__ = ["HANDLERS", "Handler"]


Handler = Callable[[Run, Action], Awaitable[Done]]


async def register_device(run: Run, action: Action) -> Done:
    """Make Plex probe the tuner (plex-livetv.md 2.4). Already there at the right address: nothing is sent."""
    target = run.targets[action.dvr]
    device = await device_of(run, action, target.device_id)
    if device is None or not same_address(device.uri, target.uri):
        device = await _registered(run, action, target)
    run.keep(action.dvr, device_key=device.key, machine=run.planned.plan.server_machine)
    return Done(f"tuner registered: device {device.key}")


async def repair_address(run: Run, action: Action) -> Done:
    """Renew address and tuner count in place: the same DeviceID registered again keeps the DVR (2.5)."""
    target = run.targets[action.dvr]
    before = await device_of(run, action, target.device_id)
    if before is None:
        raise PlexRefused("the tuner is gone from Plex", status=404, next_step="ptctl plan")
    empty = await empty_dvrs(run)
    device = await _registered(run, action, target)
    now = await empty_dvrs(run)
    # Somebody is told to delete them, so one that may have been there before is not named.
    left = [] if isinstance(empty, Unknown) or isinstance(now, Unknown) else sorted(now - empty)
    if before.parent and device.parent != before.parent:
        raise PlexRefused(
            f"the tuner was in DVR {before.parent} and is in {device.parent or 'none'} now",
            status=200,
            next_step="ptctl plan",
        )
    run.keep(action.dvr, device_key=device.key, machine=run.planned.plan.server_machine)
    # Some servers were seen to make an empty DVR of it (2.5, 10.1): it is not ours to delete.
    notes = tuple(
        f"{action.dvr}: Plex made an empty DVR {key} beside it; delete that one in Plex" for key in left
    )
    if device.tuners and device.tuners != target.tuners:
        # Plex may keep the count it learned at registration (6.2). The DVR's channels and guide do not wait for that;
        # planning again finds it still undone.
        kept = f"Plex keeps {plural(device.tuners, 'tuner')}, the spec says {target.tuners}"
        way = f'set "tuners: {device.tuners}" for it, or give it a new device_id and replace it'
        return Done(f"registered again; {kept}", (*notes, f"{action.dvr}: {kept}: {way}"))
    if same_address(before.uri, device.uri):
        return Done(f"{target.tuners} tuners, read back", notes)
    return Done(f"address set to {device.uri}, read back", notes)


async def set_device(run: Run, action: Action) -> Done:
    """Name the tuner and switch it on (2.2, 2.5).

    A name that Plex does not take is told and noted in the ledger, so that it is not sent for ever: no description of
    Plex has it, and all else works without.
    """
    target = run.targets[action.dvr]
    title = (action.args or {})["title"]
    device = await needed_device(run, action, target)
    if device.title != title or device.state == "disabled":
        async with run.writing(action.dvr) as writer:
            await writer.set_device(device.key, title=title)
        device = await needed_device(run, action, target)
        if device.title != title:  # noted as refused below, so not on the word of a list that lags
            await trio.sleep(run.timing.poll_s)
            device = await needed_device(run, action, target)
    if device.state == "disabled":
        raise PlexRefused(
            "the tuner is still disabled after it was switched on", status=200, next_step="ptctl plan"
        )
    if device.title != title:
        run.keep(action.dvr, title_refused=title)
        stays = f'stays "{device.title}"' if device.title else "stays without a name"
        note = f'{action.dvr}: Plex does not take the name "{title}" for the tuner, which {stays} in its settings'
        return Done("tuner on", (note,))
    run.keep(action.dvr, title_refused="")
    return Done("tuner named and on")


async def create_dvr(run: Run, action: Action) -> Done:
    """A DVR for the tuner, and its guide loaded: by the create itself, else by one reload (design.md 4)."""
    target = run.targets[action.dvr]
    device = await needed_device(run, action, target)
    began = trio.current_time()
    since = await _moment(run, target)
    made = device.parent == ""
    ticket = None
    silent = False
    if made:
        async with run.writing_when(action) as writer:
            ticket = await run.watch.before(action.dvr)
            # The tuner is in no DVR: what was applied to an earlier one says nothing of the one to come. Should its
            # making or its guide fail now, the next run finds it as ours and loads it.
            run.keep(action.dvr, dvr_key="", dvr_uuid="", applied=None)
            try:
                answered, activity = await writer.create_dvr(device.uuid, target.lineup)
            except PlexRefused as error:
                run.watch.forget(ticket)
                if IN_USE not in error.reason:
                    raise
                made = False  # somebody, or a run that died, made it: matched by uuid below (3.2)
            except PlexUnreachable:
                run.watch.forget(ticket)
                raise
            else:
                await run.watch.asked(ticket, activity)
                silent = answered is None
    if ticket is not None and silent and not (await needed_device(run, action, target)).parent:
        run.watch.forget(ticket)
        raise _unanswered("the creation of the DVR", "Plex has none for the tuner")
    dvr = await dvr_of(run, action, target)
    if not same_address(dvr.guide, target.guide):
        raise PlexRefused(
            f"the tuner is in DVR {dvr.key}, which has another guide; nothing was changed",
            status=200,
            reason=IN_USE,
            next_step="ptctl plan",
        )
    run.keep(action.dvr, dvr_key=dvr.key, dvr_uuid=dvr.uuid, machine=run.planned.plan.server_machine)
    if ticket is not None and made and await _took_guide(run, action, since, began):
        ending = await run.watch.ended(ticket, lambda: _proved(run, target, dvr, since))
        run.loaded.add(action.dvr)
        return Done(f"DVR created: {dvr.key}", _unconfirmed(target, ending))
    text, notes = await _load(run, action, dvr)
    return Done(f"DVR {'created' if made else 'found'}: {dvr.key}; {text}", notes)


async def load_guide(run: Run, action: Action) -> Done:
    """Have Plex read guide and lineup again (3.9)."""
    dvr = await dvr_of(run, action, run.targets[action.dvr])
    text, notes = await _load(run, action, dvr)
    return Done(text, notes)


async def enable_channels(run: Run, action: Action) -> Done:
    """Switch the channels on: poll what Plex can pair, put everything in one request, read the whole map back (2.7)."""
    target = run.targets[action.dvr]
    dvr = await dvr_of(run, action, target)
    device = await needed_device(run, action, target)
    pairs = await pairs_of(run, action, target, device, dvr)
    paired = {pair.device for pair in pairs}
    lacking = tuple(n for n in target.numbers if str(n) not in paired)
    if not pairs:
        raise PlexRefused(
            f"channel map still empty {run.timing.map_s:g} s after the guide load (Plex pairs nothing): "
            f"{plural(len(lacking), 'channel')} {'is' if len(lacking) == 1 else 'are'} not on",
            status=200,
            reason="empty channel map",
            next_step=f"ptctl explain dvr {action.dvr}",
        )
    run.unmatched[action.dvr] = ranges(lacking)
    wanted = map_digest(pairs)
    if map_digest(device.pairs) != wanted:
        # RLD-5: a killed run may have left a load of this DVR, and no activity says whose it is (5).
        async with run.writing_when(action, no_earlier=True) as writer:
            ticket = await run.watch.before(action.dvr)
            try:
                activity = await writer.put_channel_map(device.key, pairs)
            except (PlexRefused, PlexUnreachable):
                run.watch.forget(ticket)
                raise
            await run.watch.asked(ticket, activity)
        device = await needed_device(run, action, target)
    if map_digest(device.pairs) != wanted:
        raise PlexRefused(
            f"{len(device.enabled)} channels are on after {len(pairs)} were switched on, or other pairs than those sent",
            status=200,
            reason="map differs",
            next_step="ptctl plan",
        )
    await shown(run, action, dvr, len(pairs))
    run.maps[action.dvr] = wanted
    run.loaded.add(action.dvr)
    # ACT-8: what has no guide channel is told by name and never paired with itself.
    notes = tuple(f"{action.dvr}: Plex does not pair {n} {target.names.get(n, '')}".rstrip() for n in lacking)
    return Done(f"{plural(len(pairs), 'channel')} on", notes)


async def delete_dvr(run: Run, action: Action) -> Done:
    """Remove a DVR that holds our tuner alone, while no guide load runs (3.4: a delete during one locked Plex up)."""
    key = (action.args or {})["key"]
    await _not_busy(run, action)
    found = await dvr_with(run, action, key)
    if found is not None:
        others = company(found, run.record(action.dvr).device_id)
        if others:
            raise PlexRefused(
                f"DVR {key} also holds {', '.join(others)}, which is not ours; it is left alone",
                status=200,
                next_step=f"take the tuner out of the DVR in Plex, or let it go: removed: [{{dvr: {action.dvr}, keep: true}}]",
            )
        async with run.writing_when(action, none_at_all=True) as writer:
            await writer.delete_dvr(key)
        if any(dvr.key == key for dvr in await listed_dvrs(run, action)):
            raise PlexRefused(
                f"DVR {key} is still there after it was deleted", status=200, next_step="ptctl plan"
            )
    run.keep(action.dvr, dvr_key="", dvr_uuid="", applied=None)
    return Done(f"DVR {key} deleted" if found else f"DVR {key} was gone already")


async def delete_device(run: Run, action: Action) -> Done:
    """Remove a tuner of ours that is in no DVR any more (2.9), and forget the DVR."""
    record = run.record(action.dvr)
    device = await device_of(run, action, record.device_id)
    if device is not None:
        if device.parent:
            raise PlexRefused(
                f"the tuner is still in DVR {device.parent}", status=200, next_step="ptctl plan"
            )
        async with run.writing_when(action, none_at_all=True) as writer:
            await writer.delete_device(device.key)
        if await device_of(run, action, record.device_id) is not None:
            raise PlexRefused(
                "the tuner is still there after it was deleted", status=200, next_step="ptctl plan"
            )
    run.drop(action.dvr)
    return Done("tuner deleted" if device else "tuner was gone already")


HANDLERS: Final[Mapping[ActionKind, Handler]] = {
    "register-device": register_device,
    "repair-address": repair_address,
    "set-device": set_device,
    "create-dvr": create_dvr,
    "load-guide": load_guide,
    "enable-channels": enable_channels,
    "delete-dvr": delete_dvr,
    "delete-device": delete_device,
    "database-update": database_update,
}


def _unanswered(what: str, found: str) -> PlexRefused:
    """A write that got 200 without Plex's words and had no effect: a proxy's page, or a Plex that does not say why."""
    return PlexRefused(
        f"{what} was answered with 200 and nothing that Plex would say, and {found}",
        status=200,
        reason="no effect",
        next_step="a proxy or login page may answer for Plex: set plex.url to Plex itself, then: ptctl doctor",
    )


async def _registered(run: Run, action: Action, target: Target) -> Device:
    """Make Plex probe the tuner; the device, read back at its address."""
    if run.context.serve is not None:  # DVR-7: looked at from our side first
        wrong = await run.context.serve.tuner(target.uri, target.device_id)
        if wrong is not None:
            raise PlexRefused(f"Plex is not told about it: {wrong.why}", status=0, next_step="ptctl serve")
    async with run.writing(target.dvr) as writer:
        try:
            answered = await writer.register(target.uri)
        except PlexRefused as error:
            if error.status != 400:  # Plex's answer to an address at which it found no tuner (2.4)
                raise
            raise PlexRefused(
                f"Plex does not take the tuner at {target.uri} (400): from where Plex runs, none answers there",
                status=400,
                next_step=f"try  curl {target.uri}/discover.json  on Plex's machine or in its container; "
                "serve.advertise has to be an address that Plex reaches",
            ) from error
    device = await device_of(run, action, target.device_id)
    if device is None and answered is None:
        raise _unanswered("the registration", "the tuner is not in Plex's list")
    device = await needed_device(run, action, target)
    if not same_address(device.uri, target.uri):
        raise PlexRefused(
            f"Plex keeps the address {device.uri} for the tuner",
            status=200,
            next_step="plex.database: {use: fallback}, or delete the tuner in Plex and apply again",
        )
    return device


async def _load(run: Run, action: Action, dvr: Dvr) -> tuple[str, tuple[str, ...]]:
    target = run.targets[action.dvr]
    since = await _moment(run, target)
    async with run.writing_when(action) as writer:
        ticket = await run.watch.before(action.dvr)
        try:
            activity = await writer.reload_guide(dvr.key)
        except PlexRefused as error:
            run.watch.forget(ticket)
            if error.status != 404:
                raise
            raise forgotten(dvr.key) from error
        except PlexUnreachable:
            run.watch.forget(ticket)
            raise
        await run.watch.asked(ticket, activity)
    run.tell(action, "Plex loads the guide", began=trio.current_time())
    ending = await run.watch.ended(ticket, lambda: _proved(run, target, dvr, since))
    run.loaded.add(action.dvr)
    return "guide loaded" if ending != "unconfirmed" else "guide load asked for", _unconfirmed(target, ending)


async def _took_guide(run: Run, action: Action, since: float | Unknown, began: float) -> bool:
    """Whether the create's own load asks for our guide within `fetch_s`; without a log the activity has to do."""
    target = run.targets[action.dvr]
    if run.context.serve is None or isinstance(since, Unknown) or "://" not in target.guide:
        return True
    with trio.move_on_after(run.timing.fetch_s):
        while True:
            found = await run.context.serve.fetched(target.dvr, target.uri, since)
            if isinstance(found, Unknown) or found:
                return True
            run.tell(action, "waiting for Plex to fetch the guide", began=began)
            await trio.sleep(min(1.0, run.timing.look_s))
    return False


async def _proved(run: Run, target: Target, dvr: Dvr, since: float | Unknown) -> bool:
    if run.context.serve is not None and not isinstance(since, Unknown):
        found = await run.context.serve.fetched(target.dvr, target.uri, since)
        if found is True:
            return True
    # `refreshedAt` may stay as it was after a load (3.9), so it proves only when it moves.
    now = await read_dvr(run.connection, dvr.key)
    return isinstance(now, Dvr) and now.refreshed_at != dvr.refreshed_at


def _unconfirmed(target: Target, ending: str) -> tuple[str, ...]:
    if ending != "unconfirmed":
        return ()
    return (f"{target.dvr}: Plex was asked to load the guide, nothing shows that it did (unconfirmed)",)


async def _moment(run: Run, target: Target) -> float | Unknown:
    serve = run.context.serve
    return await serve.moment(target.dvr, target.uri) if serve else Unknown("serve is not asked")


async def _not_busy(run: Run, action: Action) -> None:
    """A viewer may have come since the plan was made, and what cannot be known is not risked (S501)."""
    if f"busy:{action.dvr}" in run.planned.plan.allowed or run.context.serve is None:
        return
    # What the new generation no longer has, has no tuner to ask any more: its last streams the hub knows.
    busy = await run.context.serve.busy(among=run.targets)
    if isinstance(busy, Unknown):
        raise PlexRefused(
            f"whether anything runs on it cannot be known any more: {busy.why}",
            status=0,
            reason="busy",
            next_step=f"start serve, or plan again with --allow busy:{action.dvr}",
        )
    if busy.get(action.dvr):
        raise PlexRefused(
            f"{plural(busy[action.dvr], 'stream runs', 'streams run')} on it now",
            status=0,
            reason="busy",
            next_step=f"wait, or plan again with --allow busy:{action.dvr}",
        )
