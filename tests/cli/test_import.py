"""`ptctl import` as a user runs it: from old tuners' folders, a playlist, and Plex itself."""

import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
import trio

from reconciler.drafting.channels import read
from reconciler.sandbox import wire
from tests.conftest import Run
from tests.drafting.old_tuners import channel, group_rule, mapping, settings
from tests.e2e.world import PASSWORD, TOKEN, USER, World, world

SECRETS: Final = (USER, PASSWORD, TOKEN, quote(PASSWORD, safe=""))
TUNERS: Final = {"bcastus": "US| Locals", "newsus": "US| News", "sports": "SPORTS| US"}
EMPTY: Final = {"TEST_USER": "", "TEST_PASS": "", "TEST_TOKEN": ""}


def save(folder: Path, saved: dict[str, Any], xepg: dict[str, Any] | None) -> None:
    """Write an instance's files."""
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps(saved, indent=2), "utf-8")
    if xepg is not None:
        (folder / "xepg.json").write_text(json.dumps(xepg), "utf-8")


def account(call: str, host: str) -> str:
    """A call to the panel with the account in it, as people paste it."""
    return (
        f"{host}/{call}.php?username={quote(USER, safe='')}&password={quote(PASSWORD, safe='')}&type=m3u_plus"
    )


def old_stack(there: World, folder: Path) -> dict[str, list[str]]:
    """Three tuners that show the panel's channels by group; gives the names each shows.

    In each the second channel is renamed and the third switched off by hand.
    """
    host = there.provider.urls[0]
    shown: dict[str, list[str]] = {}
    for place, (name, group) in enumerate(TUNERS.items()):
        rows, shown[name] = [], []
        listed = [
            c for c in there.provider.panel.of_kind("live") if c.group == group and not c.name.startswith("#")
        ]
        for n, one in enumerate(listed):
            called = f"My {one.name}" if n == 1 else one.name
            active = bool(one.epg_id) and n != 2
            rows.append(
                channel(
                    str(1000 + place * 600 + n),
                    one.name,
                    name=called,
                    guide_id=one.epg_id,
                    url=f"{host}/live/{quote(USER, safe='')}/{quote(PASSWORD, safe='')}/{one.id}.ts",
                    active=active,
                    raw={"group-title": group},
                )
            )
            if active:
                shown[name].append(called)
        saved = settings(
            m3u=account("get", host),
            xmltv=account("xmltv", host),
            filters=[group_rule(group)],
            port=str(there.ports[0] + place),
            tuner=2,
            uuid=f"2019-{place + 1:02}-DEF-000",
        )
        save(folder / f"threadfin-{name}" / "conf", saved, mapping(*rows))
    return shown


async def planned(there: World, *arguments: str) -> dict[str, list[str]]:
    """The names each DVR would have."""
    result = await there.ptctl("plan", *arguments, "-f", "json", env=EMPTY)
    assert 0 == result.code, result.text
    changes = json.loads(result.out)["changes"]
    return {c["dvr"]: sorted(a["name"] for a in c["counts"]["added"]) for c in changes}


@pytest.mark.accepts("IMP-1", "PLY-7")
def test_old_tuners_become_one_spec_that_loses_nothing(tmp_path: Path, run: Run[None]) -> None:
    """Three Threadfin folders give a spec whose plan has the very channels they showed, by name, without a secret."""

    async def main() -> None:
        async with world(tmp_path, channels=170, spec=None) as there:
            shown = old_stack(there, tmp_path / "old")
            made = await there.ptctl("import", "threadfin", "old")
            assert 0 == made.code, made.text
            text = (tmp_path / "ptctl.yaml").read_text("utf-8")
            channels = (tmp_path / "ptctl.channels.json").read_text("utf-8")
            assert [] == [s for s in SECRETS if s in made.out + made.err + text + channels]
            assert 0o600 == (tmp_path / "ptctl.env").stat().st_mode & 0o777
            assert 0 == (await there.ptctl("validate")).code
            assert {name: sorted(names) for name, names in shown.items()} == await planned(there)
            listed = {dvr: sorted(c.name for c in read(channels, dvr)) for dvr in TUNERS}
            assert {name: sorted(names) for name, names in shown.items()} == listed
            assert all(c.channel.startswith("bcastus/") for c in read(channels))

    run(main)


