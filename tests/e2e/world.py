"""One world for a test: provider, Plex, a spec with addresses filled in, and `ptctl` as a process.

Servers run in the test's own nursery on free ports of 127.0.0.1 and end with it. Nothing here fakes anything of
`ptctl`: commands are processes (`tests.warm`) as a user's are, and what they did is read from the servers' journals and from disk.
"""

import atexit
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import trio

from reconciler.sandbox.panel import Account, Panel
from reconciler.sandbox.plex import PlexHandle, PlexOptions, run_plex
from reconciler.sandbox.provider import ProviderHandle, run_provider
from reconciler.sandbox.streams import default_cache
from reconciler.tls import trusted
from tests import warm
from tests.ports import free_block

__all__ = ["Result", "World", "again", "once", "world"]

USER: Final = "viewer-7261"
PASSWORD: Final = "p/ss w+rd-8841"
TOKEN: Final = "plextoken-5530"
COMMAND_LIMIT_S: Final = 110.0
READY_LIMIT_S: Final = 20.0

SPEC: Final = """\
version: 1
name: test-home
credentials:
  panel: {{username: "env:TEST_USER", password: "env:TEST_PASS"}}
  plex: {{token: "env:TEST_TOKEN"}}
sources:
  panel: {{kind: xtream, hosts: [{hosts}], credentials: panel}}
guides:
  panel: {{source: panel, match: [id]}}
filters:
  - {{name: separators, drop: {{name: "#*"}}}}
  - {{name: no-adult, drop: {{group: "XXX*"}}}}
buckets:
  - {{name: locals, match: {{group: "US| Locals"}}}}
  - {{name: sports, match: {{group: "SPORTS|*"}}}}
  - {{name: rest, match: {{}}, overflow: drop}}
dvrs:
  locals: {{}}
  sports: {{}}
  rest: {{}}
plex: {{url: "{plex}", credentials: plex, pace: 5ms, poll: 100ms}}
serve: {{listen: "127.0.0.1:{hub}", advertise: "http://127.0.0.1:{hub}", ports: {first}-{last}, reconcile: "off"}}
"""


