"""The cyclic garbage collector, paused while a hundred thousand values are built that form no cycle.

Each of them would otherwise be looked at several times (measured: a third of the time of reading a list,
performance.md 3). Afterwards they go to the oldest generation unseen, or the first collection would look
at all of them once more. This module refuses to collect and to leave the collector off.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """No automatic collection inside; afterwards as before. May be nested."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.unfreeze()
            gc.enable()
