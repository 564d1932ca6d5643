"""Sticky numbers: who lives keeps the number, who returns gets it back, newcomers take the lowest free one.

A number belongs to one channel in the whole installation; retired numbers are kept free for thirty days. Nothing here
moves a living number unless `renumber:<dvr>` was allowed (S204). This module refuses to know rules and overflow.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, Literal

from reconciler.ledger.model import DvrRecord, Ledger, Retired
from reconciler.lineups.item import Item
from reconciler.lineups.limits import MAP_BUDGET_BYTES, MOST_CHANNELS, map_bytes, row_bytes
from reconciler.lineups.model import Block
from reconciler.spec.model import Dvr
from reconciler.wording import plural

__all__ = ["RESERVED_DAYS", "Admission", "Numbers", "Part", "in_force", "renumber"]

RESERVED_DAYS: Final = 30


def in_force(retired: Iterable[Retired], today: date) -> list[Retired]:
    """The retirements whose numbers are still kept free."""
    return [r for r in retired if (today - date.fromisoformat(r.day)).days < RESERVED_DAYS]


class Numbers:
    """Every number that is spoken for: by channels that have it, or by one it is kept for.

    Adopted DVRs may share numbers with others, hence counts; the ledger's own numbers never meet.
    """

    def __init__(self, ledger: Ledger, today: date) -> None:
        self.taken: Counter[int] = Counter(r.number for r in ledger.channels.values())
        self.reserved: dict[int, Retired] = {}
        self.wished: set[int] = set()
        for kept in sorted(in_force(ledger.retired, today), key=lambda r: (r.day, r.dvr, r.id)):
            if not self.taken[kept.number]:
                self.reserved[kept.number] = kept

    def free(self, number: int) -> bool:
        """Whether nobody has the number, it is kept for nobody, and no override wants it."""
        return not self.taken[number] and number not in self.reserved and number not in self.wished

    def take(self, number: int) -> None:
        """A channel has the number from now on."""
        self.taken[number] += 1
        self.reserved.pop(number, None)

    def release(self, number: int, keep_for: Retired | None = None) -> None:
        """A channel leaves the number, which is free, or kept for it."""
        self.taken[number] -= 1
        if keep_for is not None and not self.taken[number]:
            self.reserved[number] = keep_for


Admission = Literal["in", "full", "exhausted"]


class Part:
    """One device while it is being filled. A split bucket has several, a plain one has one."""

    def __init__(self, dvr: Dvr, record: DvrRecord, numbers: Numbers) -> None:
        self.dvr = dvr
        self.record = record
        self.items: dict[int, Item] = {}
        self.blocks: list[Block] = []
        self._numbers = numbers
        self._row_bytes = 0
        self._cursor = record.block[0]

    @property
    def name(self) -> str:
        """The DVR's name: the spec's, or `<name>-2` of a split."""
        return self.record.name

    @property
    def limit(self) -> int:
        """The most channels it may have."""
        return min(self.dvr.limit, MOST_CHANNELS)

    @property
    def map_bytes(self) -> int:
        """Bytes of the map that switches all its channels on."""
        return map_bytes(self.items)

    def keep(self, number: int, item: Item) -> None:
        """A living channel on the number that the ledger says it has."""
        self.items[number] = item
        self._row_bytes += row_bytes(number)

    def put(self, number: int, item: Item) -> None:
        """Give the number. The caller has seen to it that no living channel has it."""
        self.keep(number, item)
        self._numbers.take(number)

    def remove(self, number: int) -> Item:
        """Take the channel off its number, which is free at once."""
        self._row_bytes -= row_bytes(number)
        self._numbers.release(number)
        self._cursor = self.record.block[0]
        return self.items.pop(number)

    def admit(self, item: Item, *, reuse: bool) -> Admission:
        """Give a newcomer the number it may have: an override's, its own of old, the lowest free, a reused one."""
        if len(self.items) >= self.limit:
            return "full"
        number = self._own(item)
        if number is None:
            number = self.lowest_free()
        if number is None and reuse:
            number = self._oldest_retired()
        if number is None:
            return "exhausted"
        if map_bytes((number,)) + self._row_bytes > MAP_BUDGET_BYTES:
            return "full"
        self.put(number, item)
        return "in"

    def lowest_free(self) -> int | None:
        """The lowest number of the block that nobody has or waits for, or None."""
        first, last = self.record.block
        number = max(self._cursor, first)
        while number <= last and not self._numbers.free(number):
            number += 1
        self._cursor = number
        return number if number <= last else None

    def retired_here(self) -> int:
        """How many numbers of the block are kept free for channels that left."""
        first, last = self.record.block
        return sum(first <= n <= last for n in self._numbers.reserved)

    def set_block(self, block: tuple[int, int]) -> None:
        """Use another range from now on."""
        self.record = replace(self.record, block=block)
        self._cursor = block[0]

    def _oldest_retired(self) -> int | None:
        first, last = self.record.block
        wished = self._numbers.wished
        kept = [r for n, r in self._numbers.reserved.items() if first <= n <= last and n not in wished]
        return min(kept, key=lambda r: (r.day, r.number)).number if kept else None

    def _own(self, item: Item) -> int | None:
        """The spec's number where no living channel has it (a retired one gives way to the author's word), else the
        number kept free for this channel here.
        """
        if item.wanted is not None and not self._numbers.taken[item.wanted]:
            return item.wanted
        kept = item.returning
        if kept is not None and kept.dvr == self.name and self._numbers.reserved.get(kept.number) == kept:
            first, last = self.record.block
            if first <= kept.number <= last or self.record.adopted:
                return kept.number
        return None


