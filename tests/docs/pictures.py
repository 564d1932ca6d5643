"""`python -m tests.docs.pictures`: make the pictures of the README anew, from what the product itself prints and serves.

The plan is the coloured text of `ptctl plan`, cut to the lines that the README shows; the page is what Chromium makes of
the hub of a running `ptctl demo`, with three streams. Written to docs/pictures; a look at them belongs to the review.
"""

import re
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import trio
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from reconciler.rendering import plan_text
from reconciler.tls import trusted
from tests.docs.reading import ROOT, blocks
from tests.rendering.plans import busy_plan
from tests.serving.browser import browser

__all__ = ["FOLDER", "MOST_BYTES", "plan_lines", "plan_svg"]

FOLDER: Final = ROOT / "docs/pictures"
MOST_BYTES: Final = 150_000
WIDTH, HEIGHT = 1280, 720
PLAN_CELLS: Final = 100
DEMO_S: Final = 110.0
RATES_S: Final = 8.0
"""Rates appear when the page has seen a stream twice."""
CODES: Final = re.compile(r"\x1b\[[0-9;]*m")
THEME: Final = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        (22, 27, 34), (255, 123, 114), (126, 231, 135), (242, 204, 96),
        (121, 192, 255), (210, 168, 255), (118, 227, 234), (201, 209, 217),
    ],
)  # fmt: skip
# rich's own frame, without fonts from elsewhere: whoever shows the picture has a monospaced one.
FRAME: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def plan_lines() -> list[str]:
    """The lines of the README's plan with their colours. Fails where the product prints no such line."""
    shown = next(b for b in blocks(ROOT / "README.md") if b.mark == "lines of").text.splitlines()
    coloured = {CODES.sub("", line): line for line in plan_text.render(busy_plan(), color=True).splitlines()}
    return [line if line.startswith("$ ") else coloured[line] for line in shown]


def plan_svg() -> str:
    """The picture of the plan. The same text gives the same picture with the same version of rich."""
    with Path("/dev/null").open("w") as nowhere:
        console = Console(
            record=True, width=PLAN_CELLS, file=nowhere, force_terminal=True, legacy_windows=False
        )
        for line in plan_lines():
            console.print(Text.from_ansi(line), no_wrap=True, overflow="crop", highlight=False)
        return console.export_svg(title="ptctl plan", theme=THEME, code_format=FRAME, unique_id="plan")


async def page_png() -> bytes:
    """The status page of `ptctl demo` while three streams run, seen by Chromium. Takes half a minute."""
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ptctl-picture-")))
        start = partial(
            trio.run_process,
            [sys.executable, "-m", "reconciler", "demo"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        process: trio.Process = await nursery.start(start)
        assert process.stdout is not None
        said = b""
        with trio.fail_after(DEMO_S):
            while b"Ctrl-C ends" not in said:
                said += await process.stdout.receive_some(65536)
        found = re.search(rb"tuners and lineups +(\S+)/", said)
        assert found is not None, said
        hub = found[1].decode()
        client = await stack.enter_async_context(
            httpx.AsyncClient(trust_env=False, timeout=30, verify=trusted())
        )
        for name, place in (("newsus", 0), ("newsus", 0), ("sportsa", 2)):
            playlist = (await client.get(f"{hub}/dvr-{name}.m3u")).text
            address = [line for line in playlist.splitlines() if line.startswith("http")][place]
            answer = await stack.enter_async_context(client.stream("GET", address))
            nursery.start_soon(_drain, answer)
        chromium = await stack.enter_async_context(browser(folder / "profile"))
        page = await chromium.page(width=WIDTH, height=HEIGHT, scheme="light")
        await page.open(f"{hub}/")
        await trio.sleep(RATES_S)
        picture = await page.picture()
        nursery.cancel_scope.cancel()
    return picture


async def _drain(answer: httpx.Response) -> None:
    async for _ in answer.aiter_raw():
        pass


def main() -> None:
    """Write both."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "plan.svg").write_text(plan_svg(), "utf-8")
    (FOLDER / "status.png").write_bytes(trio.run(page_png))
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
