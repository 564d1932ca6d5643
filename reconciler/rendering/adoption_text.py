"""What became of a DVR's numbers at its adoption, as text. Refuses to judge: the matches are given."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.ledger.model import Ledger
from reconciler.planning.adoption import Adoption, Match
from reconciler.rendering.ink import cut, paint
from reconciler.wording import number, plural

__all__ = ["render", "render_rebuilt"]

LISTED: Final = 40
HOW: Final = (
    ("file", "by the list"),
    ("number", "by number and name"),
    ("name", "by a name that occurs once"),
)


def render(dvr: str, key: str, made: Adoption, *, color: bool) -> str:
    """What is kept, how channels were found, and every number that is only reserved."""
    lines = [
        paint(f"{dvr} is DVR {key} in Plex. Nothing was written to Plex.", "head", color=color),
        "",
        "Kept:",
    ]
    lines += [f"  {text}" for text in made.keeps]
    counts = Counter(match.how for match in made.matches)
    found = [f"{counts[how]} {words}" for how, words in HOW if counts[how]]
    lines += ["", f"Numbers: {plural(len(made.matches), 'channel')}, found {', '.join(found) or 'none'}"]
    if made.unmatched:
        count = plural(len(made.unmatched), "number")
        lines += ["", paint(f"Not found, reserved ({count}):", "change", color=color)]
        lines += _listed(made.unmatched)
        lines.append(
            "  they stay on until the DVR's map is next sent; an override with  number:  gives one to a channel"
        )
    lines += ["", "Next:  ptctl plan"]
    return "\n".join(lines) + "\n"


def render_rebuilt(
    from_files: Sequence[str],
    from_plex: Sequence[str],
    missing: Sequence[str],
    unmatched: Mapping[str, Sequence[Match]],
    left: Mapping[str, str],
    ledger: Ledger,
) -> str:
    """What the ledger was rebuilt from, and what it cannot know any more."""
    count = plural(len(ledger.channels), "channel")
    lines = [f"The ledger is there again: {plural(len(ledger.dvrs), 'DVR')}, {count}, serial {ledger.serial}"]
    for words, names in (
        ("from the published files", from_files),
        ("from Plex alone", from_plex),
        ("not in Plex", missing),
    ):
        if names:
            lines.append(f"  {words}: {', '.join(names)}")
    for name, matches in unmatched.items():
        lines.append(f"  {name}: {plural(len(matches), 'number')} without a channel, reserved")
        lines += _listed(matches)
    lines += [f"  {name}: NOT taken over, {why}" for name, why in left.items()]
    if left:
        lines.append("  the next plan takes them over with their numbers, once that is put right")
    lines += [
        "Not known any more: retired numbers, approvals that were used, the week's largest lineups",
        "",
        "Next:  ptctl plan",
    ]
    return "\n".join(lines) + "\n"


def _listed(matches: Sequence[Match]) -> Iterator[str]:
    for match in matches[:LISTED]:
        yield f"  {match.number:>6}  {cut(match.name, 60) or '(no name)'}"
    if len(matches) > LISTED:
        yield f"  and {number(len(matches) - LISTED)} more (-f json lists all)"
