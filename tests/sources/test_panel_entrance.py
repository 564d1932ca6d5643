"""Getting into a panel: which host and which account is used, and what an account that is refused comes to."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from reconciler.catalog.xtream import login
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Account
from reconciler.secret import Secret, SecretRef
from reconciler.sources.accounts import Account as Login
from reconciler.sources.accounts import concealer
from reconciler.sources.entrance import Entrance, look_around
from reconciler.sources.errand import Errand
from reconciler.sources.hosts import HostOutcome
from reconciler.sources.progress import silent
from reconciler.sources.web import open_web
from reconciler.spec.model import Credentials, Source, StreamOptions
from tests.conftest import Run
from tests.sources.panels import ENVIRON, PANEL, PASSWORD, QUICK, USER, a_spec, load, panel_source, provider


@pytest.mark.accepts("XTR-1", "XTR-6")
def test_the_sixth_host_works(run: Run[Any], tmp_path: Path) -> None:
    """Five hosts fail in five ways; the sixth is used, in bounded time, and each failure is named."""

    async def main() -> None:
        async with provider(tmp_path, hosts=6) as handle:
            handle.faults.switch_on(
                Fault("hang", host=0), Fault("refuse", host=1), Fault("html", host=2), Fault("status", host=3),
                Fault("empty", host=4),
            )  # fmt: skip
            begun = trio.current_time()
            report = (await load(a_spec(panel_source(*handle.urls)), tmp_path)).reports["main"]
            assert trio.current_time() - begun < QUICK.login_s * 6
            assert ("fresh", 6, 6) == (report.fetched, report.host, report.hosts)
            told = " ".join(report.notes)
            assert all(f"host {n} " in told for n in (1, 2, 3, 4, 5)), told

    run(main)


@pytest.mark.accepts("XTR-2")
def test_server_info_alone_is_a_panel(run: Run[Any], tmp_path: Path) -> None:
    """A login answer with only `server_info` is accepted."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            handle.faults.switch_on(Fault("server-info-only"))
            assert (
                "fresh"
                == (await load(a_spec(panel_source(handle.urls[0])), tmp_path)).reports["main"].fetched
            )

    run(main)


@pytest.mark.accepts("XTR-3")
@pytest.mark.parametrize(
    ("environ", "told"),
    [
        (
            {"IPTV_USER": USER, "IPTV_PASS": "wrong-4712"},
            "refused account 'provider': wrong user name or password",
        ),
        ({"IPTV_USER": "old", "IPTV_PASS": "orchard-0000"}, "account 'provider' expired on 2020-09-13"),
        ({"IPTV_USER": "bad", "IPTV_PASS": "orchard-0001"}, "account 'provider' is banned"),
    ],
)
def test_a_refused_account_is_not_carried_around(
    run: Run[Any], tmp_path: Path, environ: dict[str, str], told: str
) -> None:
    """A wrong password and an expired account are said plainly, and offered to one host alone."""
    accounts = (
        Account(), Account("old", "orchard-0000", expires=1_600_000_000), Account("bad", "orchard-0001", status="Banned"),
    )  # fmt: skip

    async def main() -> None:
        async with provider(tmp_path, hosts=3, panel=replace(PANEL, accounts=accounts)) as handle:
            catalog = await load(a_spec(panel_source(*handle.urls)), tmp_path, environ=environ)
            report = catalog.reports["main"]
            assert "absent" == report.fetched
            assert any(told in note for note in report.notes), report.notes
            assert {0} == {visit.host for visit in handle.journal.visits}
            assert 1 == len(handle.journal.visits)

    run(main)


@pytest.mark.accepts("XTR-4")
def test_direct_hosts_are_known(run: Run[Any], tmp_path: Path) -> None:
    """Hosts behind Cloudflare are told from direct ones by their headers, whether they are used or not."""

    async def main() -> None:
        async with provider(tmp_path, hosts=3) as handle:
            handle.faults.switch_on(Fault("cloudflare", host=0), Fault("challenge", host=2))
            report = (await load(a_spec(panel_source(*handle.urls)), tmp_path)).reports["main"]
            assert (1, (2,), (1, 3)) == (report.host, report.direct_hosts, report.cloudflare_hosts)

    run(main)


@pytest.mark.accepts("XTR-4")
def test_the_panels_own_address_is_taken_when_hidden(run: Run[Any], tmp_path: Path) -> None:
    """Behind Cloudflare, the direct address of `server_info` is used for streams if it answers; all hidden is said."""

    async def main() -> None:
        async with provider(tmp_path, hosts=2, manners=Manners(advertised_host=1)) as handle:
            handle.faults.switch_on(Fault("cloudflare", host=0))
            report = (await load(a_spec(panel_source(handle.urls[0])), tmp_path)).reports["main"]
            assert handle.urls[1] == report.stream_base
            handle.faults.switch_on(Fault("cloudflare", host=1))
            report = (await load(a_spec(panel_source(handle.urls[0])), tmp_path)).reports["main"]
            assert "" == report.stream_base
            assert any("all 1 hosts are behind Cloudflare: streams use them" in n for n in report.notes)
            stream = StreamOptions(cloudflare="drop")
            report = (await load(a_spec(panel_source(handle.urls[0], stream=stream)), tmp_path)).reports[
                "main"
            ]
            assert any("are dropped" in note for note in report.notes)

    run(main)


