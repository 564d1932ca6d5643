"""What the simulated Plex is busy with, as `GET /activities` shows it (plex-livetv.md 5).

Nothing in an activity names the DVR it belongs to: whoever waits for one has its uuid or takes it for the whole
server's.
"""

import uuid
from dataclasses import dataclass, field

from reconciler.sandbox.plex_answers import Element

__all__ = ["GUIDE_LOAD", "Activities", "Activity"]

GUIDE_LOAD = "provider.epg.load"


@dataclass(slots=True)
class Activity:
    """One running thing. `progress` 0-100."""

    type: str
    title: str
    subtitle: str = ""
    progress: int = 0
    cancellable: bool = False
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    def element(self) -> Element:
        """The element, attributes in the captured order."""
        return Element(
            "Activity",
            {
                "uuid": self.uuid,
                "type": self.type,
                "cancellable": self.cancellable,
                "userID": 1,
                "title": self.title,
                "subtitle": self.subtitle,
                "progress": self.progress,
            },
        )


class Activities:
    """The running ones by uuid."""

    def __init__(self) -> None:
        self.running: dict[str, Activity] = {}

    def begin(self, activity: Activity) -> Activity:
        """Show it."""
        self.running[activity.uuid] = activity
        return activity

    def end(self, activity: Activity) -> None:
        """No longer show it; twice is harmless."""
        self.running.pop(activity.uuid, None)
