"""Which certificates are trusted, read once a process: every HTTP client asks for them, most speak plain HTTP.

Reading them takes 30 to 85 ms of CPU, and one `plan` opens four clients. And what of TLS was wrong, where something was.
"""

import ssl
from functools import lru_cache

import httpx

__all__ = ["fault_of", "trusted"]


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """As httpx trusts by itself: certifi's list, or what SSL_CERT_FILE and SSL_CERT_DIR name. Shared; never changed."""
    return httpx.create_ssl_context()


def fault_of(error: BaseException) -> ssl.SSLError | None:
    """The TLS error behind a client's error; None where it is another. The client's own text is empty: only the chain tells."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause
