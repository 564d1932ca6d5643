"""The three things that ASGI hands to an application, as types: one spelling for the application, its pages and its API.

Any: their shapes are the protocol's own, told apart by `type` (asgi.readthedocs.io). This module refuses to act on them.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

__all__ = ["Receive", "Scope", "Send"]

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
