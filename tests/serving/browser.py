"""A real Chromium, spoken to over a pipe (`--remote-debugging-pipe`): no driver, no port, ended with its block.

Only what the tests of pages need: open, measure, press keys, take pictures, and hear every error of script, policy and
network. Its profile lies in a folder of the test.
"""

import base64
import fcntl
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import trio

__all__ = ["Browser", "Page", "browser"]

PROGRAM: Final = "chromium"
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--hide-scrollbars",
    "--lang=en-GB",
    "--remote-debugging-pipe",
)
# Chromium reads commands at descriptor 3 and writes answers to 4; whichever we got are moved there first.
LAUNCH: Final = (
    "import os,sys; r,w=int(sys.argv[1]),int(sys.argv[2]); os.dup2(r,3); os.dup2(w,4); "
    "os.execvp(sys.argv[3], sys.argv[3:])"
)
ANSWER_S: Final = 30.0
Scheme = Literal["light", "dark"]
# key -> (code, windows key code, text)
KEYS: Final[Mapping[str, tuple[str, int, str]]] = {
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    "PageUp": ("PageUp", 33, ""),
    "PageDown": ("PageDown", 34, ""),
    "End": ("End", 35, ""),
    "Home": ("Home", 36, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
}


class Browser:
    """The process. `open` gives a page."""

    def __init__(self, out: trio.lowlevel.FdStream, answers: trio.lowlevel.FdStream) -> None:
        self._out = out
        self._answers = answers
        self._waiting: dict[int, trio.MemorySendChannel[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._next = 0

    async def listen(self) -> None:
        """Take in answers and events until cancelled or Chromium has ended."""
        held = b""
        async for data in self._answers:
            *messages, held = (held + data).split(b"\0")
            for message in messages:
                self._heard(json.loads(message))

    def _heard(self, message: dict[str, Any]) -> None:
        if "id" in message:
            waiting = self._waiting.pop(message["id"], None)
            if waiting is not None:
                waiting.send_nowait(message)
            return
        page = self._pages.get(message.get("sessionId", ""))
        if page is not None:
            page.heard(message["method"], message["params"])

    async def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """One command and its result. Fails where Chromium refuses or does not answer in time."""
        self._next += 1
        number = self._next
        send, receive = trio.open_memory_channel[dict[str, Any]](1)
        self._waiting[number] = send
        command: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        with trio.fail_after(ANSWER_S):
            await self._out.send_all(json.dumps(command).encode() + b"\0")
            answer = await receive.receive()
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    async def page(self, *, width: int = 1440, height: int = 900, scheme: Scheme = "light") -> "Page":
        """An empty page that looks like that, in a process of its own: dear, so rather `look` anew at one that is there."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        session = (await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True))[
            "sessionId"
        ]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Accessibility"):
            await page.call(f"{domain}.enable")
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await page.look(width=width, height=height, scheme=scheme)
        return page


class Page:
    """One tab. `errors` collects what the console shows as an error and every exception of a script."""

    def __init__(self, owner: Browser, session: str) -> None:
        self._browser = owner
        self._session = session
        self._loaded = trio.Event()
        self.errors: list[str] = []
        self.requests: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command to this page."""
        return await self._browser.call(method, self._session, **params)

    def heard(self, method: str, params: Mapping[str, Any]) -> None:
        """An event of this page."""
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(params["exceptionDetails"])[:500])
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.errors.append(json.dumps(params["args"])[:500])
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                entry = params["entry"]
                self.errors.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])

    async def look(self, *, width: int = 1440, height: int = 900, scheme: Scheme = "light") -> None:
        """Another size and scheme from now on. Phones are 375 wide: below 600 it has a touch screen and two dots per pixel."""
        phone = width < 600
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def scripts(self, *, on: bool) -> None:
        """Allow or forbid scripts from the next load on."""
        await self.call("Emulation.setScriptExecutionDisabled", value=not on)

    async def open(self, url: str) -> None:
        """Go to an address and wait until it has loaded."""
        self._loaded = trio.Event()
        answer = await self.call("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        with trio.fail_after(ANSWER_S):
            await self._loaded.wait()

    async def loaded(self) -> None:
        """Wait for the load that a click or a key began."""
        with trio.fail_after(ANSWER_S):
            await self._loaded.wait()

    def expect_load(self) -> None:
        """Forget that the page has loaded: the next `loaded` waits for the next one."""
        self._loaded = trio.Event()

    async def value(self, expression: str) -> Any:
        """What an expression gives in the page, promises awaited. Any: JSON."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str, within_s: float = 15.0) -> None:
        """Wait until an expression is true."""
        with trio.fail_after(within_s):
            while not await self.value(expression):  # noqa: ASYNC110 - what is waited for lies in another process
                await trio.sleep(0.05)

    async def press(self, key: str, *, shift: bool = False, ctrl: bool = False) -> None:
        """One key, down and up."""
        code, number, text = KEYS[key]
        common = {
            "key": key,
            "code": code,
            "windowsVirtualKeyCode": number,
            "modifiers": (8 if shift else 0) | (2 if ctrl else 0),
        }
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        await self.call("Input.dispatchKeyEvent", **down, **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def picture(self, *, whole: bool = False) -> bytes:
        """What is seen, or the `whole` page, as PNG."""
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Browser]:
    """Chromium for the length of the block."""
    command_read, command_write = os.pipe()
    answer_read, answer_write = os.pipe()
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (command_read, answer_write)]
    arguments = [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    try:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-S", "-c", LAUNCH, *map(str, theirs), *arguments],
            pass_fds=theirs,
            stdout=-3,
            stderr=-3,
            env={**os.environ, "HOME": str(profile), "TZ": "UTC"},
        )
    finally:
        for fd in (command_read, answer_write, *theirs):
            os.close(fd)
    async with trio.lowlevel.FdStream(command_write) as out, trio.lowlevel.FdStream(answer_read) as answers:
        try:
            async with trio.open_nursery() as nursery:
                made = Browser(out, answers)
                nursery.start_soon(made.listen)
                await made.call("Browser.getVersion")
                yield made
                nursery.cancel_scope.cancel()
        finally:
            process.kill()
            with trio.CancelScope(shield=True), trio.move_on_after(5):
                await process.wait()
