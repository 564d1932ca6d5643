"""References of a spec put to use: accounts, headers and addresses of its sources, with their values.

Everything that a fetch needs and that is secret is resolved here, before the first request, so that a missing reference
is an error of the operator and not a failure in the middle. This module refuses to fetch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from reconciler.catalog.address import PASSWORD, USERNAME
from reconciler.errors import CredentialError
from reconciler.secret import Secret, SecretRef
from reconciler.sources.accounts import Account
from reconciler.sources.credentials import account, bare_address, header_values, resolve
from reconciler.sources.web import USER_AGENT
from reconciler.spec.model import Source, Spec

__all__ = ["Access", "list_url", "request_headers", "source_accounts"]


@dataclass(frozen=True, slots=True)
class Access:
    """What resolving references needs: the environment, and whether commands may be run."""

    environ: Mapping[str, str]
    allow_exec: bool = False

    def account(self, spec: Spec, name: str) -> Account:
        """One account of the spec. Raises CredentialError."""
        return account(
            spec.credentials[name], environ=self.environ, base=Path(spec.base), allow_exec=self.allow_exec
        )

    def secret(self, spec: Spec, ref: SecretRef) -> Secret:
        """One reference. Raises CredentialError."""
        return resolve(ref, environ=self.environ, base=Path(spec.base), allow_exec=self.allow_exec)

    def address(self, spec: Spec, whose: str, text: str) -> Secret:
        """An address of the spec, resolved where it is a reference. Raises CredentialError, also where that holds none.

        `whose` names it in the error ("source 'main'").
        """
        ref = SecretRef.parse(text)
        if ref is None:
            return Secret(text)
        found = bare_address(self.secret(spec, ref).reveal())
        try:
            parts = urlsplit(found)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname)
        except ValueError:  # its words would quote the value
            good = False
        if not good:
            raise CredentialError(
                f"{whose}: {str(ref)!r} holds no address",
                next_step="let it hold a whole address, such as http://host:port/get.php?…",
            )
        return Secret(found)


def request_headers(
    spec: Spec,
    access: Access,
    *groups: tuple[tuple[str, str | SecretRef], ...],
    user_agent: str | None = None,
) -> dict[str, str | Secret]:
    """Headers for every request of one source: its user agent and its own, references resolved."""
    headers: dict[str, str | Secret] = {
        "User-Agent": user_agent or USER_AGENT,
        "Accept": "*/*",
        "Accept-Encoding": "gzip",
    }
    for group in groups:
        values = header_values(
            group, environ=access.environ, base=Path(spec.base), allow_exec=access.allow_exec
        )
        headers.update(values)
    return headers


def source_accounts(spec: Spec, source: Source, access: Access) -> list[Account]:
    """The accounts of a source; for an M3U whose address is a reference, also the one inside that address."""
    found = [access.account(spec, name) for name in source.credentials]
    ref = SecretRef.parse(source.url) if source.url else None
    if ref is not None:
        url = access.address(spec, f"source {source.name!r}", source.url)
        query = parse_qs(urlsplit(url.reveal()).query, keep_blank_values=True)
        if query.get("username") and query.get("password"):
            inside = Account("", Secret(query["username"][0]), Secret(query["password"][0]), label=str(ref))
            found.append(inside)
    return found


def list_url(spec: Spec, source: Source, access: Access, accounts: Sequence[Account]) -> Secret:
    """The address of a list, its reference resolved. Raises CredentialError where placeholders have no account."""
    url = access.address(spec, f"source {source.name!r}", source.url)
    if not accounts and (USERNAME in url.reveal() or PASSWORD in url.reveal()):
        raise CredentialError(
            f"source {source.name!r}: its url has placeholders, but the source has no credentials",
            next_step=f"add credentials: to source {source.name!r}",
        )
    return url
