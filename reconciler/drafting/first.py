"""The first spec of somebody who has none: what was found, what was proposed, and comments that teach the rest.

Every line that is there is in force; what could be there stands as a comment beside it. This module refuses to count
and to ask: it is told.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from reconciler.drafting.draft import Draft, Loss, Section, Vault, is_glob
from reconciler.drafting.provider import Given, Sections
from reconciler.drafting.yaml_text import Value
from reconciler.secret import Secret

__all__ = ["first_draft", "tidying"]

FIRST_PORT: Final = 5005
USUAL_PORTS: Final = 20
"""Without a word about it there is room for 26 (design.md 2)."""
ADULT: Final = r"(?i)\bxxx|\badult|18\+|\+18"


def tidying(
    adult_groups: Sequence[str], separators: Sequence[str], names: Collection[str]
) -> list[dict[str, Value]]:
    """Filters against what nobody wants in a guide: groups for adults, and headings that are no channels.

    `names` are those of channels: how one of them begins is no sign of a heading.
    """
    filters: list[dict[str, Value]] = []
    if adult_groups:
        missed = [g for g in adult_groups if re.search(ADULT, g) is None]
        conditions: list[Value] = [{"regex": ADULT}, *({"is": g} for g in missed)]
        filters.append({"name": "no-adult", "drop": {"group": conditions[0] if not missed else conditions}})
    begun = {name[:2] for name in names}
    heads = sorted({head for name in separators if (head := name.strip()[:2]) not in begun})
    if heads:
        globs: list[Value] = [f"{h}*" if not is_glob(h) else {"regex": f"^{re.escape(h)}"} for h in heads]
        filters.append({"name": "separators", "drop": {"name": globs[0] if len(globs) == 1 else globs}})
    return filters


def first_draft(
    name: str,
    inputs: Sections,
    vault: Vault,
    *,
    filters: Sequence[Mapping[str, Value]],
    buckets: Sequence[tuple[Mapping[str, Value], str]],
    plex: tuple[str, Given] | None,
    advertise: str,
    overrides: Sequence[tuple[Mapping[str, Value], str]] = (),
    dvrs: Mapping[str, Mapping[str, Value]] | None = None,
    losses: Sequence[Loss] = (),
    made_by: str = "ptctl init",
    ports: int = 0,
) -> Draft:
    """The whole draft. `buckets` come with what to say of each, `plex` is its address and token.

    `dvrs` are values of single DVRs by name; all buckets get one. `ports` is how many there must be room for.
    """
    credentials = dict(inputs.credentials)
    listen = advertise.rpartition(":")[2].rstrip("/")
    serve: dict[str, Value] = {
        "listen": f"0.0.0.0:{listen if listen.isascii() and listen.isdigit() else 5004}"
    }
    if ports > USUAL_PORTS:
        serve["ports"] = f"{FIRST_PORT}-{FIRST_PORT + 2 * ports}"
    own = dvrs or {}
    sections = [
        Section(
            "credentials",
            credentials,
            "Where secrets are kept; the values are in the env file beside this spec.",
        ),
        Section(
            "sources",
            inputs.sources,
            "Where channels come from. Further accounts, hosts and playlists go here.",
            aside=("locals: {kind: m3u, path: locals.m3u}",),
        ),
        Section(
            "guides",
            inputs.guides,
            "XMLTV guides, in the order of priority. With `name`, channels without a guide id are found by name.",
            aside=('extra: {url: "https://example.net/guide.xml.gz", match: [id, name]}',),
        ),
        Section(
            "filters",
            list(filters),
            "In order, over everything the sources list. `ptctl catalog channels --match '{…}'` shows what one catches.",
            aside=(
                r'- {name: tidy, rename: {field: name, regex: "\\s+(HD|FHD)$", to: ""}}',
                "- {name: one-each, merge: {by: [guide_id], prefer: [{quality: fhd}]}}   # duplicates become alternatives",
                "- {name: need-guide, only: {guide: listed}}                            # only what a guide lists",
            ),
        ),
        Section(
            "buckets",
            [b for b, _ in buckets],
            "In order; the first match wins. One DVR holds 480 channels: `overflow` says where the rest goes "
            "(fail, drop, split, or a later bucket).",
            notes={str(i): note for i, (_, note) in enumerate(buckets)},
        ),
        Section(
            "dvrs",
            {str(b["name"]): dict(own.get(str(b["name"]), {})) for b, _ in buckets},
            "One emulated tuner and one Plex DVR for each bucket. Numbers, ports and DeviceIDs are given once and kept.",
            aside=('sports: {numbers: 1600-2199, tuners: 2, title: "Sports"}',),
        ),
        Section(
            "overrides",
            [o for o, _ in overrides],
            "One channel at a time; this spec wins over the provider.",
            notes={str(i): note for i, (_, note) in enumerate(overrides)},
        ),
    ]
    if plex is not None:
        url, token = plex
        credentials["plex"] = {
            "token": vault.keep("plex-token", token) if isinstance(token, Secret) else str(token)
        }
        sections.append(Section("plex", {"url": url, "credentials": "plex"}, flat=True))
    if advertise:
        serve["advertise"] = advertise
    sections.append(
        Section(
            "serve",
            serve,
            "`ptctl serve` listens here. `advertise` is the address under which Plex finds the tuners: a name that can "
            "move with the machine is better than a number, because Plex keeps it.",
            flat=True,
        )
    )
    head = (
        f"Written by `{made_by}`. Edit it freely.",
        "`ptctl validate` checks it, `ptctl plan` shows what would change, `ptctl apply` makes it so.",
    )
    kept = tuple(s for s in sections if s.value or s.aside)
    return Draft(name, kept, head, dict(vault.values), tuple(losses))
