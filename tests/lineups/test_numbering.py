"""Numbers one by one: who has one, for whom one is kept, which is the lowest free, and what moves when a range is edited."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.ledger.model import ChannelRecord, DvrRecord, Ledger, Retired
from reconciler.lineups.item import Item
from reconciler.lineups.numbering import Numbers, Part, in_force, renumber
from reconciler.spec.model import Dvr
from tests.lineups.worlds import TODAY, entry


def day(ago: int) -> str:
    """A day so long ago, as the ledger writes it."""
    return (TODAY - timedelta(ago)).isoformat()


def retired(number: int, *, dvr: str = "a", id_: str = "", ago: int = 1) -> Retired:
    """A number that a channel left."""
    return Retired(dvr, number, id_ or f"main/{number}", day(ago))


def numbers(*kept: Retired, living: Mapping[int, str] | None = None) -> Numbers:
    """The numbers of a ledger with these."""
    channels = {f"main/{n}": ChannelRecord(f"main/{n}", dvr, n, "main") for n, dvr in (living or {}).items()}
    return Numbers(Ledger("L", 1, {}, channels, kept), TODAY)


def part(
    known: Numbers,
    *,
    name: str = "a",
    block: tuple[int, int] = (100, 104),
    living: Iterable[int] = (),
    **dvr: object,
) -> Part:
    """A DVR with a block and living channels."""
    record = DvrRecord(name=name, device_id="1", port=5005, slug=name, title=name, block=block)
    made = Part(replace(Dvr(name, name), **dvr), record, known)  # type: ignore[arg-type]
    for number in living:
        made.keep(number, item(number))
    return made


def item(key: int, *, wanted: int | None = None, returning: Retired | None = None) -> Item:
    """A channel."""
    made = Item(entry(key, f"Channel {key}"), f"main/{key}")
    made.wanted, made.returning = wanted, returning
    return made


def seats(one: Part) -> dict[int, str]:
    """Who has which number."""
    return {number: found.id for number, found in sorted(one.items.items())}


def test_numbers_are_kept_for_thirty_days() -> None:
    """The thirtieth day is the first on which a number is free."""
    kept = [retired(1, ago=29), retired(2, ago=30), retired(3, ago=31)]
    assert [1] == [r.number for r in in_force(kept, TODAY)]


def test_of_two_that_left_a_number_the_later_gets_it() -> None:
    """And none does while a channel has it."""
    early, late = retired(5, id_="main/early", ago=9), retired(5, id_="main/late", ago=2)
    assert {5: late} == numbers(early, late).reserved
    assert {5: late} == numbers(late, early).reserved
    assert {} == numbers(late, living={5: "a"}).reserved


def test_taken_kept_wished_and_free() -> None:
    """Nobody has it, it is kept for nobody, no override wants it: else it is not free."""
    known = numbers(retired(101), living={100: "a"})
    known.wished = {102}
    assert [False, False, False, True] == [known.free(n) for n in range(100, 104)]
    known.take(103)
    known.take(103)  # adopted DVRs may share one
    known.release(103)
    assert not known.free(103)
    known.release(103)
    assert known.free(103)
    known.take(101)
    assert {} == known.reserved
    known.release(101)
    assert known.free(101)


def test_a_number_left_is_kept_for_who_left_it() -> None:
    """Unless somebody else has it still."""
    known = numbers(living={100: "a"})
    known.take(100)
    known.release(100, retired(100))
    assert {} == known.reserved
    known.release(100, retired(100))
    assert {100: retired(100)} == known.reserved


def test_newcomers_take_the_lowest_free_number() -> None:
    """Past living, kept and wished ones, up to the last of the block; then the block is used up."""
    known = numbers(retired(101), living={100: "a", 103: "b"})
    one = part(known, living=[100])
    assert ["in", "in", "exhausted"] == [one.admit(item(n), reuse=False) for n in (1, 2, 3)]
    assert {100: "main/100", 102: "main/1", 104: "main/2"} == seats(one)
    assert 1 == one.retired_here()
    assert one.lowest_free() is None


def test_a_number_that_became_free_is_the_lowest_again() -> None:
    """Though higher ones were given meanwhile."""
    one = part(numbers(), living=())
    for key in (1, 2, 3):
        one.admit(item(key), reuse=False)
    assert "main/1" == one.remove(100).id
    assert 100 == one.lowest_free()
    assert {101: "main/2", 102: "main/3"} == seats(one)


def test_retired_numbers_of_the_block_alone_are_counted() -> None:
    """Both ends belong to it."""
    known = numbers(*(retired(n) for n in (99, 100, 102, 104, 105)))
    assert 3 == part(known).retired_here()


def test_reuse_takes_the_oldest() -> None:
    """The number that was left longest ago, of this block, that no override wants; the lower one of two."""
    known = numbers(retired(99, ago=9), retired(100, ago=8), retired(101, ago=7), retired(102, ago=7), retired(103), retired(104), retired(105, ago=9))  # fmt: skip
    known.wished = {100}
    one = part(known)
    assert "exhausted" == one.admit(item(1), reuse=False)
    assert ["in"] * 4 + ["exhausted"] == [one.admit(item(n), reuse=True) for n in range(1, 6)]
    assert {101: "main/1", 102: "main/2", 103: "main/3", 104: "main/4"} == seats(one)


def test_an_override_gets_its_number() -> None:
    """Also a retired one, and outside of the block; not one that a living channel has."""
    known = numbers(retired(102), living={103: "b"})
    one = part(known)
    assert ["in"] * 3 == [
        one.admit(item(n, wanted=w), reuse=False) for n, w in ((1, 102), (2, 900), (3, 103))
    ]
    assert {100: "main/3", 102: "main/1", 900: "main/2"} == seats(one)


@pytest.mark.parametrize(
    ("number", "dvr", "expected"),
    [(100, "a", 100), (104, "a", 104), (99, "a", 100), (105, "a", 100), (102, "b", 100)],
)
def test_who_returns_gets_the_old_number(number: int, dvr: str, expected: int) -> None:
    """Here and within the block; another DVR's number, or one outside of an edited range, is not."""
    back = retired(number, dvr=dvr)
    known = numbers(back)
    if expected != number:
        known.reserved.pop(100, None)
    one = part(known)
    one.admit(item(1, returning=back), reuse=False)
    assert [expected] == list(one.items)


def test_who_returns_later_than_another_who_had_it_does_not() -> None:
    """The number is kept for the last who left it; in an adopted DVR also outside of the block."""
    early, late = retired(101, id_="main/1", ago=9), retired(101, id_="main/2", ago=2)
    one = part(numbers(early, late))
    one.admit(item(1, returning=early), reuse=False)
    one.admit(item(2, returning=late), reuse=False)
    assert {100: "main/1", 101: "main/2"} == seats(one)
    far = retired(900)
    adopted = part(numbers(far))
    adopted.record = replace(adopted.record, adopted=True)
    adopted.admit(item(1, returning=far), reuse=False)
    assert {900: "main/1"} == seats(adopted)


def test_full_by_count_and_by_bytes() -> None:
    """At the limit, or where one more row would burst the map; a channel that leaves makes room again."""
    small = part(numbers(), limit=2)
    assert ["in", "in", "full"] == [small.admit(item(n), reuse=False) for n in (1, 2, 3)]
    assert 480 == part(numbers(), limit=480).limit
    wide = part(numbers(), block=(10**69, 10**69 + 999), limit=480)
    answers = [wide.admit(item(n), reuse=False) for n in range(80)]
    assert 76 == answers.count("in")  # 15 + 76 x 392 = 29,807 bytes; one more would be 30,199
    assert {"in", "full"} == set(answers)
    assert 29_807 == wide.map_bytes
    wide.remove(10**69)
    assert "in" == wide.admit(item(99), reuse=False)
    assert 29_807 == wide.map_bytes


def moved(
    *parts: Part,
    known: Numbers,
    wishes: Mapping[int, Item] | None = None,
    allow: Iterable[str] = (),
    anew: Iterable[str] = (),
) -> list[tuple[str, str, str, str]]:
    """Renumber, and what it was blocked by: code, DVR, message, word."""
    orders = dict.fromkeys(anew, lambda found: (found.name,))
    renumber(parts, known, wishes or {}, allow=frozenset(allow), anew=orders)
    return [(b.code, b.dvr, b.message, b.lift) for one in parts for b in one.blocks]


def house(living: Mapping[int, str], *kept: Retired, **dvr: object) -> tuple[Numbers, Part]:
    """One DVR with living channels that the ledger knows."""
    known = numbers(*kept, living=living)
    return known, part(known, living=living, **dvr)  # type: ignore[arg-type]


def test_an_edited_range_waits_for_its_word() -> None:
    """S204 says how many would move, nothing moves, and the block stays; with the word they take the lowest free ones."""
    known, one = house({100: "a", 102: "a"}, numbers=(102, 110))
    assert [("S204", "a", "range 100-104 -> 102-110 would change the number of 1 living channel", "renumber:a")] == moved(one, known=known)  # fmt: skip
    assert ({100: "main/100", 102: "main/102"}, (100, 104)) == (seats(one), one.record.block)
    assert "numbers" == one.blocks[0].what
    known, one = house({100: "a", 101: "a", 102: "a"}, numbers=(102, 110))
    ((_, _, message, _),) = moved(one, known=known)
    assert message.endswith("would change the number of 2 living channels")
    known, one = house({101: "a", 100: "a", 102: "a"}, numbers=(102, 110))
    assert [] == moved(one, known=known, allow=["renumber:a"])
    assert {102: "main/102", 103: "main/100", 104: "main/101"} == seats(one)
    assert (102, 110) == one.record.block
    assert known.free(100)


@pytest.mark.parametrize(("last", "fits"), [(203, True), (202, False)])
def test_a_range_too_small_is_refused(last: int, *, fits: bool) -> None:
    """Those outside need a place each beside those inside and the retired numbers, which `reuse:` gives away."""
    rooms: list[list[tuple[str, str, str, str]]] = []
    for words in (["renumber:a"], ["renumber:a", "reuse:a"]):
        known, one = house({100: "a", 101: "a", 200: "a"}, retired(last), numbers=(200, last))
        rooms.append(moved(one, known=known, allow=words))
        assert one.record.block == ((200, last) if not rooms[-1] else (100, 104))
    message = f"range 200-{last} has no room for the 2 living channels outside it"
    assert [[] if fits else [("S303", "a", message, "reuse:a")], []] == rooms


def test_what_is_inside_does_not_move() -> None:
    """A range that grew, or one that is as before, moves nobody and needs no word; both ends are inside."""
    known, one = house({100: "a", 104: "a"}, numbers=(100, 104))
    one.record = replace(one.record, block=(90, 110))
    assert [] == moved(one, known=known)
    assert ({100: "main/100", 104: "main/104"}, (100, 104)) == (seats(one), one.record.block)


def test_a_split_part_follows_no_range() -> None:
    """The range in the spec is the first device's."""
    known, one = house({100: "a"}, numbers=(200, 300))
    one.record = replace(one.record, split_of="a")
    assert [] == moved(one, known=known)
    assert ({100: "main/100"}, (100, 104)) == (seats(one), one.record.block)


def test_two_dvrs_exchange_their_ranges() -> None:
    """All are vacated before anybody is seated."""
    known = numbers(living={100: "a", 200: "b"})
    one = part(known, name="a", block=(100, 104), living=[100], numbers=(200, 204))
    two = part(known, name="b", block=(200, 204), living=[200], numbers=(100, 104))
    assert [] == moved(one, two, known=known, allow=["renumber:a", "renumber:b"])
    assert ({200: "main/100"}, {100: "main/200"}) == (seats(one), seats(two))


def test_numbering_anew_follows_its_order() -> None:
    """All of the DVR, in the order that was asked for, and of that DVR alone."""
    known = numbers(living={101: "a", 103: "a", 200: "b"})
    one, two = part(known, living=[103, 101]), part(known, name="b", block=(200, 204), living=[200])
    one.items[103].name, one.items[101].name = "A", "B"
    told = moved(one, two, known=known, anew=["a"])
    assert [
        ("S204", "a", "numbering anew would change the number of 2 living channels", "renumber:a")
    ] == told
    one.blocks.clear()
    assert [] == moved(one, two, known=known, anew=["a"], allow=["renumber:a"])
    assert ({100: "main/103", 101: "main/101"}, {200: "main/200"}) == (seats(one), seats(two))


def test_an_override_moves_two() -> None:
    """The channel that wants a number and the one that has it, the latter to the lowest free one; with one word, if both live here."""
    known, one = house({100: "a", 102: "a"})
    one.items[100].wanted = 102
    wishes = {102: one.items[100]}
    told = moved(one, known=known, wishes=wishes)
    assert [("S204", "a", "an override would change the number of 2 living channels", "renumber:a")] == told
    one.blocks.clear()
    assert [] == moved(one, known=known, wishes=wishes, allow=["renumber:a"])
    assert {100: "main/102", 102: "main/100"} == seats(one)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ({100: "main/100"}, {200: "main/200"})),
        (["renumber:a"], ({100: "main/100"}, {200: "main/200"})),
        (["renumber:b"], ({100: "main/100"}, {201: "main/200"})),
        (["renumber:a", "renumber:b"], ({200: "main/100"}, {201: "main/200"})),
    ],
)
def test_a_number_of_another_dvr_needs_both_words(
    words: list[str], expected: tuple[dict[int, str], dict[int, str]]
) -> None:
    """Who wants it moves only where its holder may move as well."""
    known = numbers(living={100: "a", 200: "b"})
    one, two = part(known, living=[100]), part(known, name="b", block=(200, 204), living=[200])
    one.items[100].wanted = 200
    moved(one, two, known=known, wishes={200: one.items[100]}, allow=words)
    assert expected == (seats(one), seats(two))


def test_a_wish_for_a_free_number_needs_its_own_word_alone() -> None:
    """And who has the number already is left alone."""
    known, one = house({100: "a", 101: "a"})
    one.items[100].wanted, one.items[101].wanted = 900, 101
    wishes = {900: one.items[100], 101: one.items[101]}
    assert [] == moved(one, known=known, wishes=wishes, allow=["renumber:a"])
    assert {101: "main/101", 900: "main/100"} == seats(one)
    assert {900, 101} == known.wished
