"""The reference equals the code: commands and spec are generated, addresses are asked."""

import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.cli import reference
from reconciler.cli.exits import Exit
from reconciler.tls import trusted
from tests.conftest import Run
from tests.docs.reading import ROOT
from tests.e2e.world import world

REFERENCE = ROOT / "docs/reference"


@pytest.mark.parametrize("name", ["commands", "metrics", "spec"])
def test_the_reference_is_what_the_code_says(name: str) -> None:
    """If this fails: python -m reconciler.cli.reference."""
    assert getattr(reference, name)() == (REFERENCE / f"{name}.md").read_text("utf-8")


def test_every_metric_that_is_served_is_listed(run: Run[None], tmp_path: Path) -> None:
    """What a hub answers at /metrics has no name, and no label, that the reference does not have."""
    listed = dict(re.findall(r"^\| `(ptctl_\w+)` \| \w+ \| (.*?) \|", reference.metrics(), re.MULTILINE))

    async def main() -> None:
        async with world(tmp_path) as home:
            assert (await home.ptctl("refresh")).code == 0
            async with home.serving(), httpx.AsyncClient(trust_env=False, verify=trusted()) as client:
                text = (await client.get(f"http://127.0.0.1:{home.hub}/metrics", timeout=20)).text
        families = list(text_string_to_metric_families(text))
        assert len(families) > 15
        for family in families:
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert name in listed
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            assert labels <= set(re.findall(r"`(\w+)`", listed[name])), name

    run(main)


def test_every_exit_code_is_explained() -> None:
    """No status without a meaning, and the order of precedence names all that can meet."""
    assert set(Exit) == set(reference.ENDS)


def test_apply_sends_what_is_listed(run: Run[None], tmp_path: Path) -> None:
    """Every writing call of an apply from nothing is in the explanation's table, and of the table's all but what Plex may not need."""
    text = (ROOT / "docs/explanations/what-apply-does.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `((?:POST|PUT) [^?`]*)", text, re.MULTILINE))

    async def main() -> None:
        async with world(tmp_path) as home, home.serving(ready=False):
            assert (await home.ptctl("apply", "--yes", "--wait", "60s")).code == 0
            sent = {f"{w.method} {re.sub(r'/[0-9]+', '/KEY', w.path)}" for w in home.plex.writes()}
            not_needed = {"POST /livetv/dvrs/KEY/reloadGuide", "POST /media/grabbers/devices/KEY/scan"}
            assert not_needed < listed
            assert listed - not_needed == sent

    run(main)


def test_every_address_answers(run: Run[None], tmp_path: Path) -> None:
    """What the reference of HTTP lists is there: at the hub, and at a tuner; streams are asked with HEAD."""
    text = (REFERENCE / "http.md").read_text("utf-8")
    parts = dict(re.findall(r"^## (The hub|A tuner)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    rows = {part: re.findall(r"^\| (`/.*?) \|", body, re.MULTILINE) for part, body in parts.items()}
    found = {
        part: [p for row in cells for p in re.findall(r"`(/[^`]*)`", row)] for part, cells in rows.items()
    }
    assert len(found["The hub"]) > 10
    assert len(found["A tuner"]) > 10

    async def main() -> None:
        async with world(tmp_path) as home:
            assert (await home.ptctl("refresh")).code == 0
            async with home.serving(), httpx.AsyncClient(trust_env=False, verify=trusted()) as client:
                hub = f"http://127.0.0.1:{home.hub}"
                tuner = f"http://127.0.0.1:{home.ports[0]}"
                rows = (await client.get(f"{tuner}/lineup.json")).json()
                number = rows[0]["GuideNumber"]
                for base, paths in ((hub, found["The hub"]), (tuner, found["A tuner"])):
                    for path in paths:
                        if path in {"/vod.m3u", "/series.m3u"}:
                            continue  # this world has neither
                        real = path.replace("DVR", "locals").replace("BUCKET", "locals")
                        real = real.replace("NUMBER", number).replace("SECONDS", "0")
                        method = "POST" if path == "/lineup.post" else "HEAD"
                        answer = await client.request(method, base + real, timeout=20)
                        assert answer.status_code == 200, f"{method} {base}{real}: {answer.status_code}"

    run(main)
