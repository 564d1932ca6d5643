"""Which certificates are trusted, read once a process: every HTTP client asks for them, most speak plain HTTP.

Reading them takes 30 to 85 ms of CPU, and one `plan` opens four clients. And what of TLS was wrong, where something was.
"""

import ssl
from functools import lru_cache

__all__ = ["fault_of", "trusted"]


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """Certifi's list and the system's own, in whose place SSL_CERT_FILE and SSL_CERT_DIR may stand. Shared; never changed."""
    import httpx  # late: `serve` needs it for providers with TLS alone, and begins without

    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def fault_of(error: BaseException) -> ssl.SSLError | None:
    """The TLS error behind a client's error; None where it is another. The client's own text is empty: only the chain tells."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause
