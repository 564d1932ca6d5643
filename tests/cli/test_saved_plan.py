"""A saved plan is applied exactly as it was shown, or refused with what moved; it holds no secret."""

import json
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from reconciler.sandbox.plex_records import Mapping
from tests.cli.settled import STALE, Guard, settled, with_channels
from tests.conftest import Run
from tests.e2e.world import PASSWORD, SPEC, TOKEN, USER, World, world


async def saved(home: World, *arguments: str) -> None:
    """The plan of now, in a file."""
    made = await home.ptctl("plan", "--out", "saved.json", *arguments)
    assert made.code == 0, made.text


async def refused(
    home: World, guard: Guard, says: str, *, env: dict[str, str] | None = None, words: str = ""
) -> None:
    """The saved plan is stale: exit 5, what moved, the next command, no write, no file touched."""
    files = home.files()
    shown = await home.ptctl("apply", "saved.json", env=env)
    assert shown.code == STALE, shown.text
    assert says in shown.err, shown.text
    assert "is stale, and nothing was changed: " in shown.err, shown.text
    assert f"Next:  ptctl plan{words} --out saved.json\n" in shown.err, shown.text
    assert [] == guard.writes()
    assert files == home.files()


@pytest.mark.accepts("PLN-6", "UPD-3")
def test_a_saved_plan_is_refused_after_each_change(run: Run[None], tmp_path: Path) -> None:
    """Spec, selection, Plex, strangers in Plex, ledger serial: each alone makes it stale; undone, it is applied exactly."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            panel = home.provider.panel
            gone = next(c for c in panel.channels if c.group == "SPORTS| US" and c.epg_id)
            with_channels(home, lambda c: c is not gone)
            news = home.provider.panel
            guard = Guard(home)
            await saved(home)
            document = (tmp_path / "saved.json").read_text("utf-8")
            for secret in (USER, PASSWORD, TOKEN):
                for form in (secret, quote(secret, safe=""), b64encode(secret.encode()).decode()):
                    assert form not in document
            for words in (("--allow", "shrink:all"), ("--only", "rest"), ("--skip", "rest")):
                assert 64 == (await home.ptctl("apply", "saved.json", *words)).code
            home.write_spec(SPEC.replace("  rest: {{}}\n", "  rest: {{tuners: 3}}\n"))
            await refused(home, guard, "the spec was edited (")
            home.write_spec()
            home.provider.replace(panel)
            await refused(home, guard, "selection of channels")
            home.provider.replace(news)
            stranger = home.plex.add_foreign_dvr("10ABCDE5")
            await refused(home, guard, "DVRs that are not ours")
            home.plex.remove_device("10ABCDE5")
            assert stranger.key not in home.plex.machine.state.dvrs
            ledger = json.loads((home.state / "ledger.json").read_text("utf-8"))
            own = next(d["device_id"] for d in ledger["dvrs"] if d["name"] == "locals")
            maps = home.plex.device(own).mappings
            home.plex.set_map(own, [Mapping(m.device, m.lineup, m.key, enabled=False) for m in maps])
            await refused(home, guard, "locals was changed in Plex (")
            home.plex.set_map(own, maps)
            applied = await home.ptctl("apply", "saved.json")
            assert applied.code == 0, applied.text
            assert [] != guard.writes()
            await refused(home, guard, "ledger serial")

    run(main)


@pytest.mark.accepts("PLN-6")
def test_a_saved_plan_is_for_one_server(run: Run[None], tmp_path: Path) -> None:
    """Another Plex behind the same address, another ledger: refused, even where everything else is the same."""

    async def main() -> None:
        async with world(tmp_path) as home:
            guard = Guard(home)
            await saved(home)
            plan = json.loads((tmp_path / "saved.json").read_text("utf-8"))
            assert home.plex.machine_identifier == plan["server_machine"]
            (tmp_path / "saved.json").write_text(json.dumps({**plan, "server_machine": "another"}))
            await refused(home, guard, "the plan was made for another")
            asked = {**json.loads(plan["arguments"]), "only": ["rest"], "allow": ["shrink:rest"]}
            other_ledger = {**plan, "ledger_lineage": "another", "arguments": json.dumps(asked)}
            (tmp_path / "saved.json").write_text(json.dumps(other_ledger))
            await refused(home, guard, "another lineage", words=" --allow shrink:rest --only rest")
            (tmp_path / "saved.json").write_text(json.dumps({**plan, "format": "ptctl-plan/9"}))
            other = await home.ptctl("apply", "saved.json")
            assert other.code == 1, other.text
            assert "this version reads 'ptctl-plan/1'" in other.err
            assert [] == guard.writes()

    run(main)