@pytest.mark.accepts("CRD-5")
def test_a_changed_password_is_used_next_time(run: Run[Any], tmp_path: Path) -> None:
    """Credentials are read anew at each load; keys stay."""

    async def main() -> None:
        secret = tmp_path / "password"
        secret.write_text(PASSWORD + "\n")
        spec = a_spec(panel_source("placeholder"))
        provider_ref = Credentials("provider", SecretRef("env", "IPTV_USER"), SecretRef("file", str(secret)))
        async with provider(tmp_path) as handle:
            spec = replace(
                spec, sources={"main": panel_source(handle.urls[0])}, credentials={"provider": provider_ref}
            )
            first = await load(spec, tmp_path)
            handle.replace(replace(PANEL, accounts=(Account(password="changed-1234"),)))
            assert "cached" == (await load(spec, tmp_path)).reports["main"].fetched
            secret.write_text("changed-1234\n")
            second = await load(spec, tmp_path)
            assert second.reports["main"].fetched in {"fresh", "unchanged"}
            assert [e.key for e in first.entries] == [e.key for e in second.entries]

    run(main)


def test_a_pool_of_accounts(run: Run[Any], tmp_path: Path) -> None:
    """A second account is logged in as well; one that is refused does not spoil the other."""
    accounts = (Account(), Account("second", "orchard-0002", max_connections=5))

    async def main() -> None:
        async with provider(tmp_path, panel=replace(PANEL, accounts=accounts)) as handle:
            source = replace(panel_source(handle.urls[0]), credentials=("wrong", "provider", "second"))
            refs = {
                "wrong": Credentials("wrong", SecretRef("env", "IPTV_USER"), SecretRef("env", "WRONG")),
                "provider": Credentials(
                    "provider", SecretRef("env", "IPTV_USER"), SecretRef("env", "IPTV_PASS")
                ),
                "second": Credentials("second", SecretRef("env", "TWO"), SecretRef("env", "TWO_PASS")),
            }
            environ = {**ENVIRON, "WRONG": "nope-9999", "TWO": "second", "TWO_PASS": "orchard-0002"}
            report = (
                await load(replace(a_spec(source), credentials=refs), tmp_path, environ=environ)
            ).reports["main"]
            assert ("fresh", (None, 2, 5)) == (report.fetched, report.account_connections)

    run(main)


def test_a_whole_line_is_an_account(run: Run[Any], tmp_path: Path) -> None:
    """`url: env:IPTV_URL` names host and account; its host is not named in messages."""

    async def main() -> None:
        async with provider(tmp_path, hosts=1) as handle:
            source = Source("main", "xtream", credentials=("line",))
            line = Credentials("line", url=SecretRef("env", "IPTV_URL"))
            environ = {
                "IPTV_URL": f"{handle.urls[0]}/get.php?username={USER}&password={PASSWORD}&type=m3u_plus"
            }
            spec = replace(a_spec(source), credentials={"line": line})
            assert "fresh" == (await load(spec, tmp_path, environ=environ)).reports["main"].fetched
            handle.faults.switch_on(Fault("status", status=500))
            report = (await load(spec, tmp_path, environ=environ)).reports["main"]
            assert not any("127.0.0.1" in note for note in report.notes)

    run(main)


@pytest.mark.accepts("SEC-1", "XTR-4")
def test_a_panel_of_the_internet_leads_nowhere_inside(run: Run[Any], tmp_path: Path) -> None:
    """An own address in the home network, named by a panel on the internet, is told and never asked."""

    async def main() -> None:
        async with provider(tmp_path, hosts=1) as handle, open_web(QUICK) as web:
            account = Login("provider", Secret(USER), Secret(PASSWORD))
            errand = Errand("main", web, tmp_path, {}, concealer([account]), silent, 0.0)
            entrance = Entrance(
                ("http://panel.invalid",),
                named=True,
                host=0,
                account=account,
                logins=[login(b'{"user_info": {"auth": 1}}', now=0.0)],
                outcomes={0: HostOutcome(0, worked=True, cloudflare=True)},
            )
            entrance.logins = [replace(told, base=handle.urls[0]) for told in entrance.logins if told]
            await look_around(errand, panel_source("http://panel.invalid"), entrance)
            assert ("", 0) == (entrance.base, len(handle.journal.visits))
            assert errand.notes == [
                "the panel's own address is not used: leads to an address of a private network"
            ]

    run(main)