@dataclass(frozen=True, slots=True)
class Result:
    """How one run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams, for messages of failing tests."""
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass(frozen=True, slots=True)
class World:
    """Servers, directory and environment of one test."""

    directory: Path
    provider: ProviderHandle
    plex: PlexHandle
    hub: int
    ports: tuple[int, int]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> Path:
        """The spec file."""
        return self.directory / "ptctl.yaml"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.directory / ".ptctl"

    def write_spec(self, text: str = SPEC, **more: object) -> None:
        """Fill the addresses into a spec and write it."""
        values = {
            "hosts": ", ".join(f'"{url}"' for url in self.provider.urls),
            "plex": self.plex.url,
            "hub": self.hub,
            "first": self.ports[0],
            "last": self.ports[1],
            **more,
        }
        self.spec.write_text(text.format(**values), "utf-8")

    async def ptctl(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: bytes = b""
    ) -> Result:
        """Run `ptctl` in the directory and wait for its end."""
        with trio.fail_after(COMMAND_LIMIT_S):
            code, out, err = await warm.finished(
                arguments, cwd=self.directory, env={**self.environment, **(env or {})}, stdin=stdin
            )
        return Result(code, out.decode(), err.decode())

    @property
    def environment(self) -> dict[str, str]:
        """What the commands' processes see."""
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG", "CI"}}
        return {**kept, "TEST_USER": USER, "TEST_PASS": PASSWORD, "TEST_TOKEN": TOKEN, **self.env}

    @asynccontextmanager
    async def serving(self, *arguments: str, ready: bool = True) -> AsyncIterator[warm.Command]:
        """`ptctl serve` for the length of the block; `ready` waits until the hub names a live generation."""
        with (self.directory / "serve.log").open("ab") as log:
            process = await warm.start(
                ["serve", *arguments], cwd=self.directory, env=self.environment, stdout=log, stderr=log
            )
            try:
                await self.wait_for_hub("/readyz" if ready else "/healthz", process)
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                with trio.move_on_after(10) as scope:
                    scope.shield = True
                    await process.wait()
                process.kill()

    async def wait_for_hub(self, path: str, process: warm.Command) -> None:
        """Until the hub answers 200, or the process ended, or the limit passed."""
        deadline = time.monotonic() + READY_LIMIT_S
        async with httpx.AsyncClient(trust_env=False, verify=trusted()) as client:
            while True:
                assert process.returncode is None, (self.directory / "serve.log").read_text()
                try:
                    answer = await client.get(f"http://127.0.0.1:{self.hub}{path}", timeout=2)
                    if answer.status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                assert time.monotonic() < deadline, (self.directory / "serve.log").read_text()
                await trio.sleep(0.05)

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Every file below the state directory but caches: path -> (mtime in ns, bytes)."""
        found = {}
        for path in sorted(self.state.rglob("*")):
            name = str(path.relative_to(self.state))
            if (
                path.is_file()
                and not path.is_symlink()
                and not name.startswith(("cache/", "state.db", "lock", "runs/"))
            ):
                found[name] = (path.stat().st_mtime_ns, path.read_bytes())
        return found


@asynccontextmanager
async def world(
    directory: Path,
    *,
    panel: Panel | None = None,
    channels: int = 34,
    hosts: int = 2,
    dvrs: int = 16,
    spec: str | None = SPEC,
    options: PlexOptions | None = None,
    connections: int = 16,
) -> AsyncIterator[World]:
    """A provider, a Plex and a directory with a spec, for the length of the block."""
    account = Account(USER, PASSWORD, max_connections=connections)
    panel = replace(panel or Panel.demo(time.time(), channels=channels), accounts=(account,))
    # the hub and its tuners, the provider's hosts, Plex
    first, last = free_block(1 + dvrs + hosts + 1)
    await trio.Path(directory).mkdir(parents=True, exist_ok=True)
    options = options or PlexOptions(load_delay_s=0.05)
    async with _running(directory, panel, options, range(first + 1 + dvrs, last), last) as (provider, plex):
        made = World(directory, provider, plex, first, (first + 1, first + dvrs))
        if spec is not None:
            made.write_spec(spec)
        yield made


@asynccontextmanager
async def again(directory: Path, ended: World) -> AsyncIterator[World]:
    """A copy in `directory` of a world that has ended, taken up where it was left and at the same addresses, as after a
    restart of the machine. One copy at a time.
    """
    await trio.to_thread.run_sync(
        partial(shutil.copytree, ended.directory, directory, symlinks=True, dirs_exist_ok=True)
    )
    hosts = [httpx.URL(url).port or 0 for url in ended.provider.urls]
    panel, options = ended.provider.panel, ended.plex.options
    async with _running(directory, panel, options, hosts, ended.plex.port) as (provider, plex):
        yield replace(ended, directory=directory, provider=provider, plex=plex)


async def once(kind: object, make: Callable[[Path], Awaitable[World]]) -> World:
    """The ended world of a kind (anything hashable), which each test process makes once, in a directory of its own."""
    if kind not in _MADE:
        directory = Path(tempfile.mkdtemp(prefix="world-"))
        atexit.register(shutil.rmtree, directory)
        _MADE[kind] = await make(directory)
    return _MADE[kind]


_MADE: Final[dict[object, World]] = {}


@asynccontextmanager
async def _running(
    directory: Path, panel: Panel, options: PlexOptions, hosts: Sequence[int], port: int
) -> AsyncIterator[tuple[ProviderHandle, PlexHandle]]:
    """A provider at these ports and a Plex at that one."""
    async with trio.open_nursery() as nursery:
        provider: ProviderHandle = await nursery.start(
            partial(run_provider, panel, ports=hosts, stream_cache=default_cache())
        )
        plex: PlexHandle = await nursery.start(
            partial(run_plex, directory / "plex", token=TOKEN, port=port, options=options)
        )
        yield provider, plex
        nursery.cancel_scope.cancel()
