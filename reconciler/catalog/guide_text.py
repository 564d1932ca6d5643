"""XML text of a guide: what is read from it and how it is written again.

Guides break the rules in a few known ways (iptv-streams.md D2, D4): lone `&`, HTML's entities, Windows bytes in UTF-8,
control characters. They are mended in the one element that has them. This module refuses to load DTDs, to expand
entities and to lift libxml2's limits on depth and size.
"""

import re
from html.entities import html5
from typing import Final

from lxml import etree

__all__ = [
    "Element",
    "attribute",
    "elements",
    "kept_text",
    "mended_text",
    "plain_text",
    "recovered",
    "text",
    "whole_programme",
]

Element = etree._Element  # noqa: SLF001 - lxml has no public name for it

# C1 controls come from Windows text taken for Latin-1: what was meant is in cp1252.
_CONTROLS: Final[dict[int, str | None]] = {
    **dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127)),
    **{code: bytes([code]).decode("cp1252", "ignore") or None for code in range(128, 160)},
    0xFFFE: None,
    0xFFFF: None,
}
_ODD: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")
_BREAKS: Final = re.compile(r" *[\t\r\n][\t\r\n ]*")


def kept_text(value: str | None) -> str:
    """`value` without control characters and outer blanks; its own line breaks stay."""
    if not value:
        return ""
    if _ODD.search(value):
        value = re.sub("[\ud800-\udfff]", "", value.translate(_CONTROLS))
    return value.strip(" \t\r\n")


def plain_text(value: str | None) -> str:
    """The same on one line."""
    kept = kept_text(value)
    return _BREAKS.sub(" ", kept) if "\n" in kept or "\t" in kept or "\r" in kept else kept


def text(value: str) -> str:
    """`value` escaped for XML character data."""
    if "&" in value:
        value = value.replace("&", "&amp;")
    if "<" in value:
        value = value.replace("<", "&lt;")
    return value.replace("]]>", "]]&gt;") if "]]>" in value else value


def attribute(value: str) -> str:
    """`value` escaped for an attribute in double quotes."""
    return text(value).replace('"', "&quot;")


_ENTITY: Final = re.compile(
    rb"<!\[CDATA\[(?:.*?\]\]>|.*)|<!--(?:.*?-->|.*)|&(?:(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{0,30});)?",
    re.DOTALL,
)
_PREDEFINED: Final = frozenset((b"amp", b"lt", b"gt", b"quot", b"apos"))
_FORBIDDEN: Final = bytes((*range(9), 11, 12, *range(14, 32)))


def _parser(*, recover: bool = False) -> etree.XMLParser:
    # Without a DTD there is nothing to resolve; huge_tree stays off: it lifts libxml2's limits on depth and size.
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
        huge_tree=False,
        encoding="utf-8",
    )


def elements(data: bytes) -> list[Element]:
    """The elements in `data`, which is a run of whole ones. Raises etree.XMLSyntaxError where it is not."""
    return list(etree.fromstring(b"<tv>%b</tv>" % data, _parser()))


def mended_text(data: bytes) -> bytes:
    """`data` as UTF-8 with HTML's entities as characters, lone `&` escaped and control characters removed.

    In recover mode libxml2 lets `&eacute;` vanish and cuts at bytes that are no UTF-8 (iptv-streams.md D4).
    """
    try:
        data.decode()
    except UnicodeDecodeError:
        data = _as_meant(data)
    return _ENTITY.sub(_entity, data.translate(None, _FORBIDDEN))


def _as_meant(data: bytes) -> bytes:
    """Each line as UTF-8 if it is, else as Windows-1252: such guides mix both."""
    lines: list[str] = []
    for line in data.split(b"\n"):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", "replace"))
    return "\n".join(lines).encode()


def _entity(match: re.Match[bytes]) -> bytes:
    name = match[1]
    if match[0][:1] == b"<" or name in _PREDEFINED:
        return match[0]
    if name is None:
        return b"&amp;"
    if name[:1] == b"#":
        code = int(b"0" + name[1:].lower(), 16) if name[1:2] in b"xX" else int(name[1:])
        allowed = (
            code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0xFFFF < code < 0x110000
        )
        return match[0].lower() if allowed else b""
    character = html5.get(name.decode() + ";")
    return text(character).encode() if character else b"&amp;" + name + b";"


def whole_programme(unit: bytes) -> tuple[bytes, bytes] | None:
    """An odd `<programme` element as (channel id, text up to its end tag), or None where its end is missing.

    For elements that close themselves, that have comments or text behind them, or whose `channel` is hard to see.
    """
    end = unit.rfind(b"</programme")
    if end >= 0:
        closed = unit.find(b">", end)
        if closed < 0:
            return None
        unit = unit[: closed + 1]
    try:
        found = elements(unit)
    except etree.XMLSyntaxError:
        if end < 0 and not re.match(rb"<programme[^<]*/>\s*$", unit):
            return None
        found = recovered(unit)
    for element in found:
        if element.tag == "programme":
            element.tail = None
            raw = bytes(etree.tostring(element, encoding="utf-8"))
            body = raw[:-2] + b">" if raw.endswith(b"/>") else raw[: raw.rfind(b"</programme>")]
            return plain_text(element.get("channel")).encode(), body
    return None


def recovered(unit: bytes) -> list[Element]:
    """The elements in `unit`, mended where mending helps, else what libxml2 makes of it."""
    mended = mended_text(unit)
    try:
        return elements(mended)
    except etree.XMLSyntaxError:
        root = etree.fromstring(b"<tv>%b</tv>" % mended, _parser(recover=True))
        return [] if root is None else list(root)
