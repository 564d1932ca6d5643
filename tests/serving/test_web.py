"""The pages in a real Chromium: wide and on a phone, in light and dark, by keyboard, live, and without scripts."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from reconciler.serving.drift import DriftItem, DriftSeen
from reconciler.serving.server import Serving
from tests.conftest import Run
from tests.serving.browser import Browser, Page, Scheme, browser
from tests.serving.house import NAMES, House, record
from tests.serving.stage import panel_stage, provided, served, watching

pytestmark = [pytest.mark.program("chromium"), pytest.mark.slow]

SIZES: Final = ((1440, 900), (375, 812))
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
PAGES: Final = ("/", "/guide?dvr=sportsa", "/channel/sportsa/2200")
LONG: Final = "Kanalmitunfassbarlangemnamenohneeinzigentrennstrich <b>&</b> مرحبا"
LOGO: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>'
)

# Contrast of every visible text with the ground it stands on (WCAG 2.1, 1.4.3); gives the worst offenders.
CONTRAST: Final = """(() => {
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const parse = (s) => s.match(/[\\d.]+/g).map(Number);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest('.unseen, .skip')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) found[walker.currentNode.data.trim().slice(0, 30)] = ratio.toFixed(2);
  }
  return found;
})()"""

# What has the focus, told so that two places differ; "" for none.
FOCUSED: Final = """(() => { const e = document.activeElement; if (!e || e === document.body) return '';
  return [e.tagName, e.getAttribute('href') ?? e.id ?? '', e.textContent.trim().slice(0, 40), e.className].join('|'); })()"""
STOPS: Final = """[...document.querySelectorAll('a[href], button, input:not([type=hidden]), [tabindex="0"]')]
  .filter((e) => e.tabIndex >= 0 && e.checkVisibility())
  .map((e) => [e.tagName, e.getAttribute('href') ?? e.id ?? '', e.textContent.trim().slice(0, 40), e.className].join('|'))"""
# Whether the focus can be seen: a ring, and not outside of the window or below the fixed row and column of the grid.
RING: Final = """(() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
  const row = e.closest('#grid tr'), name = row && !e.closest('th') ? row.querySelector('th') : null;
  const left = Math.max(r.left, name ? name.getBoundingClientRect().right : 0), right = Math.min(r.right, innerWidth);
  const at = right > left ? document.elementFromPoint((left + right) / 2, r.top + r.height / 2) : null;
  return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 && !!at && (e.contains(at) || at.contains(e)); })()"""


async def logo_server(*, task_status: trio.TaskStatus[int]) -> None:
    """Answers everything with a picture."""

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(4096)
            head = f"HTTP/1.1 200 OK\r\nContent-Type: image/svg+xml\r\nContent-Length: {len(LOGO)}\r\nConnection: close\r\n\r\n"
            await stream.send_all(head.encode() + LOGO)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(answer, listeners)


@asynccontextmanager
async def home(tmp_path: Path) -> AsyncIterator[tuple[Serving, str, Browser]]:
    """A house that is served, its hub's address, and a browser."""
    now = int(time.time())
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(logo_server)
        house = House(
            tmp_path / "state",
            now,
            channels=40,
            channel_names={"2200": LONG, "2201": "<script>alert(1)</script>"},
            titles=("The Harbour Detective", LONG, "</a><img src=x onerror=alert(1)>", "News"),
            logos={str(2200 + n): f"http://127.0.0.1:{port}/{n}.svg" for n in range(0, 40, 2)},
            changes={
                "sportsa": {"friendly_name": LONG, "lineup_digest": "a"},
                "ukie": {"lineup_digest": "b"},
            },
        )
        record(tmp_path / "state", house.publish(), now)
        async with served(house.stage) as serving:
            serving.drift.note(
                DriftSeen(now, (DriftItem("sportsa", "tuner.uri", f"tuner address is {LONG}"),))
            )
            serving.live.problems["otherworld"] = "port 5017 is not free " + "x" * 200
            async with browser(tmp_path / "profile") as chromium:
                yield serving, "http://{}:{}".format(*serving.hub), chromium
        nursery.cancel_scope.cancel()


def pressed(page: Page) -> Any:
    """A function that presses a key and tells what then has the focus. Any: a coroutine function."""

    async def press(key: str, **how: bool) -> str:
        await page.press(key, **how)
        told: str = await page.value(FOCUSED)
        return told

    return press


@pytest.mark.accepts("WEB-1")
def test_looks_right_everywhere(tmp_path: Path, run: Run[None]) -> None:
    """Wide and on a phone, light and dark: no error, nothing from outside but logos, nothing wider than the window,
    every text readable on its ground.
    """

    async def main() -> None:
        async with home(tmp_path) as (_, hub, chromium):
            page = await chromium.page()
            for width, height in SIZES:
                for scheme in SCHEMES:
                    grounds = set()
                    for path in PAGES:
                        await page.look(width=width, height=height, scheme=scheme)
                        await page.open(hub + path)
                        where = (path, width, scheme)
                        assert [] == page.errors, where
                        assert 0 == await page.value("document.documentElement.scrollWidth - innerWidth"), (
                            where
                        )
                        assert {} == await page.value(CONTRAST), where
                        outside = [u for u in page.requests if not u.startswith((hub, "http://127.0.0.1"))]
                        assert [] == outside, where
                        grounds.add(await page.value("getComputedStyle(document.body).backgroundColor"))
                        # JSON compares structures: an unlabelled control would be one nobody can name.
                        tree = await page.call("Accessibility.getFullAXTree")
                        assert [] == unnamed(tree["nodes"]), where
                    assert 1 == len(grounds)
                    bright = sum(int(n) for n in grounds.pop()[4:-1].split(",")) > 380
                    assert bright == (scheme == "light")

    run(main)


