"""The body of a request to the API: small, or not taken. This module refuses to know what it says."""

from typing import Final

from reconciler.serving.asgi import Receive

__all__ = ["small_body"]


BODY_LIMIT_BYTES: Final = 4096


async def small_body(receive: Receive) -> bytes | None:
    """The body, or None where it is larger than 4 KiB or broke off. Cancelling is safe."""
    body = b""
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return None
        body += bytes(event.get("body", b""))
        if len(body) > BODY_LIMIT_BYTES:
            return None
        if not event.get("more_body", False):
            return body
