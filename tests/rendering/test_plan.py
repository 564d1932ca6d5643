"""Plans as text and Markdown: compared with stored files, bounded, and the same without colour.

`PTCTL_STORE=1 python -m pytest tests/rendering` writes the stored files again; the change is read in review.
"""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.lineups.model import OVERFLOW, Block
from reconciler.planning.model import Counts, Plan, PlanWarning
from reconciler.rendering import plan_markdown, plan_rows, plan_text
from reconciler.rendering.ink import cells
from tests.rendering.plans import busy_plan, channels, quiet_plan

STORED: Final = Path(__file__).parent / "stored"
STORE: Final = os.environ.get("PTCTL_STORE") == "1"
CODES: Final = re.compile(r"\x1b\[[0-9;]*m")


def check(name: str, text: str) -> None:
    """Compare with the stored file, or write it."""
    path = STORED / name
    if STORE:
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("name", "plan", "actions"),
    [
        ("plan-quiet.txt", quiet_plan(), False),
        ("plan-busy.txt", busy_plan(), False),
        ("plan-actions.txt", busy_plan(), True),
    ],
)
def test_text_is_as_stored(name: str, plan: Plan, actions: bool) -> None:
    """The text changes only where somebody meant it to."""
    saved = plan_text.Saved("friday.plan", "7f3ad1" + "0" * 54 + "c41e") if plan.actions else None
    check(name, plan_text.render(plan, color=False, saved=saved, actions=actions))


def test_a_stopped_plex_matches_in_its_addresses_alone() -> None:
    """Nothing to do in its database is no word about channels."""
    stopped = replace(quiet_plan(), warnings=(PlanWarning("W314", "Plex is stopped", "start Plex"),))
    text = plan_text.render(stopped, color=False)
    assert "No changes. The addresses in Plex's database are as the spec says; the rest is compared" in text
    assert "match the spec" not in text


def test_channel_list_is_as_stored() -> None:
    """`--channels DVR` names every channel once."""
    check("plan-channels.txt", plan_rows.render_channels(busy_plan(), "bcastus", color=False))


def test_markdown_is_as_stored() -> None:
    """The comment changes only where somebody meant it to."""
    check("plan-busy.md", plan_markdown.render(busy_plan()))


@pytest.mark.parametrize("plan", [quiet_plan(), busy_plan()])
def test_colour_only_repeats(plan: Plan) -> None:
    """Without its escape codes the coloured text is the plain text."""
    assert plan_text.render(plan, color=False) == CODES.sub("", plan_text.render(plan, color=True))


def test_lines_keep_to_the_width() -> None:
    """Names are cut so that rows of the table stay within 100 cells."""
    long = tuple(replace(c, note="x" * 300) for c in busy_plan().changes if not c.blocks)
    text = plan_text.render(replace(busy_plan(), changes=long, blocks=()), color=False)
    table = [line for line in text.splitlines() if "xxx" in line]
    assert table
    assert all(cells(line) <= 100 for line in table)


def test_what_found_no_room_is_not_called_filtered() -> None:
    """Ten thousand channels for a DVR of 480 are no work of the filters."""
    busy = busy_plan()
    plan = replace(busy, filtered=(*busy.filtered, (OVERFLOW, 12_891)))
    assert "6,388 filtered, 12,891 more than their DVRs hold, 77 in no bucket" in plan_text.render(
        plan, color=False
    )


def test_totals_are_written_as_their_rows_are() -> None:
    """1,600 channels of one DVR are 1,600 in the total as well."""
    (first, *_) = busy_plan().changes
    many = replace(first, counts=Counts(0, 1600, channels(1000, 1600), (), ()))
    lines = plan_text.render(replace(busy_plan(), changes=(many,), blocks=()), color=False).splitlines()
    row = next(line for line in lines if f" {first.dvr} " in line and "->" in line)
    total = next(line for line in lines if " total " in line)
    assert (
        [word for word in row.split() if "1,600" in word]
        == [word for word in total.split() if "1,600" in word]
        != []
    )
    assert "1600" not in total