@pytest.mark.accepts("IMP-1", "PLY-7")
def test_a_backup_archive_is_an_instance(tmp_path: Path, run: Run[None]) -> None:
    """The tuner is gone and its own backup is all that is left: the same channels and numbers as from its folder."""

    async def main() -> None:
        async with world(tmp_path, channels=170, spec=None) as there:
            old_stack(there, tmp_path / "old")
            conf = tmp_path / "old" / f"threadfin-{next(iter(TUNERS))}" / "conf"
            told = await there.ptctl("import", "threadfin", str(conf))
            assert 0 == told.code, told.text
            spec, channels = tmp_path / "ptctl.yaml", tmp_path / "ptctl.channels.json"
            before = (spec.read_bytes(), channels.read_bytes())
            archive = conf / "backup" / "threadfin_auto_backup_20260301_0412.zip"
            archive.parent.mkdir()
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                file.writestr("cache/settings.json", "{}")
                for name in ("settings.json", "xepg.json"):
                    file.write(conf / name, name)
            made = await there.ptctl("import", "threadfin", str(archive), "--overwrite")
            assert 0 == made.code, made.text
            assert before == (spec.read_bytes(), channels.read_bytes())
            whole = archive.read_bytes()
            half = len(whole) // 2
            (tmp_path / "cut.zip").write_bytes(whole[:half] + bytes(64) + whole[half + 64 :])
            with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
                file.writestr("readme.txt", "hello")
            for name, told_ in (("cut", "damaged archive"), ("other", "there is no settings.json in")):
                wrong = await there.ptctl("import", "threadfin", f"{name}.zip", "--overwrite")
                assert (1, True) == (wrong.code, told_ in wrong.err), wrong.text
            assert before == (spec.read_bytes(), channels.read_bytes())

    run(main)


