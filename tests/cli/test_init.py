"""`ptctl init` as a user runs it: by flags, at a terminal, and when something is wrong."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest
import trio

from tests.conftest import Run
from tests.e2e.world import PASSWORD, TOKEN, USER, World, world

SECRETS: Final = (USER, PASSWORD, TOKEN)
FLAGS: Final = ("--username-env", "TEST_USER", "--password-env", "TEST_PASS")
PLEX: Final = ("--plex-token-env", "TEST_TOKEN")
EMPTY: Final = {"TEST_USER": "", "TEST_PASS": "", "TEST_TOKEN": ""}
ANSWER_LIMIT_S: Final = 60.0


def flags(there: World, *more: str) -> tuple[str, ...]:
    """The command line of a whole init."""
    hosts = [part for url in there.provider.urls for part in ("--host", url)]
    return ("init", *hosts, *FLAGS, "--plex-url", there.plex.url, *PLEX, *more)


def names_in(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.accepts("INI-1")
def test_init_by_flags_gives_a_spec_that_plans(tmp_path: Path, run: Run[None]) -> None:
    """Spec and env file validate and plan without the variables they came from; no secret is in spec or output."""

    async def main() -> None:
        async with world(tmp_path, channels=600, spec=None) as there:
            made = await there.ptctl(*flags(there))
            assert 0 == made.code, made.text
            spec, env = tmp_path / "ptctl.yaml", tmp_path / "ptctl.env"
            assert 0o600 == env.stat().st_mode & 0o777
            shown = made.out + made.err + spec.read_text("utf-8")
            assert [] == [s for s in SECRETS if s in shown]
            assert [] == there.plex.writes()
            checked = await there.ptctl("validate", env=EMPTY)
            assert (0, "no errors, no warnings in 1 file.\n") == (checked.code, checked.out), checked.text
            planned = await there.ptctl("plan", "-f", "json", env=EMPTY)
            assert 0 == planned.code, planned.text
            changes = json.loads(planned.out)["changes"]
            assert {"add"} == {c["kind"] for c in changes}
            assert 500 < sum(c["counts"]["after"] for c in changes)
            assert all(c["counts"]["after"] <= 480 for c in changes)

    run(main)


def test_init_shows_groups_and_proposal(tmp_path: Path, run: Run[None]) -> None:
    """Groups with counts and guide share, what is proposed of them, and Plex with its DVRs."""

    async def main() -> None:
        async with world(tmp_path, channels=170, spec=None) as there:
            there.plex.add_foreign_dvr()
            made = await there.ptctl(*flags(there, "--name", "attic"))
            assert 0 == made.code, made.text
            wanted = ("US| Locals", "in a guide", "Proposed", "1 DVR there, left alone", "Next:  ptctl plan")
            assert [] == [w for w in wanted if w not in made.out], made.out
            text = (tmp_path / "ptctl.yaml").read_text("utf-8")
            assert text.startswith("# yaml-language-server: $schema=.ptctl/spec-v1.schema.json\n")
            assert "\nname: attic\n" in text
            schema = json.loads((tmp_path / ".ptctl" / "spec-v1.schema.json").read_text("utf-8"))
            assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]

    run(main)


def test_catalog_needs_no_second_fetch(tmp_path: Path, run: Run[None]) -> None:
    """What init fetched is the copy that `catalog` and `plan --cached` use."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            assert 0 == (await there.ptctl(*flags(there))).code
            asked = len(there.provider.journal.visits)
            listed = await there.ptctl("catalog", env=EMPTY)
            planned = await there.ptctl("plan", "--cached")
            assert (0, 0) == (listed.code, planned.code), listed.text + planned.text
            assert asked == len(there.provider.journal.visits)

    run(main)