def renumber(
    parts: Sequence[Part],
    numbers: Numbers,
    wishes: Mapping[int, Item],
    *,
    allow: frozenset[str],
    anew: Mapping[str, Callable[[Item], tuple[object, ...]]],
) -> None:
    """Applies edited ranges, overrides (`wishes`: number -> who wants it) and `ptctl renumber` (`anew`: an order for each
    DVR named). Where that moves living numbers it needs `renumber:<dvr>`, else it is blocked (S204) and nothing moves.

    All DVRs are vacated before anyone is seated, so that two of them can exchange their ranges. Numbers that are left
    this way are not kept free: the author said where the channels are.
    """
    numbers.wished = set(wishes)
    waiting: list[tuple[Part, int, Item]] = []
    for part in parts:
        outside = _outside(part, numbers, allow)
        leaving = outside | (set(part.items) if part.name in anew else set())
        leaving |= _overridden(part, parts, wishes, allow)
        stays = any(b.code == "S303" for b in part.blocks)
        if leaving and f"renumber:{part.name}" not in allow:
            part.blocks.append(_moves(part, leaving, outside=bool(outside), anew=part.name in anew))
            stays = stays or bool(outside)
            leaving = set()
        waiting += [(part, number, part.remove(number)) for number in sorted(leaving)]
        if part.dvr.numbers and not part.record.split_of and not stays:
            part.set_block(part.dvr.numbers)
    _seat(waiting, numbers, anew)


def _outside(part: Part, numbers: Numbers, allow: frozenset[str]) -> set[int]:
    """Living numbers that an edited range leaves out. A range too small for them is blocked outright (S303)."""
    wanted = part.dvr.numbers
    if wanted is None or part.record.split_of or part.record.block == wanted:
        return set()
    first, last = wanted
    leaving = {n for n in part.items if not first <= n <= last}
    held = sum(1 for n in part.items if first <= n <= last)
    if f"reuse:{part.name}" not in allow:
        held += sum(first <= n <= last for n in numbers.reserved)
    if leaving and len(leaving) > last - first + 1 - held:
        message = (
            f"range {first}-{last} has no room for the {plural(len(leaving), 'living channel')} outside it"
        )
        part.blocks.append(Block("S303", part.name, message, f"reuse:{part.name}", "numbers"))
        return set()
    return leaving


def _overridden(
    part: Part, parts: Sequence[Part], wishes: Mapping[int, Item], allow: frozenset[str]
) -> set[int]:
    """Numbers of this part that an override moves: the channel's own, and one that another channel is to get."""
    if not wishes:
        return set()
    leaving = set()
    holders = {n: other for other in parts for n in other.items}
    for number, item in part.items.items():
        wish = item.wanted
        if wish is not None and wish != number and wishes.get(wish) is item:
            holder = holders.get(wish)
            if holder is None or holder is part or f"renumber:{holder.name}" in allow:
                leaving.add(number)
    leaving |= {wish for wish, item in wishes.items() if part.items.get(wish, item) is not item}
    return leaving


def _moves(part: Part, leaving: set[int], *, outside: bool, anew: bool) -> Block:
    first, last = part.record.block
    wanted = part.dvr.numbers
    why = "an override"
    if anew:
        why = "numbering anew"
    elif outside and wanted is not None:
        why = f"range {first}-{last} -> {wanted[0]}-{wanted[1]}"
    count = plural(len(leaving), "living channel")
    return Block(
        "S204", part.name, f"{why} would change the number of {count}", f"renumber:{part.name}", "numbers"
    )


def _seat(
    waiting: Sequence[tuple[Part, int, Item]],
    numbers: Numbers,
    anew: Mapping[str, Callable[[Item], tuple[object, ...]]],
) -> None:
    """Overrides get their numbers first, then everybody the lowest free one, in order of the old numbers."""
    left = []
    for part, old, item in waiting:
        if item.wanted is not None and not numbers.taken[item.wanted]:
            part.put(item.wanted, item)
        else:
            left.append((part, old, item))
    left.sort(key=lambda w: (w[0].name, *(anew[w[0].name](w[2]) if w[0].name in anew else (w[1],))))
    for part, old, item in left:
        number = part.lowest_free()
        part.put(old if number is None else number, item)
