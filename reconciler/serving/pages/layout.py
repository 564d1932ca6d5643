"""The frame of every page: head, skip link, header with the two pages, main part, footer.

Addresses are relative, so that a reverse proxy may put the hub below a path. No script or style stands in the page itself:
the policy forbids it. This module refuses to know what a page is about.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from reconciler import __version__
from reconciler.serving.pages.assets import assets
from reconciler.serving.pages.markup import Html, element, join, sent

__all__ = ["POLICY", "Frame", "page"]

# Logos are the one thing that comes from where the guide says; everything else is ours.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' https: http: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a page stands. `depth` is how many folders below the hub's root its address is."""

    title: str
    home: str
    """The installation's name, "" while nothing is published."""
    here: str = ""
    """Which entry of the navigation it is: `status` or `guide`."""
    depth: int = 0
    pulse: Html | None = None
    """What the header says of the whole, on the right."""
    live: str = ""
    """Which events the page wants: `status`, `guide` or none."""
    mark: str = ""
    """The generation the page was made of."""

    def to(self, *parts: str, query: str = "") -> str:
        """The address of something below the hub's root, as seen from this page."""
        path = "/".join(quote(part, safe="", errors="replace") for part in parts)
        return "../" * self.depth + (path or ("" if self.depth else "./")) + (f"?{query}" if query else "")


def page(frame: Frame, main: Html) -> bytes:
    """The whole page."""
    own = assets()
    head = element(
        "head",
        [
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", f"{frame.title} · {frame.home or 'ptctl'}"),
            element("link", rel="icon", type="image/svg+xml", href="../" * frame.depth + own.icon.path),
            element("link", rel="stylesheet", href="../" * frame.depth + own.style.path),
            element("script", "", src="../" * frame.depth + own.script.path, defer=True),
        ],
    )
    body = element(
        "body",
        [
            element("a", "Skip to content", class_="skip", href="#main"),
            _header(frame),
            element("main", main, id="main", tabindex="-1"),
            element("footer", _footer(frame), class_="foot"),
        ],
        data_live=frame.live or None,
        data_events=frame.to("events", query=f"for={frame.live}") if frame.live else None,
        data_mark=frame.mark,
    )
    return sent(f'<!doctype html>\n<html lang="en">{head}{body}</html>\n')


def _header(frame: Frame) -> Html:
    links = [
        element("a", label, href=frame.to(*path), aria_current="page" if name == frame.here else None)
        for name, label, path in (("status", "Status", ()), ("guide", "Guide", ("guide",)))
    ]
    brand = element(
        "a",
        [element("span", "", class_="mark", aria_hidden="true"), element("b", "ptctl"),
         element("bdi", frame.home, class_="home")],
        class_="brand",
        href=frame.to(),
        aria_label=f"ptctl {frame.home}, status".replace("  ", " "),
    )  # fmt: skip
    pulse = element("p", frame.pulse or "", id="pulse", class_="pulse", data_region="pulse")
    nav = element("nav", links, class_="pages", aria_label="Pages")
    return element("header", [brand, nav, pulse], class_="top")


def _footer(frame: Frame) -> Html:
    parts = [element("span", f"ptctl {__version__}")]
    if frame.mark:
        parts.append(element("span", ["generation ", element("code", frame.mark)]))
    parts.append(element("span", "", id="live", class_="live", role="status"))
    return join(parts)
