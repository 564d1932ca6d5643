"""Figures as pictures: what a simulated channel shows, and its logo.

`drawtext` of ffmpeg needs fonts, and containers have none, so seven-segment figures are drawn here. This module
refuses to be a font: letters exist as far as the words of the sandbox need them.
"""

import zlib
from typing import Final

__all__ = ["figures", "logo_png"]

DIGIT_WIDTH: Final = 24
DIGIT_HEIGHT: Final = 44
STROKE: Final = 6

# Segments a to g of each figure, clockwise from the top, the middle one last; letters only as far as words need.
FIGURES: Final = (
    "0abcdef 1bc 2abged 3abgcd 4fgbc 5afgcd 6afgedc 7abc 8abcdefg 9abcdfg -g "
    "Aabcefg Dbcdeg Ief Ldef Mabcef Tdefg"
)
SEGMENTS: Final = {word[0]: word[1:] for word in FIGURES.split()}


def figures(text: str) -> tuple[int, int, bytes]:
    """Width, height and grey pixels of `text` in seven-segment figures. Pure."""
    width, height = DIGIT_WIDTH * max(1, len(text)) + STROKE, DIGIT_HEIGHT + 2 * STROKE
    picture = bytearray(width * height)

    def fill(left: int, top: int, wide: int, high: int) -> None:
        for row in range(top, top + high):
            picture[row * width + left : row * width + left + wide] = b"\xff" * wide

    wide, half = DIGIT_WIDTH - STROKE, DIGIT_HEIGHT // 2
    for place, figure in enumerate(text.upper()):
        left, top = STROKE + place * DIGIT_WIDTH, STROKE
        boxes = {
            "a": (left, top, wide, STROKE),
            "b": (left + wide - STROKE, top, STROKE, half),
            "c": (left + wide - STROKE, top + half, STROKE, half),
            "d": (left, top + DIGIT_HEIGHT - STROKE, wide, STROKE),
            "e": (left, top + half, STROKE, half),
            "f": (left, top, STROKE, half),
            "g": (left, top + half - STROKE // 2, wide, STROKE),
        }
        for segment in SEGMENTS.get(figure, "adg"):
            fill(*boxes[segment])
    return width, height, bytes(picture)


def logo_png(text: str) -> bytes:
    """A small grey PNG that shows `text`: the logo of an invented channel. Pure."""
    width, height, picture = figures(text[:8])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    rows = b"".join(b"\0" + picture[at : at + width] for at in range(0, len(picture), width))
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