@pytest.mark.accepts("INI-1")
def test_without_a_terminal_everything_missing_is_named(tmp_path: Path, run: Run[None]) -> None:
    """Exit 64 with all that is missing at once; nobody is asked and nothing is fetched."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            bare = await there.ptctl("init")
            assert 64 == bare.code, bare.text
            assert [] == [
                w
                for w in ("--host", "--password-env", "--m3u", "--plex-url", "--no-plex")
                if w not in bare.err
            ]
            half = await there.ptctl("init", "--host", there.provider.urls[0], "--plex-url", there.plex.url)
            assert 64 == half.code
            wanted = ("--username-env", "--password-file", "--plex-token-env", "--plex-prefs")
            assert [] == [w for w in wanted if w not in half.err], half.err
            unset = await there.ptctl(
                "init", "--host", "tv.example.net", "--username-env", "NOT_SET", "--no-plex"
            )
            assert (64, True) == (unset.code, "the environment has no NOT_SET" in unset.err)
            assert [] == list(there.provider.journal.visits)
            assert ["plex"] == names_in(tmp_path)

    run(main)


def test_nothing_is_overwritten_unasked(tmp_path: Path, run: Run[None]) -> None:
    """A spec or env file that is there stays, before anything is fetched; `--overwrite` replaces it."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            (tmp_path / "ptctl.env").write_text("MINE=1\n")
            refused = await there.ptctl(*flags(there))
            assert 64 == refused.code, refused.text
            assert "ptctl.env exists already" in refused.err
            assert "--overwrite" in refused.err
            assert ("MINE=1\n", []) == (
                (tmp_path / "ptctl.env").read_text(),
                list(there.provider.journal.visits),
            )
            assert 0 == (await there.ptctl(*flags(there, "--overwrite"))).code
            assert "MINE" not in (tmp_path / "ptctl.env").read_text()
            elsewhere = await there.ptctl(*flags(there, "--out", "more/home.yaml"))
            assert 0 == elsewhere.code, elsewhere.text
            assert (tmp_path / "more" / "home.env").exists()
            assert 0 == (await there.ptctl("validate", "more/home.yaml")).code

    run(main)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"TEST_PASS": "wrong-password-1"}, "wrong user name or password"),
        ({"TEST_TOKEN": "wrong-token-1"}, "Plex refused the token"),
    ],
)
@pytest.mark.accepts("INI-1")
def test_a_refused_account_writes_nothing(
    tmp_path: Path, run: Run[None], env: dict[str, str], said: str
) -> None:
    """A wrong password or token is told, exit 1, and no file is written."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            made = await there.ptctl(*flags(there), env=env)
            assert 1 == made.code, made.text
            assert said in made.err
            assert [] == [s for s in (*SECRETS, *env.values()) if s in made.out + made.err]
            assert not (tmp_path / "ptctl.yaml").exists()
            assert not (tmp_path / "ptctl.env").exists()

    run(main)


def test_plex_that_does_not_answer(tmp_path: Path, run: Run[None]) -> None:
    """No connection to Plex is told before the provider is asked."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            made = await there.ptctl(
                "init", "--host", there.provider.urls[0], *FLAGS, "--plex-url", "127.0.0.1:1", *PLEX
            )
            assert (1, True) == (made.code, "no connection" in made.err), made.text
            assert [] == list(there.provider.journal.visits)

    run(main)


@pytest.mark.accepts("INI-1", "DOC-2")
def test_mistakes_are_told_in_words_of_the_command_line(tmp_path: Path, run: Run[None]) -> None:
    """There is no spec yet: nothing speaks of its keys, or of commands that need one; contradictions ask nobody."""

    async def main() -> None:
        async with world(tmp_path, channels=40, spec=None) as there:
            refused = await there.ptctl(*flags(there), env={"TEST_TOKEN": "wrong"})
            assert 1 == refused.code, refused.text
            assert f"{there.plex.url}: Plex refused the token" in refused.err
            assert "--plex-token-env" in refused.err
            stranger = there.provider.urls[0]
            asked = await there.ptctl(*flags(there, "--plex-url", stranger))
            assert f"{stranger} does not answer like Plex" in asked.err, asked.text
            assert "Next:  check --plex-url" in asked.err
            both = await there.ptctl(*flags(there, "--no-plex"))
            assert (64, True) == (both.code, "--no-plex and --plex-url exclude each other" in both.err), (
                both.text
            )
            for host in ("ftp://tv.example.net", "http://tv.example.net:80800", "http://"):
                wrong = await there.ptctl("init", "--host", host, *FLAGS, "--no-plex")
                assert (64, True) == (wrong.code, "is no http or https address" in wrong.err), wrong.text
                assert "again in" not in wrong.err
            assert [] == [n for n in names_in(tmp_path) if n.startswith("ptctl")]

    run(main)


@pytest.mark.accepts("INI-1")
def test_init_counts_what_plan_will_count(tmp_path: Path, run: Run[None]) -> None:
    """The channels that init says it wrote are those that the first plan has: separators and adult groups are out."""

    async def main() -> None:
        async with world(tmp_path, channels=84, spec=None) as there:
            made = await there.ptctl(*flags(there))
            plan = json.loads((await there.ptctl("plan", "-f", "json")).out)
            after = sum(c["counts"]["after"] for c in plan["changes"])
            assert f"1 DVR, {after} channels" in made.out, made.text

    run(main)


