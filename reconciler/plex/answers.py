"""What Plex answers, XML or JSON, as values of `plex.model`.

Plex writes XML unless asked for JSON; the array of DVRs is `Dvr` in both, though one description says `DVR`; a single
child may come as an object instead of an array; numbers come as text or numbers (plex-livetv.md 1). All of that ends
here. A body that cannot be read gives `Unknown`, never an empty list; 200 with `status="-1"` is a refusal and raises
`PlexRefused`; 200 without a body where content is due is `Unknown` (style.md, habit 3). This module refuses to send,
and to decide what a value means for us.
"""

import json
import re
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

from lxml import etree

from reconciler.errors import PlexRefused
from reconciler.plex.model import Activity, ChannelPair, Device, Dvr, Server, Unknown

__all__ = [
    "Node",
    "acknowledged",
    "activities",
    "channel_map",
    "channels",
    "container",
    "device_channels",
    "devices",
    "dvrs",
    "friendly_name",
    "rules_by_dvr",
    "server",
]

_AS_TUPLE: Final = attrgetter("device", "lineup", "key", "enabled")
"""The order of a `ChannelPair`, compared without a call of Python for each comparison."""

HEAD_BYTES: Final = 200

_GUIDE_OF: Final = re.compile(r"tv\.plex\.providers\.epg\.[a-z]+(?::|%3A)(\d+)", re.IGNORECASE)
"""A guide provider names its DVR behind the colon (4.3); rules and grabs mention it in several attributes."""


_TUNER: Final = re.compile(r"device://tv\.plex\.grabbers\.hdhomerun/(.*)")


