"""AES-128 of HLS segments, as an origin does it: CBC, PKCS7, the segment's number as initialisation vector.

The library is imported when the first segment is sealed, since only channels of this shape need it. This module
refuses to keep anything secret: the keys follow from the segment number.
"""

import hashlib
from typing import Final

from reconciler.errors import OperatorError
from reconciler.sandbox.hls import TURN_SEGMENTS

__all__ = ["sealed", "segment_key"]

BLOCK_BYTES: Final = 16


def segment_key(turn: int) -> bytes:
    """The key of four segments."""
    return hashlib.sha256(f"turn {turn}".encode()).digest()[:BLOCK_BYTES]


def sealed(body: bytes, number: int) -> bytes:
    """`body` encrypted as segment `number`. Raises OperatorError without the `cryptography` package."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    except ImportError as error:
        raise OperatorError(
            "encrypted channels of the sandbox need the package 'cryptography'",
            next_step="pip install cryptography",
        ) from error
    missing = BLOCK_BYTES - len(body) % BLOCK_BYTES
    cipher = Cipher(
        algorithms.AES128(segment_key(number // TURN_SEGMENTS)),
        modes.CBC(number.to_bytes(BLOCK_BYTES, "big")),
    )
    encryptor = cipher.encryptor()
    return encryptor.update(body + bytes([missing]) * missing) + encryptor.finalize()