@pytest.mark.accepts("PLY-7")
def test_what_cannot_be_carried_is_listed(tmp_path: Path, run: Run[None]) -> None:
    """Losses are in the report with a way out, in text and JSON; the spec is written all the same."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            saved = settings(m3u="http://nas/list.m3u", authentication__web=True, brand__new=7)
            save(tmp_path / "one", saved, mapping(channel("5.1", "Half", guide_id="h", url="http://nas/1")))
            made = await there.ptctl("import", "threadfin", "one/settings.json")
            assert 0 == made.code, made.text
            wanted = ("Not carried over", '"authentication.web"', "serve.access", '"brand.new"', "5.1 Half")
            assert [] == [w for w in wanted if w not in made.out], made.out
            again = await there.ptctl("import", "threadfin", "one", "--overwrite", "-f", "json")
            document = json.loads(again.out)
            assert ("ptctl-draft/1", ["one"]) == (document["format"], document["dvrs"])
            assert '"authentication.web": a login for its pages' in {
                n["what"] for n in document["not_carried"]
            }

    run(main)


def test_a_list_of_broken_streams_comes_along(tmp_path: Path, run: Run[None]) -> None:
    """A blacklist beside the old settings is named in the spec, where it stays what it is."""

    async def main() -> None:
        async with world(tmp_path, channels=170, spec=None) as there:
            old_stack(there, tmp_path / "old")
            (tmp_path / "old" / "threadfin-stream-blacklist.json").write_text("[]")
            assert 0 == (await there.ptctl("import", "threadfin", "old")).code
            text = (tmp_path / "ptctl.yaml").read_text("utf-8")
            assert "probes: {blacklist: [old/threadfin-stream-blacklist.json]}" in text
            assert 0 == (await there.ptctl("validate")).code

    run(main)


def test_import_with_plex_says_how_to_adopt(tmp_path: Path, run: Run[None]) -> None:
    """With Plex's address, a reference to its token and the tuners' address the adoption is printed, a DVR a line."""

    async def main() -> None:
        async with world(tmp_path, channels=170, spec=None) as there:
            old_stack(there, tmp_path / "old")
            made = await there.ptctl(
                "import", "threadfin", "old", "--plex-url", there.plex.url, "--plex-token", "env:TEST_TOKEN",
                "--advertise", f"http://127.0.0.1:{there.hub}",
            )  # fmt: skip
            assert 0 == made.code, made.text
            for name in TUNERS:
                assert f"ptctl adopt {name} --plex KEY --channels ptctl.channels.json" in made.out
            literal = await there.ptctl(
                "import", "threadfin", "old", "--overwrite", "--plex-url", there.plex.url, "--plex-token", TOKEN,
                "--advertise", "http://x:1",
            )  # fmt: skip
            assert (64, False) == (literal.code, TOKEN in literal.err), literal.text

    run(main)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("threadfin", "nowhere"), 64, 'there is no "nowhere"'),
        (("threadfin", "empty"), 64, "no settings.json in empty"),
        (("threadfin", "broken"), 1, "settings.json is not JSON"),
        (("threadfin", "strange"), 1, "is not Threadfin's or xTeVe's"),
        (("threadfin", "one", "two", "--xepg", "one/xepg.json"), 64, "--xepg is for one instance"),
        (("m3u",), 64, "no playlist is given"),
        (("m3u", "missing.m3u"), 64, 'there is no file "missing.m3u"'),
        (("plex",), 64, "--plex-url"),
    ],
)
def test_wrong_places_are_said(
    tmp_path: Path, run: Run[None], arguments: tuple[str, ...], code: int, said: str
) -> None:
    """What is not there, or is something else, is told; nothing is written."""
    (tmp_path / "empty").mkdir()
    for name, text in (("broken", "{"), ("strange", '{"a": 1}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.json").write_text(text)
    for name in ("one", "two"):
        save(tmp_path / name, settings(), mapping())

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            result = await there.ptctl("import", *arguments)
            assert code == result.code, result.text
            assert said in result.err
            assert not (tmp_path / "ptctl.yaml").exists()

    run(main)


@pytest.mark.accepts("IMP-1")
def test_a_playlist_becomes_a_spec_that_loses_nothing(tmp_path: Path, run: Run[None]) -> None:
    """Every live entry of a list has a place, its guide comes along, and an account in its addresses is hidden."""

    async def main() -> None:
        async with world(tmp_path, channels=600, spec=None) as there:
            made = await there.ptctl("import", "m3u", f"{there.provider.urls[0]}/list.m3u")
            assert 0 == made.code, made.text
            plan = await planned(there)
            live = {c.name for c in there.provider.panel.of_kind("live")}
            assert live == {name for names in plan.values() for name in names}
            assert len(there.provider.panel.of_kind("live")) == sum(map(len, plan.values()))
            assert "guides:\n  main: {source: main" in (tmp_path / "ptctl.yaml").read_text("utf-8")

    run(main)


def test_an_account_in_a_list_is_hidden(tmp_path: Path, run: Run[None]) -> None:
    """A file whose addresses hold one account gets it as a reference; neither spec nor cache shows it afterwards."""
    lines = ["#EXTM3U"]
    for n in range(3):
        lines += [
            f'#EXTINF:-1 group-title="A",One {n}',
            f"http://tv.example.net/live/joe-4411/hunter-99x/{n + 1}.ts",
        ]
    (tmp_path / "all.m3u").write_text("\n".join(lines))

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            made = await there.ptctl("import", "m3u", "all.m3u")
            assert 0 == made.code, made.text
            text = (tmp_path / "ptctl.yaml").read_text("utf-8")
            assert "credentials: main" in text
            assert {"channels": ["One 0", "One 1", "One 2"]} == await planned(there)
            cached = b"".join(bytes_below(tmp_path / ".ptctl"))
            shown = made.out + made.err + text + cached.decode("utf-8", "replace")
            assert [] == [s for s in ("joe-4411", "hunter-99x") if s in shown]

    run(main)


def bytes_below(folder: Path) -> list[bytes]:
    """The content of every file below a folder."""
    return [p.read_bytes() for p in folder.rglob("*") if p.is_file()]


@pytest.mark.accepts("IMP-1")
def test_numbers_of_a_list_are_kept_if_asked(tmp_path: Path, run: Run[None]) -> None:
    """`--keep-numbers` gives channels the list's own numbers; without it they are numbered like any other."""
    lines = ["#EXTM3U"]
    for n, number in enumerate(("7", "12", "12", "")):
        lines += [
            f'#EXTINF:-1 tvg-chno="{number}" group-title="A",One {n}',
            f"http://cdn.example.net/{n}/index.m3u8",
        ]
    (tmp_path / "all.m3u").write_text("\n".join(lines))

    async def numbers(there: World, *arguments: str) -> dict[str, int]:
        made = await there.ptctl("import", "m3u", "all.m3u", "--overwrite", *arguments)
        assert 0 == made.code, made.text
        result = await there.ptctl("plan", "-f", "json")
        (change,) = json.loads(result.out)["changes"]
        return {a["name"]: a["number"] for a in change["counts"]["added"]}

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            assert {"One 0": 1000, "One 1": 1001, "One 2": 1002, "One 3": 1003} == await numbers(there)
            kept = await numbers(there, "--keep-numbers")
            assert (7, 12) == (kept["One 0"], kept["One 1"])
            assert 4 == len(set(kept.values()))

    run(main)