def test_files_stay_where_secrets_are(tmp_path: Path, run: Run[None]) -> None:
    """A secret that lies in a file is referred to and not copied; Plex's own preferences serve as well."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            for name, value in (("user", USER), ("pass", PASSWORD)):
                (tmp_path / name).write_text(value + "\n")
                (tmp_path / name).chmod(0o600)
            prefs = tmp_path / "Preferences.xml"
            prefs.write_text(f'<?xml version="1.0"?><Preferences PlexOnlineToken="{TOKEN}"/>')
            prefs.chmod(0o600)
            made = await there.ptctl(
                "init", "--host", there.provider.urls[0], "--username-file", "user", "--password-file", "pass",
                "--plex-url", there.plex.url, "--plex-prefs", str(prefs), env=EMPTY,
            )  # fmt: skip
            assert 0 == made.code, made.text
            text = (tmp_path / "ptctl.yaml").read_text("utf-8")
            assert f'"file:{tmp_path}/pass"' in text
            assert "plexprefs:" in text
            assert not (tmp_path / "ptctl.env").exists()
            assert 0 == (await there.ptctl("plan", env=EMPTY)).code
            (tmp_path / "box.m3u").write_text(
                "#EXTM3U\n#EXTINF:0,2 - France 2\nrtsp://h/stream?service=201\n"
            )
            made = await there.ptctl("init", "--m3u", "box.m3u", "--no-plex", "--overwrite")
            assert (1, "") == (made.code, made.out), made.text
            assert "left out 1: the address is rtsp, not http or https" in made.err
            assert "Next:  give a list of live channels at http addresses" in made.err

    run(main)


def test_a_playlist_instead_of_a_panel(tmp_path: Path, run: Run[None]) -> None:
    """A playlist by address or file; a get.php line comes by variable and is recognised as an account."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            base = there.provider.urls[0]
            made = await there.ptctl("init", "--m3u", f"{base}/list.m3u", "--no-plex")
            assert 0 == made.code, made.text
            text = (tmp_path / "ptctl.yaml").read_text("utf-8")
            assert f"url: {base}/list.m3u" in text
            assert "plex:" not in text
            assert 0 == (await there.ptctl("plan")).code
            line = f"{base}/get.php?username={USER}&password={PASSWORD.replace('+', '%2B')}&type=m3u_plus"
            refused = await there.ptctl("init", "--m3u", line, "--no-plex", "--overwrite")
            assert (64, True) == (refused.code, "--m3u-env" in refused.err), refused.text
            assert [] == [s for s in SECRETS if s in refused.err]
            made = await there.ptctl(
                "init", "--m3u-env", "LINE", "--no-plex", "--overwrite", env={"LINE": line}
            )
            assert 0 == made.code, made.text
            assert f"kind: xtream, hosts: [{base}]" in (tmp_path / "ptctl.yaml").read_text("utf-8")
            assert 0 == (await there.ptctl("plan", env=EMPTY)).code

    run(main)


def test_json_for_programs(tmp_path: Path, run: Run[None]) -> None:
    """`-f json` gives one document with what was written and the groups."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            made = await there.ptctl(*flags(there, "-f", "json"))
            document = json.loads(made.out)
            assert ("ptctl-draft/1", "ptctl.yaml", "ptctl.env", 3) == (
                document["format"],
                document["spec"],
                document["env_file"],
                document["secrets"],
            )
            assert {"group", "entries", "listed"} == set(document["groups"][0])

    run(main)


def at_a_terminal(there: World, answers: list[tuple[str, str]]) -> tuple[int, str, str]:
    """Run `ptctl init` at a pseudo terminal and answer its questions; exit code, stdout, and what the terminal showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "init"],
        cwd=there.directory,
        env={**there.environment, **EMPTY, "TERM": "dumb"},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown, deadline = "", time.monotonic() + ANSWER_LIMIT_S
    asked = 0
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 0.2)
        if ready:
            try:
                shown += os.read(ours, 4096).decode()
            except OSError:  # the other end is closed
                break
        elif process.poll() is not None:
            break
        if asked < len(answers) and answers[asked][0] in shown.rpartition("\x00")[2]:
            os.write(ours, answers[asked][1].encode() + b"\n")
            shown += "\x00"
            asked += 1
    out, _ = process.communicate(timeout=ANSWER_LIMIT_S)
    os.close(ours)
    assert asked == len(answers), shown
    return process.returncode, out.decode(), shown


@pytest.mark.accepts("INI-1")
def test_init_at_a_terminal(tmp_path: Path, run: Run[None]) -> None:
    """Questions one after the other; password and token do not appear as they are typed; a yes writes the spec."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            first, second = there.provider.urls
            answers = [
                ("Provider", first),
                ("Further hosts", second),
                ("User name", USER),
                ("Password", PASSWORD),
                ("Plex's address", there.plex.url),
                ("Plex token", TOKEN),
                ("find the tuners", ""),
                ("Write ptctl.yaml?", "y"),
            ]
            code, out, shown = await trio.to_thread.run_sync(at_a_terminal, there, answers)
            assert 0 == code, out + shown
            assert [] == [s for s in (PASSWORD, TOKEN) if s in shown + out]
            text = (tmp_path / "ptctl.yaml").read_text("utf-8")
            assert f"hosts: [{first}, {second}]" in text
            assert 0 == (await there.ptctl("plan", env=EMPTY)).code

    run(main)


def test_a_no_at_the_terminal_writes_nothing(tmp_path: Path, run: Run[None]) -> None:
    """Answering no leaves everything as it was, exit 130 as for any interruption."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as there:
            answers = [
                ("Provider", "no-such-file.m3u"),
                ("Provider", f"{there.provider.urls[0]}/list.m3u"),
                ("Plex's address", "-"),
                ("Write ptctl.yaml?", "n"),
            ]
            code, out, shown = await trio.to_thread.run_sync(at_a_terminal, there, answers)
            assert 130 == code, out + shown
            assert 'there is no file "no-such-file.m3u"' in shown
            assert not (tmp_path / "ptctl.yaml").exists()

    run(main)
