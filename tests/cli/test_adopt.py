"""`ptctl adopt`: DVRs that Plex has become ours with their ids, addresses and numbers, and Plex is not written to."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx
import pytest

from reconciler.sandbox.panel import Channel
from reconciler.sandbox.plex_faults import FaultRule
from reconciler.sandbox.plex_records import XMLTV, Dvr, LineupEntry
from reconciler.tls import trusted
from tests.conftest import Run
from tests.drafting.old_tuners import channel, group_rule, mapping, settings
from tests.e2e.world import PASSWORD, SPEC, USER, World, world

OLD: Final = {"locals": ("US| Locals",), "sports": ("SPORTS|",), "rest": ()}
WAIT: Final = ("--wait", "60s")


def shown_by(home: World, name: str) -> list[Channel]:
    """The channels that an old tuner showed, by its groups; the last one shows the other groups."""
    live = [
        c
        for c in home.provider.panel.channels
        if c.kind == "live" and c.epg_id and not c.group.startswith("XXX") and not c.name.startswith("#")
    ]
    others = tuple(g for groups in OLD.values() for g in groups)
    wanted = OLD[name]
    return [c for c in live if (c.group.startswith(wanted) if wanted else not c.group.startswith(others))]


def write_threadfin(home: World, folder: Path, name: str, place: int) -> dict[int, Channel]:
    """One instance's files as Threadfin writes them; its channels by number."""
    channels = {1000 * (place + 1) + 7 * i: c for i, c in enumerate(shown_by(home, name))}
    host = home.provider.urls[0]
    login = f"username={quote(USER, safe='')}&password={quote(PASSWORD, safe='')}"
    groups = sorted({c.group for c in channels.values()})
    account = f"{quote(USER, safe='')}/{quote(PASSWORD, safe='')}"
    (folder / name).mkdir(parents=True)
    (folder / name / "settings.json").write_text(
        json.dumps(
            settings(
                m3u=f"{host}/get.php?{login}&type=m3u_plus&output=ts",
                xmltv=f"{host}/xmltv.php?{login}",
                filters=[group_rule(group) for group in groups],
                port=str(home.ports[0] + place),
                uuid=device_id(place).removesuffix(":2"),
                tuner=2,
            )
        )
    )
    (folder / name / "xepg.json").write_text(
        json.dumps(
            mapping(
                *(
                    channel(
                        str(number),
                        c.name,
                        guide_id=c.epg_id,
                        url=f"{host}/live/{account}/{c.id}.ts",
                        raw={"group-title": c.group},
                    )
                    for number, c in channels.items()
                )
            )
        )
    )
    return channels


def device_id(place: int) -> str:
    """The ids that Threadfin gives: its uuid and the number of tuners, no hex."""
    return f"2019-01-DEF-00{place}:2"


def add_dvr(home: World, name: str, place: int, channels: Sequence[tuple[int, str]]) -> Dvr:
    """The DVR that Plex has of an old tuner: its address, its guide, its numbers, and a recording rule."""
    uri = f"http://127.0.0.1:{home.ports[0] + place}"
    dvr = home.plex.add_foreign_dvr(
        device_id(place),
        title="Threadfin",
        uri=uri,
        lineup=f"lineup://{XMLTV}/{quote(uri + '/xmltv/threadfin.xml', safe='')}#Old {name}",
        channels=[str(number) for number, _ in channels],
        make="Threadfin",
        model="Threadfin",
    )
    device = home.plex.device(device_id(place))
    device.lineup = tuple(LineupEntry(str(n), text, f"{uri}/stream/{n}") for n, text in channels)
    home.plex.machine.state.save_device(device)
    home.plex.add_rule(dvr, f"Show of {name}")
    return dvr