def unnamed(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Controls and landmarks without a name. Any: the protocol's JSON."""
    wanted = {"link", "button", "searchbox", "textbox", "navigation", "region", "table", "grid"}
    return [
        node
        for node in nodes
        if not node.get("ignored")
        and node["role"]["value"] in wanted
        and not node.get("name", {}).get("value")
    ]


# Words of the channels' names that stand on more than one line: the boxes of a word have one top unless it was broken.
BROKEN: Final = """[...document.querySelectorAll('#grid tbody th bdi')].flatMap((name) => {
  const text = name.firstChild, found = [];
  for (const word of text.data.matchAll(/\\S+/g)) {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    if (new Set([...range.getClientRects()].map((box) => box.top)).size > 1) found.push(word[0]);
  }
  return found;
})"""


@pytest.mark.accepts("WEB-1")
def test_no_name_is_broken_inside_a_word(tmp_path: Path, run: Run[None]) -> None:
    """A channel's name in the grid never goes on in the next line within a word, however narrow its column is."""
    long = {
        "1000": "Herzfrequenz Dokumentation",
        "1001": LONG,
        "1002": "Österreichische Rundfunkgesellschaft",
    }
    house = House(tmp_path / "state", int(time.time()), names=("bcastus",), channel_names=long)

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving, browser(tmp_path / "profile") as chromium:
            page = await chromium.page()
            for width, height in SIZES:
                await page.look(width=width, height=height)
                await page.open("http://{}:{}/guide".format(*serving.hub))
                assert "Herzfrequenz" in await page.value("document.querySelector('#grid').innerText")
                assert [] == await page.value(BROKEN), width

    run(main)


@pytest.mark.accepts("WEB-1")
def test_status_says_it_all(tmp_path: Path, run: Run[None]) -> None:
    """The status page shows DVRs, tuners in use, sources' health, drift and the last run as text on the screen."""

    async def main() -> None:
        async with home(tmp_path) as (_, hub, chromium):
            page = await chromium.page()
            for width, height in SIZES:
                await page.look(width=width, height=height)
                await page.open(hub)
                words = await page.value("document.body.innerText")
                for said in (
                    *NAMES,
                    "Tuners in use",
                    "0 of 2",
                    "host 1",
                    "1 difference",
                    "Plex said no",
                    "Watching now",
                ):
                    assert said in words, (said, width)
                assert "<b>&</b>" in words

    run(main)


@pytest.mark.accepts("WEB-1")
def test_keyboard_reaches_everything(tmp_path: Path, run: Run[None]) -> None:
    """Tab visits every link and control of a page in order with a ring to see, beginning with the skip link; and back."""

    async def main() -> None:
        async with home(tmp_path) as (_, hub, chromium):
            page = await chromium.page()
            for path, width in (
                ("/", 1440),
                ("/", 375),
                ("/guide?dvr=sportsa", 375),
                ("/channel/sportsa/2200", 1440),
            ):
                await page.look(width=width)
                await page.open(hub + path)
                wanted = await page.value(STOPS)
                press = pressed(page)
                visited = []
                for _ in wanted:
                    visited.append(await press("Tab"))
                    assert await page.value(RING), (path, width, visited[-1])
                assert wanted == visited, (path, width)
                assert "#main" in visited[0]
                assert wanted[-2] == await press("Tab", shift=True)
                await page.value("document.activeElement.blur()")
                assert [] == page.errors

    run(main)


@pytest.mark.accepts("WEB-1")
def test_grid_is_walked_by_arrows(tmp_path: Path, run: Run[None]) -> None:
    """One stop for Tab; arrows reach every channel and programme, keep the time going up and down, and never leave the
    focus hidden; Home, End and the pages jump; Enter opens; Tab leaves.
    """

    async def main() -> None:
        async with home(tmp_path) as (_, hub, chromium):
            page = await chromium.page()
            for width in (1440, 375):
                await page.look(width=width, height=700)
                await page.open(f"{hub}/guide?dvr=sportsa")
                press = pressed(page)
                everything = set(
                    await page.value("[...document.querySelectorAll('#grid a')].map((a) => a.href)")
                )
                await page.value("document.querySelector('.find button').focus()")
                assert "2200" in await press("Tab")
                reached = set()
                for _ in range(40):
                    reached.add(await page.value("document.activeElement.href"))
                    while True:
                        before = await page.value("document.activeElement.href")
                        await press("ArrowRight")
                        now = await page.value("document.activeElement.href")
                        assert await page.value(RING), (width, now)
                        if now == before:
                            break
                        reached.add(now)
                    await press("Home")
                    assert await page.value("!!document.activeElement.closest('th')")
                    assert await page.value(RING)
                    await press("ArrowDown")
                assert everything == reached
                await press("Home", ctrl=True)
                assert "2200" in await page.value("document.activeElement.href")
                await press("PageDown")
                assert "2210" in await page.value("document.activeElement.href")
                await press("End", ctrl=True)
                assert "2239" in await page.value("document.activeElement.href")
                assert await page.value(RING)
                await keeps_the_time(page)
                assert await page.value("document.activeElement.closest('#grid') !== null")
                await press("Tab")
                assert await page.value("document.activeElement.closest('#grid') === null")
                await press("Tab", shift=True)
                page.expect_load()
                await page.press("Enter")
                await page.loaded()
                assert "/channel/sportsa/" in await page.value("location.pathname")
                assert [] == page.errors

    run(main)


async def keeps_the_time(page: Page) -> None:
    """Down and up again through rows of other lengths ends where it began."""
    press = pressed(page)
    await press("Home", ctrl=True)
    for _ in range(2):
        await press("ArrowRight")
    began = await page.value("document.activeElement.href")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp", "ArrowUp"):
        await press(key)
        assert await page.value(RING)
    assert began == await page.value("document.activeElement.href")


@pytest.mark.accepts("WEB-1")
def test_reads_without_scripts(tmp_path: Path, run: Run[None]) -> None:
    """Without JavaScript status, guide, time line, earlier and later, search and channel pages read the same."""

    async def main() -> None:
        async with home(tmp_path) as (_, hub, chromium):
            page = await chromium.page()
            for width in (1440, 375):
                await page.look(width=width)
                await page.scripts(on=False)
                await page.open(hub)
                for name in NAMES:
                    assert name in await inner_text(page, "body")
                assert "1 difference" in await inner_text(page, "[data-region=drift]")
                await page.open(f"{hub}/guide?dvr=sportsa")
                assert "The Harbour Detective" in await inner_text(page, "#grid")
                box = await page.call("DOM.getBoxModel", nodeId=await node(page, ".line line"))
                assert box["model"]["height"] > 100
                page.expect_load()
                await click(page, "a[rel=next]")
                await page.loaded()
                assert "The Harbour Detective" in await inner_text(page, "#grid")
                assert [] == page.errors

    run(main)


async def node(page: Page, selector: str) -> int:
    """An element, found without a script."""
    root = (await page.call("DOM.getDocument"))["root"]["nodeId"]
    found: int = (await page.call("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
    assert found, selector
    return found


async def inner_text(page: Page, selector: str) -> str:
    """The markup of an element with its tags taken out, found without a script."""
    from lxml import html

    outer = await page.call("DOM.getOuterHTML", nodeId=await node(page, selector))
    return " ".join(
        " ".join(html.fragment_fromstring(outer["outerHTML"], create_parent=True).itertext()).split()
    )


async def click(page: Page, selector: str) -> None:
    """A click in the middle of an element, found without a script."""
    quad = (await page.call("DOM.getContentQuads", nodeId=await node(page, selector)))["quads"][0]
    x, y = (quad[0] + quad[4]) / 2, (quad[1] + quad[5]) / 2
    for kind in ("mousePressed", "mouseReleased"):
        await page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


@pytest.mark.accepts("WEB-1")
def test_changes_arrive_by_themselves(tmp_path: Path, clips: Path, run: Run[None]) -> None:
    """An open status page gains a row when somebody watches and loses it afterwards, keeping the focus; an open guide says
    when it has changed.
    """
    now = int(time.time())

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path / "state", handle)
            house = House(tmp_path / "other", now, channels=9, names=("news",))
            stage.guide = house.guide(stage.lineups)
            stage.publish()
            async with served(stage) as serving, browser(tmp_path / "profile") as chromium:
                hub = "http://{}:{}".format(*serving.hub)
                status, guide = await chromium.page(), await chromium.page(width=375)
                await status.open(hub)
                await guide.open(f"{hub}/guide")
                await status.until("document.getElementById('live').textContent === 'Live'")
                await status.value("document.querySelector('[data-region=dvrs] a').focus()")
                async with watching(serving.dvrs["news"], "/auto/v1001") as viewer:
                    await viewer.read(188)
                    watched = partial(status.until, "document.querySelector('[data-region=watching]')"
                                      ".innerText.includes('1001 Channel 1001')")  # fmt: skip
                    await watched()
                    assert "1 of 2" in await status.value(
                        "document.querySelector('[data-region=dvrs]').innerText"
                    )
                    assert await status.value("document.activeElement.textContent === 'guide'")
                await status.until(
                    "document.querySelector('[data-region=watching]').innerText.includes('Nobody')", 20
                )
                stage.guide += b"<!-- another -->"
                stage.publish()
                await guide.until("document.getElementById('moved')?.innerText.includes('has changed')")
                assert 375 == await guide.value("document.documentElement.scrollWidth")
                assert [] == status.errors + guide.errors

    run(main)
