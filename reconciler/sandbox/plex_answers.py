"""What the simulated Plex says: one tree of elements, written as XML or as JSON.

Plex answers XML unless asked for JSON, and the two differ in types (plex-livetv.md 1): children become arrays
named after the element, `key` and `tuners` stay text, `parentID` and `size` are numbers. So the tree carries
Python values and the writer decides. Errors are HTML pages, acknowledged writes often have no body at all.
Nothing here knows what a DVR is.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from lxml import etree

__all__ = [
    "Answer",
    "Element",
    "Refused",
    "acknowledged",
    "container",
    "empty",
    "error",
    "rendered",
    "unwilling",
]

Value = str | int | bool

XML: Final = "text/xml;charset=utf-8"
JSON: Final = "application/json"
HTML: Final = "text/html"
NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Element:
    """One element: attributes with the types JSON shows, and children in order."""

    name: str
    attributes: Mapping[str, Value] = field(default_factory=dict)
    children: tuple["Element", ...] = ()
    json_name: str = ""
    """The name in JSON where it differs: `Video` is `Metadata` there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client: a tree to be written in the format it asked for, or finished bytes."""

    status: int = 200
    body: Element | bytes = b""
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):
    """A request that ends here, with its answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.status)


def container(*children: Element, **attributes: Value) -> Element:
    """A `MediaContainer` that counts its children in `size`."""
    return Element("MediaContainer", {"size": len(children), **attributes}, children)


def acknowledged() -> Answer:
    """A write that was taken: 200 with status 0 (plex-livetv.md 1, table)."""
    return Answer(body=container(status=0, message=""))


def unwilling(message: str) -> Answer:
    """A logical refusal: 200, status -1 and the reason (plex-livetv.md 1, table)."""
    return Answer(body=container(message=message, status=-1))


def empty(activity: str = "") -> Answer:
    """200 without a body, as `reloadGuide` and DVR deletion give it; names the activity it started."""
    return Answer(headers=(("X-Plex-Activity", activity),) if activity else ())


def error(status: int) -> Answer:
    """An error page: HTML whatever the client accepts."""
    name = f"{status} {HTTPStatus(status).phrase}"
    page = f"<html><head><title>{HTTPStatus(status).phrase}</title></head><body><h1>{name}</h1></body></html>"
    return Answer(status, page.encode())


def rendered(answer: Answer, *, accept: str, single_objects: bool = False) -> tuple[bytes, str]:
    """Body and content type of an answer for this Accept header.

    `single_objects` writes one child as an object instead of an array of one, which some clients report.
    """
    if isinstance(answer.body, bytes):
        return answer.body, answer.content_type
    if "application/json" in accept:
        tree = {answer.body.name: _json(answer.body, single_objects=single_objects)}
        return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode(), JSON
    return etree.tostring(_xml(answer.body), xml_declaration=True, encoding="UTF-8"), XML


def _json(element: Element, *, single_objects: bool) -> dict[str, Any]:  # Any: JSON
    written: dict[str, Any] = dict(element.attributes)
    groups: dict[str, list[dict[str, Any]]] = {}
    for child in element.children:
        groups.setdefault(child.json_name or child.name, []).append(
            _json(child, single_objects=single_objects)
        )
    for name, group in groups.items():
        written[name] = group[0] if single_objects and len(group) == 1 else group
    return written


def _xml(element: Element) -> etree._Element:
    node = etree.Element(element.name)
    for name, value in element.attributes.items():
        text = str(int(value)) if isinstance(value, bool) else str(value)
        node.set(name, NOT_XML.sub("", text))
    node.extend([_xml(child) for child in element.children])
    return node