@pytest.mark.accepts("MIG-1", "TUN-5", "OWN-1")
def test_three_threadfins_move_in_without_a_write(run: Run[None], tmp_path: Path) -> None:
    """Import, adopt, take over the ports, apply: no writing request reaches Plex, rules and numbers are as they were."""

    async def main() -> None:
        async with world(tmp_path / "home", spec=None, channels=60) as home:
            old = tmp_path / "threadfin"
            numbers = {}
            for place, name in enumerate(OLD):
                numbers[name] = write_threadfin(home, old, name, place)
            dvrs = {
                name: add_dvr(home, name, place, [(n, c.name) for n, c in numbers[name].items()])
                for place, name in enumerate(OLD)
            }
            before = home.plex.state_text()
            made = await home.ptctl(
                "import",
                "threadfin",
                str(old),
                "--name",
                "home",
                "--plex-url",
                home.plex.url,
                "--plex-token",
                "env:TEST_TOKEN",
                "--advertise",
                f"http://127.0.0.1:{home.hub}",
            )
            assert made.code == 0, made.text
            text = home.spec.read_text("utf-8")
            text = text.replace("0.0.0.0:5004", f"127.0.0.1:{home.hub}")
            text = text.replace("credentials: plex}", "credentials: plex, pace: 5ms, poll: 100ms}")
            home.spec.write_text(text)
            for name, dvr in dvrs.items():
                done = await home.ptctl(
                    "adopt", name, "--plex", str(dvr.key), "--channels", "ptctl.channels.json"
                )
                assert done.code == 0, done.text
                assert f"{len(numbers[name])} by the list" in done.out, done.text
                assert "Not found" not in done.out, done.text
            assert {"ledger.json", "spec-v1.schema.json"} == home.files().keys()
            assert not (home.state / "artifacts").exists()
            async with home.serving(ready=False) as process:
                applied = await home.ptctl("apply", "--yes", *WAIT)
                assert applied.code == 0, applied.text
                # Without a write to Plex apply does not wait for serve.
                await home.wait_for_hub("/readyz", process)
                async with httpx.AsyncClient(trust_env=False, verify=trusted()) as client:
                    for place, name in enumerate(OLD):
                        await check_answers(
                            client, f"http://127.0.0.1:{home.ports[0] + place}", numbers[name]
                        )
            assert [] == home.plex.writes()
            assert before == home.plex.state_text()

    run(main)


async def check_answers(client: httpx.AsyncClient, tuner: str, numbers: dict[int, Channel]) -> None:
    """The old address answers as the old tuner did: lineup with its numbers, guide at its old place."""
    lineup = (await client.get(f"{tuner}/lineup.json")).json()
    assert {str(number): c.name for number, c in numbers.items()} == {
        row["GuideNumber"]: row["GuideName"] for row in lineup
    }
    guide = await client.get(f"{tuner}/xmltv/threadfin.xml")
    assert guide.status_code == 200
    assert all(f'<channel id="{number}">' in guide.text for number in numbers)


def adopting(text: str, **dvrs: str) -> str:
    """A spec with options of some DVRs."""
    for name, options in dvrs.items():
        text = text.replace(f"  {name}: {{{{}}}}\n", f"  {name}: {{{{{options}}}}}\n")
    return text


@pytest.mark.accepts("OWN-1", "PLN-9")
def test_what_matches_nothing_stays_reserved(run: Run[None], tmp_path: Path) -> None:
    """Without a list: number and name, or a name that occurs once; the rest is listed, stays on, and nobody gets its number."""

    async def main() -> None:
        async with world(tmp_path) as home:
            locals_ = [
                c for c in home.provider.panel.channels if c.group == "US| Locals" and c.name[:1] != "#"
            ]
            known = [(1000 + i, c.name) for i, c in enumerate(locals_[:4])]
            dvr = add_dvr(home, "locals", 0, [*known, (1500, "Closed Long Ago")])
            unnamed = await home.ptctl("adopt", "locals", "--plex", "999")
            assert unnamed.code == 1, unnamed.text
            assert f'it has {dvr.key} "Old locals"' in unnamed.err
            other = await home.ptctl("adopt", "locals", "--plex", str(dvr.key))
            assert other.code == 1, other.text
            assert f'device_id: "{device_id(0)}"' in other.err
            home.write_spec(
                adopting(
                    SPEC,
                    locals=f'device_id: "{device_id(0)}", guide_path: /xmltv/threadfin.xml, port: {home.ports[0]}',
                )
            )
            done = await home.ptctl("adopt", "locals", "--plex", str(dvr.key), "-f", "json")
            assert done.code == 0, done.text
            found = {row["number"]: (row["how"], row["id"]) for row in json.loads(done.out)["channels"]}
            assert {1500: ("", "")}.items() <= found.items()
            assert {n: f"panel/{c.id}" for (n, _), c in zip(known, locals_, strict=False)} == {
                n: id_ for n, (_, id_) in found.items() if id_
            }
            ledger = json.loads((home.state / "ledger.json").read_text("utf-8"))
            again = await home.ptctl("adopt", "locals", "--plex", str(dvr.key))
            assert again.code == 0, again.text
            assert ledger == json.loads((home.state / "ledger.json").read_text("utf-8"))
            shown = await home.ptctl("plan", "-f", "json", "--skip", "sports", "--skip", "rest")
            plan = json.loads(shown.out)
            assert "W315" in [w["code"] for w in plan["warnings"]], shown.out
            change = next(c for c in plan["changes"] if c["dvr"] == "locals")
            assert 1500 not in [c["number"] for c in change["counts"]["added"]]
            assert [] == change["counts"]["removed"]
            assert [] == home.plex.writes()
            history = await home.ptctl("history")
            assert "adopt locals" in history.out

    run(main)


