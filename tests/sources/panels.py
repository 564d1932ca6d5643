"""A simulated provider as the source of a spec, and loading it with short limits."""

from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from reconciler.catalog.entry import Catalog
from reconciler.sandbox.panel import Panel
from reconciler.sandbox.provider import ProviderHandle, run_provider
from reconciler.secret import SecretRef
from reconciler.sources.catalogue import load_catalog
from reconciler.sources.web import Limits
from reconciler.spec.model import Credentials, Source, Spec

NOW = 1_800_000_000.0
USER, PASSWORD = "demo", "orchard-4711"
ENVIRON = {"IPTV_USER": USER, "IPTV_PASS": PASSWORD}
QUICK = Limits(
    connect_s=1, login_s=1.5, answer_s=1.5, idle_s=1.5, list_s=5, guide_s=5, stagger_s=0.3, pause_s=0.01, patience_s=1.5,
    retries=1,
)  # fmt: skip
PANEL = Panel.demo(NOW, channels=40)


def a_spec(*sources: Source, **more: Any) -> Spec:
    """A spec of these sources and one account."""
    provider = Credentials("provider", SecretRef("env", "IPTV_USER"), SecretRef("env", "IPTV_PASS"))
    return Spec(
        "test",
        {s.name: s for s in sources},
        {},
        (),
        (),
        {},
        credentials={"provider": provider},
        base="/",
        **more,
    )


def panel_source(*hosts: str, **more: Any) -> Source:
    """The source `main`."""
    return Source("main", "xtream", hosts=hosts, credentials=("provider",), **more)


@asynccontextmanager
async def provider(tmp_path: Path, **options: Any) -> Any:
    """A running provider."""
    async with trio.open_nursery() as nursery:
        start = partial(
            run_provider, options.pop("panel", PANEL), stream_cache=tmp_path / "streams", **options
        )
        handle: ProviderHandle = await nursery.start(start)
        yield handle
        nursery.cancel_scope.cancel()


async def load(spec: Spec, tmp_path: Path, **options: Any) -> Catalog:
    """The catalogue, with short limits."""
    options = {"now": NOW, "environ": ENVIRON, "limits": QUICK, **options}
    return await load_catalog(spec, tmp_path / "cache", **options)
