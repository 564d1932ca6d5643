"""Drafts, their secrets, the channels file, addresses taken apart, ranges."""

import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.drafting.addresses import is_public, panel_of, stream_account
from reconciler.drafting.channels import NumberedChannel, read, write
from reconciler.drafting.draft import Draft, Loss, Section, Vault, environment, gathered, render, slug
from reconciler.drafting.number_ranges import ranges
from reconciler.errors import OperatorError
from reconciler.secret import Secret, SecretRef
from reconciler.sources.credentials import resolve

ONE_LINE = st.text(
    st.characters(codec="utf-8", exclude_characters="\n\r\0\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e"), min_size=1
)


def test_a_draft_reads_like_the_examples() -> None:
    """Schema line, head, version and name first; sections in the order of the language; comments above their lines."""
    draft = Draft(
        "home",
        (
            Section("buckets", [{"name": "a", "match": {}}], "In order.", {"0": "everything"}),
            Section("sources", {"main": {"kind": "m3u", "path": "l.m3u"}}, aside=("more: {kind: m3u}",)),
            Section("filters", [], "None yet.", aside=("- {drop: {}}",)),
        ),
        ("Written by hand.",),
    )
    assert [
        "# yaml-language-server: $schema=x.json",
        "# Written by hand.",
        "version: 1",
        "name: home",
        "",
        "sources:",
        "  main: {kind: m3u, path: l.m3u}",
        "  # more: {kind: m3u}",
        "",
        "# None yet.",
        "# filters:",
        "#   - {drop: {}}",
        "",
        "# In order.",
        "buckets:",
        "  # everything",
        "  - {name: a, match: {}}",
    ] == render(draft, schema="x.json").splitlines()


@settings(deadline=None)  # a file is written and read
@given(ONE_LINE)
def test_an_env_file_gives_the_value_back(value: str) -> None:
    """What is written into the env file is what our reader finds, whatever signs it holds."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ptctl.env"
        path.write_text(environment({"A": Secret("first"), "B": Secret(value)}).reveal(), "utf-8")
        found = resolve(SecretRef("envfile", "ptctl.env", "B"), environ={}, base=Path(folder))
    assert Secret(value) == found


def test_a_shell_gives_the_value_back(tmp_path: Path) -> None:
    """The file can be sourced by a shell: quotes, blanks, dollars and hashes stay what they are."""
    value = """it's "5 $HOME" # \\n `x`"""
    (tmp_path / "ptctl.env").write_text(environment({"B": Secret(value)}).reveal(), "utf-8")
    told = subprocess.run(
        ["sh", "-c", f'. {shlex.quote(str(tmp_path / "ptctl.env"))}; printf %s "$B"'],
        capture_output=True,
        check=True,
    )
    assert value == told.stdout.decode()


def test_a_value_of_two_lines_is_refused() -> None:
    """An env file cannot hold it, and the message does not show it."""
    with pytest.raises(ValueError, match="the value of A has several lines") as raised:
        environment({"A": Secret("one\ntwo")})
    assert "one" not in str(raised.value)


def test_the_vault_keeps_each_value_once() -> None:
    """Another value under a taken name gets a name of its own, the same value the same one; nothing shows it."""
    vault = Vault("home.env")
    assert "envfile:home.env#MAIN_PASS" == vault.keep("main-pass", Secret("x"))
    assert "envfile:home.env#MAIN_PASS" == vault.keep("main pass", Secret("x"))
    assert "envfile:home.env#MAIN_PASS_2" == vault.keep("Main-Pass", Secret("y"))
    assert "envfile:home.env#V_4K_URL" == vault.keep("4k-url", Secret("z"))
    assert "x" not in repr(vault.values)


@given(st.text())
def test_a_slug_is_a_name(text: str) -> None:
    """Any text gives a name that the spec accepts."""
    made = slug(text)
    assert made
    assert made[0].isalnum()
    assert all(c.isascii() and (c.isalnum() or c == "-") for c in made)
    assert made == made.lower()
    assert "muller-live-tv" == slug("Müller: Live TV")


def test_equal_losses_are_said_once() -> None:
    """The same loss of several tuners is one line; of all tuners it is "all"."""
    losses = [Loss("a", "x"), Loss("b", "x"), Loss("b", "y")]
    assert (Loss("all", "x"), Loss("b", "y")) == gathered(losses, 2)
    assert (Loss("a, b", "x"), Loss("b", "y")) == gathered(losses, 3)
    assert (Loss("a", "x"),) == gathered([Loss("a", "x")], 1)


@pytest.mark.parametrize(
    ("address", "host", "user", "password"),
    [
        ("http://h:80/get.php?username=u%2B1&password=p%26&type=m3u", "http://h:80", "u+1", "p&"),
        ("https://h/panel/get.php?password=p&username=u", "https://h/panel", "u", "p"),
        ("http://h/player_api.php?username=u&password=p", "http://h", "u", "p"),
        ("http://h:8080/playlist/u/p%20w/m3u_plus?output=ts", "http://h:8080", "u", "p w"),
    ],
)
def test_panels_are_found_in_addresses(address: str, host: str, user: str, password: str) -> None:
    """A get.php line, its sisters and its short form name a panel and an account."""
    panel = panel_of(address)
    assert panel is not None
    assert (host, user, password) == (panel.host, panel.username.reveal(), panel.password.reveal())


