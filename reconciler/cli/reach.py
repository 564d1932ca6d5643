"""What `ptctl doctor` says of the ways between `serve` and the others: its advertised addresses, its tuners, the shared pool.

Asked is what Plex, viewers and pods would ask, from this machine. This module refuses to change anything; a shared pool
that begins when it is asked notes that it did.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from reconciler.applying.serve import serve_client
from reconciler.errors import CredentialError, OperatorError
from reconciler.pipeline.published import tuners_of
from reconciler.planning.diagnosis import Finding
from reconciler.plex.model import Unknown
from reconciler.serving.budgets import Away, Budgets
from reconciler.sources.credentials import pool_secret
from reconciler.spec.model import Spec
from reconciler.wording import plural

__all__ = ["of_addresses", "of_pool", "of_tuners"]

ANSWER_S: Final = 5.0
Status = dict[str, Any] | Unknown  # Any: JSON


async def of_addresses(spec: Spec, status: Status) -> list[Finding]:
    """Whether each address of `serve.advertise` leads to this installation's hub. None where `serve` answers nowhere."""
    advertise = spec.serve.advertise
    if advertise is None or isinstance(status, Unknown):
        return []
    found = []
    for address in dict.fromkeys((advertise.plex, advertise.viewers)):
        why = await _astray(spec, address)
        if why is not None:
            who = "Plex is" if address == advertise.plex else "viewers are"
            text = f"{address}, which {who} told (serve.advertise): {why}"
            found.append(Finding("bad", "addresses", text, "mend serve.advertise, or what forwards to serve"))
    return found or [Finding("good", "addresses", "serve answers at every address of serve.advertise")]


async def _astray(spec: Spec, address: str) -> str | None:
    async with serve_client((address,), limit_s=ANSWER_S) as client:
        answer = await client.status()
    if isinstance(answer, Unknown):
        return answer.why.removeprefix(f"{address}: ")
    name = answer.get("name")
    # without a name nothing is published yet
    return (
        f'another installation answers there: "{name}" instead of "{spec.name}"'
        if name not in {"", spec.name}
        else None
    )


async def of_tuners(spec: Spec, status: Status) -> list[Finding]:
    """Whether each tuner answers at the address that Plex is told, with its DeviceID; those of other pods as well.

    None where `serve` does not answer.
    """
    if isinstance(status, Unknown):
        return []
    tuners = {**_published(spec), **{d["name"]: (d["base_url"], d["device_id"]) for d in status["dvrs"]}}
    if not tuners:
        return []
    wrong = []
    async with serve_client((), limit_s=ANSWER_S) as client:
        for name, (base_url, device_id) in tuners.items():
            why = await client.tuner(base_url, device_id)
            if why is not None:
                text = f'"{name}" at {base_url}: {why.why}'
                wrong.append(Finding("bad", "tuners", text, "mend serve.advertise or the way to it"))
    fetched = [d["name"] for d in status["dvrs"] if "plex" in str(d["guide_fetched_by"]).lower()]
    if fetched:
        text = f"Plex fetched the guide of {plural(len(fetched), 'tuner')} since serve started"
        wrong.append(Finding("good", "tuners", text))
    return wrong or [
        Finding("good", "tuners", f"answering where Plex looks for them: {plural(len(tuners), 'tuner')}")
    ]


def _published(spec: Spec) -> dict[str, tuple[str, str]]:
    """Address and DeviceID by DVR, as published here; none where nothing is, or it cannot be read."""
    tuners = tuners_of(Path(spec.state))
    return {} if isinstance(tuners, Unknown) else {n: (d.base_url, d.device_id) for n, d in tuners.items()}


async def of_pool(spec: Spec, *, environ: Mapping[str, str], allow_exec: bool) -> list[Finding]:
    """Whether the shared pool answers, takes our name and password, and runs what `serve` asks of it."""
    try:
        secret = pool_secret(spec, environ=environ, allow_exec=allow_exec)
        if secret is None:
            return []
        budgets = Budgets(secret, spec.name)
    except (CredentialError, OperatorError) as error:
        return [Finding("bad", "pool", error.message, error.next_step or "mend serve.pool")]
    try:
        # What every `serve` asks each second, of no account: whatever keeps it from working shows here.
        await trio.to_thread.run_sync(partial(budgets.beat, "", {}))
    except Away as error:
        text = f"the shared pool (serve.pool): {error}"
        step = "see that it runs, and that serve.pool has its address, name and password"
        return [Finding("bad", "pool", text, step)]
    finally:
        budgets.close()
    return [Finding("good", "pool", "the shared pool answers and counts for us")]