@pytest.mark.accepts("PLN-9")
def test_one_is_adopted_one_proposed_several_are_named(run: Run[None], tmp_path: Path) -> None:
    """By DeviceID with a notice; by guide URL only proposed, with the command; two of the same guide are an error that names them."""

    async def main() -> None:
        async with world(tmp_path) as home:
            home.write_spec(
                adopting(SPEC, locals=f'device_id: "{device_id(0)}"', sports="guide_path: /old.xml")
            )
            add_dvr(home, "locals", 0, [(1000, "x")])
            proposed = home.plex.add_foreign_dvr(
                "AB12CD34",
                lineup=f"lineup://{XMLTV}/{quote(f'http://127.0.0.1:{home.ports[0] + 1}/old.xml', safe='')}#Old",
            )
            plan = json.loads((await home.ptctl("plan", "-f", "json")).out)
            changes = {c["dvr"]: c for c in plan["changes"]}
            warnings = {w["code"]: w for w in plan["warnings"] if w["dvr"]}
            assert "replace" == changes["locals"]["kind"], "its guide is elsewhere"
            assert {"replace:locals"} <= {b["lift"] for b in changes["locals"]["blocks"]}
            assert "same DeviceID: it is adopted" in warnings["W301"]["message"]
            assert f"ptctl adopt sports --plex {proposed.key}" == warnings["W302"]["next_step"]
            assert "add" == changes["sports"]["kind"]
            second = home.plex.add_foreign_dvr(
                "AB12CD35",
                lineup=f"lineup://{XMLTV}/{quote(f'http://127.0.0.1:{home.ports[0] + 1}/old.xml', safe='')}#Old",
            )
            shown = await home.ptctl("plan", "--exit-code")
            assert shown.code == 4, shown.text
            assert f"DVRs {proposed.key}, {second.key} in Plex all have its guide" in shown.out
            home.plex.add_foreign_dvr(device_id(0).lower(), title="Twin")
            twins = await home.ptctl("plan", "--exit-code", "--only", "locals")
            assert twins.code == 4, twins.text
            assert f"all have DeviceID {device_id(0)}" in twins.out
            assert [] == home.plex.writes()

    run(main)


@pytest.mark.accepts("OWN-1", "PLN-6")
def test_a_lost_ledger_is_rebuilt(run: Run[None], tmp_path: Path) -> None:
    """From files and Plex, then from Plex alone: the plan is empty, numbers are the old ones, plans of the old lineage are refused."""

    async def main() -> None:
        async with world(tmp_path) as home:
            async with home.serving(ready=False):
                assert 0 == (await home.ptctl("apply", "--yes", *WAIT)).code
            assert 0 == (await home.ptctl("plan", "--out", "saved.json")).code
            writes = len(home.plex.writes())
            path = home.state / "ledger.json"
            before = json.loads(path.read_text("utf-8"))
            refused = await home.ptctl("adopt", "--rebuild")
            assert refused.code == 1, refused.text
            assert "would know less" in refused.err
            path.write_text("{ broken")
            done = await home.ptctl("adopt", "--rebuild")
            assert done.code == 0, done.text
            assert "from the published files: locals, rest, sports" in done.out, done.out
            assert [1] == [len(list(home.state.glob("ledger.json.broken-*")))]
            after = json.loads(path.read_text("utf-8"))
            assert before["lineage"] != after["lineage"]
            for kind in ("channels", "dvrs"):
                assert places(before[kind]) == places(after[kind])
            plan = await home.ptctl("plan", "--exit-code=all", "--actions")
            assert plan.code == 0, plan.text
            stale = await home.ptctl("apply", "saved.json")
            assert stale.code == 5, stale.text
            assert "another lineage" in stale.err
            path.unlink()
            (home.state / "artifacts" / "current").unlink()
            alone = await home.ptctl("adopt", "--rebuild")
            assert alone.code == 0, alone.text
            assert "from Plex alone: locals, rest, sports" in alone.out, alone.out
            last = json.loads(path.read_text("utf-8"))
            assert places(before["channels"]) == places(last["channels"])
            assert 0 == (await home.ptctl("refresh")).code
            plan = await home.ptctl("plan", "--exit-code")
            assert plan.code == 0, plan.text
            assert writes == len(home.plex.writes())

    run(main)


