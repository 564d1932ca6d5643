"""Buckets for a playlist as it is: its groups in their order, as many to a DVR as fit.

`init` proposes what one may want of a large catalogue; an import loses nothing: every channel has a place, groups that
are too large go on in further DVRs. This module refuses to sort by content.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.drafting.bounds import LARGEST_NUMBER, LIMIT, free_name, letters, open_name
from reconciler.drafting.draft import Loss, exactly, slug
from reconciler.drafting.number_ranges import ranges
from reconciler.drafting.yaml_text import Value
from reconciler.wording import plural, some

__all__ = ["Block", "Listing", "blocks", "kept_numbers"]

SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Listing:
    """A live channel of the list: its id in the spec, its group, the provider's own number."""

    id: str
    name: str
    group: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Block:
    """Groups that share a DVR. The last block takes everything else, groups to come included."""

    name: str
    groups: tuple[str, ...]
    entries: int
    last: bool

    @property
    def bucket(self) -> dict[str, Value]:
        """The block as a bucket. Full ones split: nobody is left out."""
        bucket: dict[str, Value] = {"name": self.name}
        if self.last:
            bucket["match"] = {}
        else:
            conditions = [_is(g) for g in self.groups]
            bucket["match"] = {"group": conditions[0] if len(conditions) == 1 else conditions}
        if self.entries > LIMIT or self.last:
            bucket["overflow"] = "split"
        return bucket


def blocks(counts: Mapping[str, int]) -> tuple[Block, ...]:
    """Groups with their channels, in the order of the list, packed into blocks of at most 480 channels."""
    packed: list[tuple[list[str], int]] = []
    spelled: dict[str, str] = {}
    folded: Counter[str] = Counter()
    for group, count in counts.items():  # a rule does not tell "Sport" from "SPORT"
        folded[spelled.setdefault(group.casefold(), group)] += count
    for group, count in folded.items():
        if packed and packed[-1][1] + count <= LIMIT:
            packed[-1][0].append(group)
            packed[-1] = (packed[-1][0], packed[-1][1] + count)
        else:
            packed.append(([group], count))
    found: list[Block] = []
    for place, (groups, count) in enumerate(packed):
        stem = slug(groups[0], "channels") if len(packed) > 1 else "channels"
        # "-2" is what a bucket that splits calls its second part
        stem = f"{stem}-tv" if stem.rpartition("-")[2].isdigit() else open_name(stem)
        name = free_name(stem, {b.name for b in found}, letters())
        found.append(Block(name, tuple(groups), count, last=place == len(packed) - 1))
    return tuple(found)


def kept_numbers(
    channels: Sequence[Listing], found: Sequence[Block]
) -> tuple[list[dict[str, Value]], list[str], dict[str, str], list[Loss]]:
    """Overrides that keep the list's own numbers, a note for each, ranges by block, and what cannot be kept.

    A number that two channels have stays with the first. A block whose numbers lie among those of another gets a range
    like any other; its channels keep their numbers all the same.
    """
    home = {group.casefold(): block.name for block in found for group in block.groups}
    overrides: list[dict[str, Value]] = []
    notes: list[str] = []
    taken: dict[int, str] = {}
    twice: list[str] = []
    used: dict[str, tuple[int, int]] = {}
    without = 0
    for channel in channels:
        number = channel.number
        if number is None or number > LARGEST_NUMBER:
            without += 1
            continue
        if number in taken:
            twice.append(f"{number} {channel.name}")
            continue
        taken[number] = channel.id
        overrides.append({"channel": channel.id, "number": number})
        notes.append(channel.name)
        block = home[channel.group.casefold()]
        low, high = used.get(block, (number, number))
        used[block] = (min(low, number), max(high, number))
    losses = []
    if twice:
        what = f"{plural(len(twice), 'number')} given twice: {some(twice, SHOWN)}"
        losses.append(Loss("numbers", what, "the first channel keeps it, the others get free ones"))
    if without:
        losses.append(Loss("numbers", f"{plural(without, 'channel')} without a number", "they get free ones"))
    return overrides, notes, {n: f"{a}-{b}" for n, (a, b) in ranges(used).items()}, losses


def _is(group: str) -> Value:
    """A condition for exactly this group."""
    if not group:
        return {"exists": False}
    return exactly(group)
