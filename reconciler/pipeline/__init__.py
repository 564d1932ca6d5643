"""From a spec to a plan: steps 1 to 6 in order, for the command line and for `serve`'s loop.

Sources, guides, ledger and Plex are gathered, lineups computed, judged, built, and compared. Nothing outside the cache
is written, and nothing of Plex. This package refuses to decide: every rule is in the stage it calls.
"""

from reconciler.pipeline.gather import Request
from reconciler.pipeline.prepare import Prepared, prepared

__all__ = ["Prepared", "Request", "prepared"]
