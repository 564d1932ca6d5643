"""AES-128 segments opened while they arrive (RFC 8216 5.2: CBC, PKCS7).

The library is loaded when the first encrypted stream is opened, because most never are. This module refuses other
methods: SAMPLE-AES is somebody's protection, not transport.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

__all__ = ["KEY_BYTES", "Opener"]

KEY_BYTES = 16


class Opener:
    """Decrypts one segment. The last block is held back until `finish`, because its end is padding."""

    __slots__ = ("_context", "_held")

    def __init__(self, key: bytes, iv: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        self._context: CipherContext = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Clear bytes for what came so far, the last block apart."""
        clear = self._held + self._context.update(data)
        self._held = clear[-KEY_BYTES:]
        return clear[:-KEY_BYTES]

    def finish(self) -> bytes:
        """The last block without its padding; as it is where the padding is none (a segment cut off)."""
        last, self._held = self._held, b""
        pad = last[-1] if last else 0
        if 1 <= pad <= KEY_BYTES and last.endswith(bytes((pad,)) * pad):
            return last[:-pad]
        return last
