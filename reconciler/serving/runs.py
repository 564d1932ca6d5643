"""A run asked for over HTTP: what a provider's or a repository's webhook rings.

    POST /api/v1/runs        Authorization: Bearer TOKEN

202: the loop knows, and runs when it may: bells that ring while one run waits are one run, and two begin a minute apart at
least (STM-3). 409 while runs are suspended: with the reason and the end. Needs the admin token. This module refuses to read a body: what is run is the spec's business.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

from reconciler.serving.access import Access
from reconciler.serving.answers import Answer, json_answer
from reconciler.serving.suspension import Suspension

__all__ = ["RUNS_PATH", "Runs"]

RUNS_PATH: Final = "/api/v1/runs"


class Runs:
    """The endpoint. `ask` is the loop's, None while there is no loop."""

    def __init__(self, access: Access, suspended: Callable[[], Suspension | None]) -> None:
        self._access = access
        self._suspended = suspended
        self.ask: Callable[[str], object] | None = None

    def answer(self, method: str, headers: Mapping[str, str]) -> Answer:
        """One request."""
        if method != "POST":
            return Answer(405, headers=(("Allow", "POST"),))
        if not self._access.is_admin(headers):
            return json_answer({"error": "the admin token is needed"}, 401)
        if self.ask is None:
            return json_answer({"error": "this process starts no runs"}, 503)
        held = self._suspended()
        if held is not None:
            return json_answer({"error": str(held), "suspended": asdict(held)}, 409)
        self.ask("webhook")
        return json_answer({"asked": True}, 202)