@pytest.mark.parametrize(
    "address",
    [
        "http://h/list.m3u",
        "/srv/get.php?username=u&password=p",
        "http://h/get.php?username=u",
        "http://[bad",
        "",
    ],
)
def test_other_addresses_are_no_panels(address: str) -> None:
    """A path, a list, half an account or nonsense is none."""
    assert None is panel_of(address)


def test_accounts_in_streams() -> None:
    """The account of a stream's address is found and unquoted."""
    found = stream_account("http://h:80/live/u%2B1/p%26/77.ts")
    assert found is not None
    assert ("http://h:80", "u+1", "p&") == (found.host, found.username.reveal(), found.password.reveal())
    assert None is stream_account("http://cdn.example.net/a/index.m3u8")
    for path in (
        "stream/channelid/123456?ticket=AB&profile=pass",
        "stream/channels/5?mode=hls",
        "iptv/channel/5.ts",
    ):
        assert None is stream_account(f"http://tvheadend:9981/{path}")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("http://iptv-m3u-server.plex.svc/dvr-bcastus.m3u", True),
        ("https://example.net/lists/2026/all.m3u.gz", True),
        ("http://u:p@example.net/list.m3u", False),
        ("http://example.net/list.m3u?key=1", False),
        ("http://example.net/Zx81Qw93Er74Ty65/list.m3u", False),
        ("http://example.net/playlist/u/p/m3u", False),
        ("http://example.net/get/u/p", False),
        ("http://example.net/u/p/77.ts", False),
    ],
)
def test_what_may_stand_in_a_spec(address: str, public: bool) -> None:
    """An address may stand in a spec only if nothing in it can be a secret."""
    assert public is is_public(address)


CHANNELS = st.lists(
    st.builds(
        NumberedChannel,
        dvr=st.sampled_from(["a", "b"]),
        number=st.integers(1, 99_999),
        name=st.text(min_size=1).map(str.strip).filter(bool),
        guide_id=st.text(max_size=5).map(str.strip),
        channel=st.sampled_from(["", "main/1"]),
    ),
    max_size=8,
)


@given(CHANNELS)
def test_a_channels_file_is_read_back(channels: list[NumberedChannel]) -> None:
    """What was written is read, for one DVR or for all."""
    text = write(channels)
    assert sorted(map(repr, channels)) == sorted(map(repr, read(text)))
    assert [c for c in read(text) if c.dvr == "a"] == list(read(text, "a"))


def test_a_csv_is_read_as_well() -> None:
    """A plain table with number and name does, in any order and case, with the names playlists use."""
    for text in (
        "Name,Number,tvg-id\nABC,1000,abc.us\nNBC,1001,\n",
        "Number;Name;tvg-id\r\n1000;ABC;abc.us\r\n1001;NBC;\r\n",
        "\ufefftvg-chno\ttvg-name\ttvg-id\n1000\tABC\tabc.us\n1001\tNBC\t\n",
    ):
        found = read(text, "locals")
        assert [("ABC", 1000, "abc.us"), ("NBC", 1001, "")] == [(c.name, c.number, c.guide_id) for c in found]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format": "other/1"}', '"format" is not "ptctl-channels/1"'),
        ('{"format": "ptctl-channels/1", "channels": [7]}', "channel 1 is no channel"),
        ("number,name\n5.1,Half\n", 'line 2: "5.1" is no channel number'),
        ("number,name\n7,\n", "line 2: channel 7 has no name"),
        ("a,b\n1,2\n", 'needs the columns "number" and "name"'),
        ("{", "this is not JSON"),
        ("[" * 200_000, "this is not JSON"),
        (f"number,name\n1,{'x' * 200_000}\n", "this is not CSV: field larger than field limit"),
        ("", 'needs the columns "number" and "name"'),
    ],
)
def test_a_wrong_channels_file_is_refused(text: str, said: str) -> None:
    """What is neither format is refused with the row."""
    with pytest.raises(OperatorError) as raised:
        read(text)
    assert said in raised.value.message


@given(
    st.dictionaries(st.text(max_size=3), st.tuples(st.integers(1, 12_000), st.integers(0, 900)), max_size=12)
)
def test_ranges_never_overlap(used: dict[str, tuple[int, int]]) -> None:
    """Each range holds the numbers in use; no two overlap; who comes first keeps its numbers."""
    spans = {name: (low, low + more) for name, (low, more) in used.items()}
    found = ranges(spans)
    for name, (first, last) in found.items():
        assert first == spans[name][0] <= spans[name][1] <= last <= 99_999
        assert all(n == name or last < a or b < first for n, (a, b) in found.items())
    if spans:
        assert next(iter(spans)) in found