@pytest.mark.accepts("PLN-9", "NUM-1")
def test_a_plan_without_a_ledger_renumbers_nobody(run: Run[None], tmp_path: Path) -> None:
    """The ledger and all files are gone and the spec sorts anew: DVRs with our DeviceIDs keep the numbers that are on."""

    async def main() -> None:
        async with world(tmp_path) as home:
            async with home.serving(ready=False):
                assert 0 == (await home.ptctl("apply", "--yes", *WAIT)).code
            path = home.state / "ledger.json"
            before = json.loads(path.read_text("utf-8"))
            writes, seen = len(home.plex.writes()), home.plex.state_text()
            path.unlink()
            (home.state / "artifacts" / "current").unlink()
            home.write_spec(
                SPEC.replace('{{group: "SPORTS|*"}}', '{{group: "SPORTS|*"}}, sort: [{{number: "*7"}}]')
            )
            shown = await home.ptctl("plan", "--cached", "-f", "json")
            plan = json.loads(shown.out)
            for change in plan["changes"]:
                counts = change["counts"]
                assert ("adopt", []) == (
                    change["kind"],
                    counts["added"] + counts["removed"] + counts["changed"],
                )
                assert counts["before"] == counts["after"] > 0
            assert {"W120", "W121"}.isdisjoint(w["code"] for w in plan["warnings"])
            async with home.serving(ready=False):
                applied = await home.ptctl("apply", "--yes", *WAIT)
            assert 0 == applied.code, applied.text
            after = json.loads(path.read_text("utf-8"))
            assert places(before["channels"]) == places(after["channels"])
            assert (writes, seen) == (len(home.plex.writes()), home.plex.state_text())

    run(main)


@pytest.mark.accepts("PLN-8")
def test_an_adopted_dvr_without_names_is_unknown(run: Run[None], tmp_path: Path) -> None:
    """Its channels' names cannot be read: numbers cannot be matched, so nothing of it is written (S401)."""

    async def main() -> None:
        async with world(tmp_path) as home:
            async with home.serving(ready=False):
                assert 0 == (await home.ptctl("apply", "--yes", *WAIT)).code
            (home.state / "ledger.json").unlink()
            home.plex.add_fault(FaultRule("500", "GET", r"devices/\d+/channels", times=0))
            shown = await home.ptctl("plan", "--exit-code", "--only", "sports")
            assert 4 == shown.code, shown.text
            assert "the names of the channels of DVR" in shown.out

    run(main)


def places(entries: list[dict[str, object]]) -> set[tuple[object, ...]]:
    """What must be the same again of channels and DVRs."""
    keys = ("id", "dvr", "number", "name", "device_id", "port", "slug", "title", "dvr_key", "device_key")
    return {tuple(entry.get(key) for key in keys) for entry in entries}


@pytest.mark.accepts("APP-3", "PLN-9")
def test_a_dvr_made_anew_by_hand_is_adopted_in_one_run(run: Run[None], tmp_path: Path) -> None:
    """Its title is pinned, and the tuner is called so, in the run that adopts it: the next one publishes nothing."""

    async def main() -> None:
        async with world(tmp_path) as home, home.serving(ready=False):
            assert 0 == (await home.ptctl("apply", "--yes", *WAIT)).code
            state = home.plex.machine.state
            old = next(d for d in state.dvrs.values() if d.lineups[0].endswith("#sports"))
            (device,) = state.devices_of(old.key)
            await home.plex.machine.loads.idle()
            state.drop_dvr(old)
            new = state.add_dvr(Dvr("", "eng", (old.lineups[0].replace("#sports", "#By%20hand"),)))
            device.parent = new.key
            state.save_device(device)
            first = await home.ptctl("apply", "--yes", *WAIT)
            assert 0 == first.code, first.text
            published = (home.state / "artifacts" / "current").readlink()
            manifest = json.loads((home.state / "artifacts" / "current" / "manifest.json").read_text("utf-8"))
            assert "By hand" in {d["friendly_name"] for d in manifest["dvrs"]}
            again = await home.ptctl("apply", "--yes", *WAIT)
            assert "No changes" in again.text, again.text
            assert published == (home.state / "artifacts" / "current").readlink()

    run(main)