class Node(NamedTuple):
    """An element of either format: attributes as text, children by name in order.

    A tuple, because an answer about thirteen full DVRs holds 6,000 of them and three such answers make a plan.
    """

    name: str
    attributes: Mapping[str, str]
    children: tuple["Node", ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """An attribute's text."""
        return self.attributes.get(name, default)

    def number(self, name: str) -> int:
        """An attribute as a whole number; 0 where there is none or it is something else."""
        text = self.get(name)
        return int(text) if text.removeprefix("-").isdecimal() else 0

    def every(self, name: str) -> tuple["Node", ...]:
        """The children of this name, whatever its case in the first letters (`Dvr`, `DVR`)."""
        folded = name.lower()
        return tuple(child for child in self.children if child.name == name or child.name.lower() == folded)

    def walk(self) -> Iterator["Node"]:
        """This element and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def container(body: bytes, *, what: str) -> Node | Unknown:
    """The `MediaContainer` in a body. `what` names the request in words, for messages.

    Raises PlexRefused for a logical refusal, which Plex sends with HTTP 200 (1, table).
    """
    if not body.strip():
        return Unknown(f"{what}: Plex answered without a body")
    if body[:HEAD_BYTES].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return Unknown(f"{what}: an HTML page came instead of Plex's answer (a proxy, or a login page?)")
    try:
        root = _from_json(body) if body.lstrip()[:1] == b"{" else _from_xml(body)
    except ValueError as error:
        return Unknown(f"{what}: the answer cannot be read ({error})")
    if root.name != "MediaContainer":
        return Unknown(f'{what}: the answer is "{root.name[:40]}", not a MediaContainer')
    _refuse(root, what)
    return root


def acknowledged(body: bytes, *, what: str) -> Node | None:
    """The answer to a write, which often has no body or is an HTML page (1, table). Raises PlexRefused as `container`."""
    found = container(body, what=what)
    return None if isinstance(found, Unknown) else found


def server(node: Node) -> Server | Unknown:
    """The identity in an answer of `/identity` or `/`."""
    machine = node.get("machineIdentifier")
    if not machine:
        return Unknown("identity: the answer names no machine")
    return Server(machine=machine, version=node.get("version"), name=node.get("friendlyName"))


def friendly_name(node: Node) -> str:
    """The server's name in an answer of `/`, where it tells one."""
    return node.get("friendlyName")


def devices(node: Node) -> tuple[Device, ...] | Unknown:
    """All devices of an answer, by key. One without a key, or fewer than it counts, make the whole answer unknown."""
    if short := _short(node, "devices"):
        return short
    found = tuple(_device(child, parent="") for child in node.every("Device"))
    if any(not device.key for device in found):
        return Unknown("devices: one of them has no key")
    return tuple(sorted(found, key=lambda device: _order(device.key)))


def dvrs(node: Node) -> tuple[Dvr, ...] | Unknown:
    """All DVRs of an answer with their devices, by key. Unknown as for devices."""
    if short := _short(node, "DVRs"):
        return short
    found = tuple(_dvr(child) for child in node.every("Dvr"))
    if any(not dvr.key or not all(device.key for device in dvr.devices) for dvr in found):
        return Unknown("DVRs: one of them, or a device in it, has no key")
    return tuple(sorted(found, key=lambda dvr: _order(dvr.key)))


def channel_map(node: Node) -> tuple[ChannelPair, ...]:
    """What Plex can pair (4.2), sorted. Entries without all three identifiers cannot be used and are left out."""
    pairs = _pairs(node, default="1")
    return tuple(pair for pair in pairs if pair.device and pair.lineup and pair.key)


def channels(node: Node) -> tuple[str, ...]:
    """The numbers of a guide's active channels (4.3), in the order of the answer."""
    return tuple(child.get("vcn") or child.get("key") or child.get("id") for child in node.every("Channel"))


def device_channels(node: Node) -> dict[str, str]:
    """The names of a tuner's channels by number (2.6)."""
    return {
        child.get("identifier"): child.get("name")
        for child in node.every("DeviceChannel")
        if child.get("identifier")
    }


def activities(node: Node) -> tuple[Activity, ...]:
    """Running tasks (5)."""
    return tuple(
        Activity(
            uuid=child.get("uuid"),
            type=child.get("type"),
            title=child.get("title"),
            subtitle=child.get("subtitle"),
            progress=child.number("progress"),
        )
        for child in node.every("Activity")
    )


def rules_by_dvr(node: Node) -> dict[str, int]:
    """How many recording rules each DVR has, by its key; under "" those that do not say where they belong.

    No field of a rule is documented as naming its DVR. What names one is the guide provider, whose identifier ends in
    the DVR's key and stands in the rule's own grabs, keys or parameters.
    """
    counts: dict[str, int] = {}
    for rule in node.every("MediaSubscription"):
        named = {
            match.group(1)
            for part in rule.walk()
            for value in part.attributes.values()
            for match in _GUIDE_OF.finditer(value)
        }
        for key in named if len(named) == 1 else {""}:
            counts[key] = counts.get(key, 0) + 1
    return counts


def _device(node: Node, *, parent: str) -> Device:
    uuid = node.get("uuid")
    named = _TUNER.fullmatch(
        uuid
    )  # it ends in the DeviceID, for an answer that leaves the field out (2.2, 2.4)
    return Device(
        key=node.get("key"),
        uuid=uuid,
        device_id=node.get("deviceId") or (named.group(1) if named else ""),
        uri=node.get("uri"),
        title=node.get("title"),
        make=node.get("make"),
        model=node.get("model"),
        tuners=node.number("tuners"),
        status=node.get("status"),
        state=node.get("state"),
        # A row id (2.2), of which none is 0 (8.2): a server that writes 0 for "in no DVR" says nothing else.
        parent=node.get("parentID", parent).removeprefix("0") or parent,
        pairs=_pairs(node, default="0"),
    )


def _dvr(node: Node) -> Dvr:
    key = node.get("key")
    return Dvr(
        key=key,
        uuid=node.get("uuid"),
        lineup=node.get("lineup") or next((child.get("id") for child in node.every("Lineup")), ""),
        lineup_title=node.get("lineupTitle"),
        language=node.get("language"),
        epg_identifier=node.get("epgIdentifier"),
        refreshed_at=node.number("refreshedAt"),
        devices=tuple(_device(child, parent=key) for child in node.every("Device")),
    )


def _pairs(node: Node, *, default: str) -> tuple[ChannelPair, ...]:
    found = []
    for child in node.every("ChannelMapping"):
        get = child.attributes.get
        found.append(
            ChannelPair(
                get("deviceIdentifier", ""),
                get("lineupIdentifier", ""),
                get("channelKey", ""),
                get("enabled", default) in {"1", "true"},
            )
        )
    return tuple(sorted(found, key=_AS_TUPLE))


def _short(node: Node, what: str) -> Unknown | None:
    """`size` counts the children (1, 2.2, 3.1): what is counted and not there is not absent."""
    counted = node.number("size")
    if counted <= len(node.children):
        return None
    return Unknown(f"{what}: the answer counts {counted} and holds {len(node.children)}")


def _refuse(root: Node, what: str) -> None:
    # A non-zero status in a 200 is an error; "The device is in use with an existing DVR" comes that way (1, table).
    status = root.get("status", "0")
    if status not in {"", "0"}:
        reason = root.get("message") or "no reason given"
        raise PlexRefused(f'{what}: Plex refused: "{reason}"', status=int(_whole(status)), reason=reason)


def _whole(text: str) -> str:
    return text if text.removeprefix("-").isdecimal() else "-1"


def _order(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdecimal() else (1 << 62, key)


def _from_xml(body: bytes) -> Node:
    # No entity is resolved and nothing is fetched: the answer comes from the network.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"bad XML in line {error.lineno or 0}") from None
    return _xml_node(root)


def _xml_node(element: etree._Element) -> Node:
    return Node(
        name=str(etree.QName(element).localname),
        attributes={str(key): str(value) for key, value in element.attrib.items()},
        children=tuple(_xml_node(child) for child in element if isinstance(child.tag, str)),
    )


def _from_json(body: bytes) -> Node:
    try:
        document: Any = json.loads(body)  # Any: JSON as it comes
    except (ValueError, RecursionError):
        raise ValueError("bad JSON") from None
    members = document if isinstance(document, dict) else {}
    # whatever may stand beside it
    name = "MediaContainer" if "MediaContainer" in members else next(iter(members), "")
    content = members.get(name)
    if not isinstance(content, dict) or (name != "MediaContainer" and len(members) > 1):
        raise ValueError("JSON without one outermost object")
    return _json_node(name, content)


def _json_node(name: str, content: dict[str, Any]) -> Node:  # Any: JSON as it comes
    attributes: dict[str, str] = {}
    children: list[Node] = []
    for key, value in content.items():
        if type(value) is str:  # nearly always
            attributes[key] = value
        elif isinstance(value, dict):  # one child written without an array (1)
            children.append(_json_node(key, value))
        elif isinstance(value, list):
            children += [_json_node(key, item) for item in value if isinstance(item, dict)]
        elif isinstance(value, bool):
            attributes[key] = str(int(value))
        elif value is not None:
            attributes[key] = str(value)
    return Node(name, attributes, tuple(children))