class OldTuner:
    """What an old tuner says of its channels."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self.rows = rows
        self.asked: list[str] = []

    async def handle(self, exchange: wire.Exchange) -> None:
        """Answer `lineup.json`; remember everything that was asked."""
        self.asked.append(f"{exchange.request.method} {exchange.request.path}")
        if exchange.request.path == "/lineup.json":
            await exchange.respond(200, json.dumps(self.rows), "application/json")
        else:
            await exchange.respond(404)


@pytest.mark.accepts("IMP-1")
def test_dvrs_in_plex_become_a_spec(tmp_path: Path, run: Run[None]) -> None:
    """Each DVR of an emulated tuner is kept with DeviceID, address, guide path and numbers, its channels by the names
    its tuner tells; an antenna is left alone; no writing request reaches Plex, and the old tuner is only asked once.
    """

    async def main() -> None:
        async with world(tmp_path, channels=170, spec=None) as there, trio.open_nursery() as nursery:
            names = {
                g: [c.name for c in there.provider.panel.of_kind("live") if c.group == g][1:6]
                for g in TUNERS.values()
            }
            tuners = []
            for place, (name, group) in enumerate(TUNERS.items()):
                numbers = [str(1000 + place * 600 + n) for n in range(5)]
                rows = [
                    {"GuideNumber": n, "GuideName": m, "URL": "x"}
                    for n, m in zip(numbers, names[group], strict=True)
                ]
                tuner = OldTuner(rows)
                port: int = await nursery.start(partial(wire.serve, tuner.handle))
                base = f"http://127.0.0.1:{port}"
                there.plex.add_foreign_dvr(
                    f"2019-{place + 1:02}-DEF-000:2", title=name, uri=base, make="Golang", model="0.5.0",
                    lineup=f"lineup://tv.plex.providers.epg.xmltv/{quote(base + '/xmltv/threadfin.xml', safe='')}#{name}",
                    channels=numbers,
                )  # fmt: skip
                tuners.append((tuner, port))
            there.plex.add_foreign_dvr()
            made = await there.ptctl(
                "import", "plex", "--plex-url", there.plex.url, "--plex-token-env", "TEST_TOKEN",
                "--host", there.provider.urls[0], "--username-env", "TEST_USER", "--password-env", "TEST_PASS",
            )  # fmt: skip
            assert 0 == made.code, made.text
            assert [] == there.plex.writes()
            assert [["GET /lineup.json"]] * 3 == [t.asked for t, _ in tuners]
            assert "Plex's own" in made.out
            assert all(f"ptctl adopt {name} --plex " in made.out for name in TUNERS)
            text = (tmp_path / "ptctl.yaml").read_text("utf-8")
            assert [] == [s for s in SECRETS if s in made.out + made.err + text]
            for name, (_, port) in zip(TUNERS, tuners, strict=True):
                assert f"port: {port}" in text
                assert f"  {name}:" in text
            assert 3 == text.count("guide_path: /xmltv/threadfin.xml")
            assert '"2019-01-DEF-000:2"' in text
            assert 0 == (await there.ptctl("validate", env=EMPTY)).code
            listed = read((tmp_path / "ptctl.channels.json").read_text("utf-8"))
            assert [(1000 + n, name) for n, name in enumerate(names["US| Locals"])] == [
                (c.number, c.name) for c in listed if c.dvr == "bcastus"
            ]
            plan = await there.ptctl("plan", "-f", "json", env=EMPTY)
            assert 0 == plan.code, plan.text
            changes = {c["dvr"]: c for c in json.loads(plan.out)["changes"] if c["dvr"] in TUNERS}
            assert {"adopt"} == {c["kind"] for c in changes.values()}, plan.out
            nursery.cancel_scope.cancel()

    run(main)


def test_names_that_plex_remembers(tmp_path: Path, run: Run[None]) -> None:
    """Where an old tuner is gone, Plex's own memory names its channels; the unknown source is said and left to edit."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            there.plex.add_foreign_dvr(
                "2019-01-DEF-000:2", title="Old", uri="http://127.0.0.1:1",
                lineup=f"lineup://tv.plex.providers.epg.xmltv/{quote('http://127.0.0.1:1/xmltv/threadfin.xml', safe='')}#Old",
                channels=("1000", "1001"),
            )  # fmt: skip
            made = await there.ptctl(
                "import", "plex", "--plex-url", there.plex.url, "--plex-token-env", "TEST_TOKEN"
            )
            assert 0 == made.code, made.text
            text = (tmp_path / "ptctl.yaml").read_text("utf-8")
            assert '{name: {in: ["Station 1000", "Station 1001"]}}' in text
            assert "Plex does not know where channels come from" in made.out
            assert "edit ptctl.yaml" in made.out

    run(main)


def test_plex_without_dvrs_to_adopt(tmp_path: Path, run: Run[None]) -> None:
    """Where there is nothing to take over, that is said with the reason, and nothing is written."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            there.plex.add_foreign_dvr()
            made = await there.ptctl(
                "import", "plex", "--plex-url", there.plex.url, "--plex-token-env", "TEST_TOKEN"
            )
            assert 1 == made.code, made.text
            assert "no DVR in Plex can be adopted" in made.err
            assert "ptctl init" in made.err
            assert not (tmp_path / "ptctl.yaml").exists()

    run(main)
