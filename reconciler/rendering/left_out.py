"""What a list had that became no entry, a line for each reason: below its source in a plan and in the catalogue.

A user who misses a channel looks in one of the two. This module refuses to decide what is left out.
"""

from collections.abc import Iterator
from typing import Final

from reconciler.catalog.entry import SourceReport
from reconciler.rendering.ink import cut
from reconciler.wording import number

__all__ = ["left_out"]

EXAMPLES: Final = 3


def left_out(report: SourceReport, margin: str, width: int) -> Iterator[str]:
    """`<margin>left out 3: no address after #EXTINF (One, Two, Three)`, cut to `width` cells."""
    for dropped in report.dropped:
        examples = f" ({', '.join(dropped.examples[:EXAMPLES])})" if dropped.examples else ""
        yield cut(f"{margin}left out {number(dropped.count)}: {dropped.reason}{examples}", width)
