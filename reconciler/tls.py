"""Which certificates are trusted, read once a process: every HTTP client asks for them, most speak plain HTTP.

Reading them takes 30 to 85 ms of CPU, and one `plan` opens four clients.
"""

import ssl
from functools import lru_cache

import httpx

__all__ = ["trusted"]


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """As httpx trusts by itself: certifi's list, or what SSL_CERT_FILE and SSL_CERT_DIR name. Shared; never changed."""
    return httpx.create_ssl_context()