def test_every_block_ends_with_its_word() -> None:
    """Each refusal shows the words that lift it, or that nothing does."""
    text = plan_text.render(busy_plan(), color=False)
    assert all(f"--allow {b.lift}" in text for b in busy_plan().blocks if b.lift)
    assert "cannot be lifted" in text


@pytest.mark.parametrize(("code", "words"), [("S203", "protect: false"), ("S401", "ptctl doctor")])
def test_a_block_without_a_word_says_what_to_do(code: str, words: str) -> None:
    """No word lifts it, yet there is a way on."""
    (first, *_) = busy_plan().changes
    blocked = replace(first, blocks=(Block(code, first.dvr, "held", ""),))
    text = plan_text.render(replace(busy_plan(), changes=(blocked,), blocks=()), color=False)
    (line,) = [line for line in text.splitlines() if "cannot be lifted" in line]
    assert words in line


@pytest.mark.parametrize("count", [10, 2_000, 20_000])
def test_markdown_stays_in_budget_and_says_what_it_left_out(count: int) -> None:
    """Under 60,000 characters whatever the size; the largest lists go first, and a line says so."""
    change = replace(busy_plan().changes[0], counts=Counts(0, count, channels(1000, count, name="A" * 40)))
    text = plan_markdown.render(replace(busy_plan(), changes=(change, *busy_plan().changes[1:])))
    assert len(text) <= plan_markdown.BUDGET
    assert ("left out" in text) == (count > 10)


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_provider_text_cannot_break_the_table(name: str) -> None:
    """A name full of Markdown stays on one line and in one cell."""
    text = plan_markdown.escape(name)
    assert "\n" not in text
    assert re.search(r"(?<!\\)\|", text.replace("\\\\", "")) is None
    assert "<" not in text.replace("\\<", "")


def test_markdown_counts_what_it_does_not_list() -> None:
    """Warnings, drift and blocks beyond so many are counted; a reviewer is not left to think that these were all."""
    plan = busy_plan()
    many = replace(
        plan,
        warnings=(plan.warnings[0],) * 1_500,
        drift=(plan.drift[0],) * (plan_markdown.ROWS + 1),
        changes=(),
    )
    text = plan_markdown.render(many)
    assert "- and 1,300 more\n" in text
    assert "- and 1 more\n" in text
    assert " more\n" not in plan_markdown.render(replace(plan, changes=()))


def test_what_is_held_is_counted() -> None:
    """One channel stays, several stay; their groups are cut like names."""
    plan = busy_plan()
    assert "1 channel would now be sorted elsewhere and stays where it lives" in plan_text.render(
        plan, color=False
    )
    long = replace(plan.held[0], group_before="G" * 80)
    text = plan_text.render(replace(plan, held=(long,) * 4), color=False)
    assert "4 channels would now be sorted elsewhere and stay where they live" in text
    assert f"group {'G' * 19}… -> " in text


@pytest.mark.parametrize(
    ("same", "said"), [(0, []), (1, ["same     1 more DVR"]), (40, ["same     40 more DVRs"])]
)
def test_many_dvrs_fold_those_that_stay(same: int, said: list[str]) -> None:
    """With more than thirty of them the same ones are one line; where there are none there is no line."""
    plan = busy_plan()
    first = plan.changes[0]
    rows = [replace(first, dvr=f"d{place}", kind="add", blocks=()) for place in range(31)]
    rows += [replace(first, dvr=f"s{place}", kind="same", blocks=()) for place in range(same)]
    lines = plan_text.render(replace(plan, changes=tuple(rows)), color=False).splitlines()
    assert said == [line.strip() for line in lines if line.startswith("  same ")]


def test_names_between_backticks_are_as_they_are() -> None:
    """An underscore of a name or path is no emphasis there, nor in a line of HTML, and shows no backslash."""
    changes = (replace(busy_plan().changes[0], dvr="my_dvr"),)
    text = plan_markdown.render(
        replace(busy_plan(), spec_name="my_home", base="old_`x`.yaml", changes=changes)
    )
    assert "<summary>my_dvr: + " in text
    assert "`my_home` against `old_'x'.yaml`, " in text
