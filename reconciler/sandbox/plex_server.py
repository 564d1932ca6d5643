"""The server itself in the simulated Plex: identity, root, activities, butler (plex-livetv.md 1, 3.9, 5)."""

from typing import Final

from reconciler.sandbox.plex_answers import Answer, Element, Refused, container, empty, error
from reconciler.sandbox.plex_machine import Call, Machine, Route, route
from reconciler.sandbox.plex_records import XMLTV

__all__ = ["ROUTES"]

GUIDE_TASK: Final = "RefreshEpgGuides"


async def identity(machine: Machine, _: Call) -> Answer:
    """Who answers; needs no token and so proves none (1)."""
    options = machine.behaviour.options
    return Answer(
        body=container(
            apiVersion="1.2.2",
            claimed=options.claimed,
            machineIdentifier=machine.identifier,
            version=options.version,
        )
    )


async def root(machine: Machine, _: Call) -> Answer:
    """What the server can do, attributes as captured (1)."""
    options = machine.behaviour.options
    names = ("activities", "butler", "channels", "clients", "hubs", "library", "livetv", "media", "playlists")
    return Answer(
        body=container(
            *[
                Element("Directory", {"count": 3 if n in {"livetv", "media"} else 1, "key": n, "title": n})
                for n in names
            ],
            allowCameraUpload=True,
            allowChannelAccess=True,
            allowMediaDeletion=True,
            allowSharing=True,
            allowSync=True,
            allowTuners=True,
            apiVersion="1.2.2",
            backgroundProcessing=True,
            certificate=False,
            claimed=options.claimed,
            companionProxy=True,
            eventStream=True,
            friendlyName=options.friendly_name,
            livetv=7,
            machineIdentifier=machine.identifier,
            mediaProviders=True,
            myPlex=True,
            myPlexMappingState="mapped" if options.claimed else "unknown",
            myPlexSigninState="ok" if options.claimed else "none",
            myPlexSubscription=options.plex_pass,
            multiuser=True,
            ownerFeatures="camera-upload,livetv,tuner-sharing,type-first",
            platform="Linux",
            platformVersion="6.1.0",
            pluginHost=True,
            pushNotifications=False,
            readOnlyLibraries=False,
            transcoderVideo=True,
            updater=True,
            version=options.version,
        )
    )


async def activities(machine: Machine, _: Call) -> Answer:
    """What is running (5)."""
    return Answer(body=container(*[a.element() for a in machine.activities.running.values()]))


async def cancel_activity(machine: Machine, call: Call) -> Answer:
    """Stop an activity: 404 for an unknown one, 400 for one that does not let itself be stopped (5)."""
    activity = machine.activities.running.get(call.groups["activity"])
    if activity is None:
        raise Refused(error(404))
    if not activity.cancellable:
        raise Refused(error(400))
    machine.activities.end(activity)
    return empty()


async def butler(_: Machine, __: Call) -> Answer:
    """Scheduled tasks; the one answer that is not a MediaContainer (1)."""
    tasks = (
        ("BackupDatabase", "Backup Database", 3),
        ("OptimizeDatabase", "Optimize Database", 7),
        (GUIDE_TASK, "Refresh EPG Guides", 1),
    )
    return Answer(
        body=Element(
            "ButlerTasks",
            {},
            tuple(
                Element(
                    "ButlerTask",
                    {
                        "name": name,
                        "interval": interval,
                        "scheduleRandomized": True,
                        "enabled": True,
                        "title": title,
                        "description": "",
                    },
                )
                for name, title, interval in tasks
            ),
        )
    )


async def start_task(machine: Machine, call: Call) -> Answer:
    """All guides at once: 200 started, 202 already running, 404 for another spelling (3.9)."""
    if call.groups["task"] != GUIDE_TASK:
        raise Refused(error(404))
    if any(load.why == "butler" for load in machine.loads.running):
        return Answer(202)
    for dvr in machine.state.listed():
        if dvr.provider == XMLTV:
            machine.loads.start(dvr, "butler")
    return empty()


async def stop_task(machine: Machine, call: Call) -> Answer:
    """Stop what the task started."""
    if call.groups["task"] != GUIDE_TASK:
        raise Refused(error(404))
    for load in [load for load in machine.loads.running if load.why == "butler"]:
        machine.loads.cancel(load.dvr)
    return empty()


ROUTES: Final[tuple[Route, ...]] = (
    route("GET", "/", root),
    route("GET", "/identity", identity, is_open=True),
    route("GET", "/activities", activities),
    route("DELETE", "/activities/<activity>", cancel_activity),
    route("GET", "/butler", butler, admin=True),
    route("POST", "/butler/<task>", start_task, admin=True),
    route("DELETE", "/butler/<task>", stop_task, admin=True),
)
