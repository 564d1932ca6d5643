"""The control address of the simulated provider: faults, journal and connections over HTTP, as JSON.

It has a port of its own so that no path of it can be taken for the panel's. This module refuses to act on the
panel's content: that is changed from Python.
"""

import json

from reconciler.sandbox.answers import Answer
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.site import Site
from reconciler.sandbox.wire import Request

__all__ = ["control_answer"]


def control_answer(request: Request, site: Site) -> Answer:
    """`GET`, `POST` (adds; a list or one object) and `DELETE` (all, or those in the body) of `/_sandbox/faults`;
    `GET` and `DELETE` of `/_sandbox/journal` (`?since=` a visit's number); `GET` of `/_sandbox/connections`.
    """
    match request.method, request.path:
        case "GET", "/_sandbox/faults":
            return _json([fault.record() for fault in site.faults.active()])
        case (("POST" | "DELETE"), "/_sandbox/faults"):
            try:
                faults = _faults(request.body)
            except (ValueError, TypeError) as error:
                return _json({"error": str(error)}, status=400)
            if request.method == "POST":
                site.faults.switch_on(*faults)
            else:
                site.faults.switch_off(*faults)
            return _json([fault.record() for fault in site.faults.active()])
        case "GET", "/_sandbox/journal":
            since = request.arg("since", "0")
            number = int(since) if since.isdecimal() else 0
            return _json([visit.record() for visit in site.journal.visits if visit.number > number])
        case "DELETE", "/_sandbox/journal":
            site.journal.clear()
            return _json([])
        case "GET", "/_sandbox/connections":
            return _json([seat.record() for seat in site.seated()])
        case _:
            return _json({"error": "there is nothing here"}, status=404)


def _faults(body: bytes) -> list[Fault]:
    """The faults in a request's body. Raises ValueError."""
    if not body.strip():
        return []
    said = json.loads(body)
    records = said if isinstance(said, list) else [said]
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("a fault is an object")
    return [Fault.from_record(record) for record in records]


def _json(value: object, *, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), "application/json")
