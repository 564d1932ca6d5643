"""The clip library: what the simulated channels show, made once by ffmpeg and kept in a directory.

Every channel shows its own number, so there is a clip per channel; making one takes about 0.1 s, so it is made
when somebody first asks for that channel, never ahead. Eight seconds are the shortest length in which whole
GOPs (25 frames) and whole AAC frames (1,024 samples at 48 kHz) both fit, which is what makes the loop seamless.
The sound is the same everywhere and is encoded once, which halves the work.
This module refuses to pace, to serve and to guess: without ffmpeg it says so.
"""

import hashlib
import mmap
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import trio

from reconciler.errors import OperatorError
from reconciler.sandbox.figures import figures
from reconciler.sandbox.fragments import FRAGMENT_ARGUMENTS, FragmentClip
from reconciler.sandbox.packets import CLOCK_HZ, Clip, normalised

__all__ = [
    "CLIP_S",
    "FRAMES",
    "FRAMES_PER_S",
    "StreamLibrary",
    "Variant",
    "default_cache",
    "find_ffmpeg",
]

Variant = Literal["main", "other-pids", "mpeg2", "video-only", "audio-only"]
Container = Literal["ts", "mp4", "mkv"]

FRAMES_PER_S: Final = 25
CLIP_S: Final = 8
FRAMES: Final = FRAMES_PER_S * CLIP_S
TICKS_PER_FRAME: Final = CLOCK_HZ // FRAMES_PER_S
RECIPE: Final = 5  # raised whenever the arguments below change what comes out
FFMPEG_LIMIT_S: Final = 60

H264: Final = (
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"),
    *("-b:v", "600k", "-maxrate", "700k", "-bufsize", "300k", "-g", "25", "-keyint_min", "25"),
    *("-sc_threshold", "0", "-threads", "1"),
)
MPEG2: Final = (
    *("-c:v", "mpeg2video", "-b:v", "700k", "-maxrate", "900k", "-bufsize", "400k"),
    *("-g", "25", "-bf", "0", "-sc_threshold", "1000000000", "-threads", "1"),
)
TRANSPORT: Final = ("-f", "mpegts", "-pcr_period", "40", "-pes_payload_size", "512")
FILMS: Final = {
    "mp4": ("-c", "copy", "-f", "mp4", "-movflags", "+faststart"),
    "mkv": ("-c", "copy", "-f", "matroska"),
}
OTHER_PIDS: Final = (
    "-mpegts_start_pid",
    "0x1e1",
    "-mpegts_pmt_start_pid",
    "0x1f0",
    "-mpegts_service_id",
    "7",
)


@dataclass(frozen=True, slots=True)
class _Sound:
    """A codec, and how many samples make it fill a clip exactly."""

    name: str
    samples: int
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What a clip is made of; no picture or no sound where it is left out."""

    sound: _Sound | None
    picture: tuple[str, ...] = H264
    transport: tuple[str, ...] = ()


# AAC puts one frame of priming before the first sample, AC-3 a sixth of one; both fill the clip exactly then.
# Sources end by themselves: with `-frames` one stream that ends cuts the other a frame short.
AAC: Final = _Sound("aac", 374 * 1024, ("-c:a", "aac", "-b:a", "64k", "-ac", "2"))
AC3: Final = _Sound("ac3", 250 * 1536 - 256, ("-c:a", "ac3", "-b:a", "96k", "-ac", "2"))

RECIPES: Final[dict[Variant, _Recipe]] = {
    "main": _Recipe(AAC),
    "other-pids": _Recipe(AAC, transport=OTHER_PIDS),
    "mpeg2": _Recipe(AC3, picture=MPEG2),
    "video-only": _Recipe(None),
    "audio-only": _Recipe(AAC, picture=()),
}


def default_cache() -> Path:
    """Where clips are kept unless told otherwise: below $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ptctl" / "sandbox"


def find_ffmpeg() -> str:
    """The ffmpeg of the optional extra, else the one on PATH. Raises OperatorError where there is none."""
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError, OSError):
        pass
    found = shutil.which("ffmpeg")
    if found is None:
        raise OperatorError(
            "the sandbox makes its streams with 'ffmpeg', and there is none",
            next_step="install ffmpeg, or 'pip install ptctl[ffmpeg]'",
        )
    return found


@dataclass(slots=True)
class StreamLibrary:
    """Clips by label and variant, made on first use into `root` and shared by everyone who asks.

    `ffmpeg` is looked up when the first clip has to be made. Any number of processes may share `root`.
    """

    root: Path
    ffmpeg: str | None = None
    _clips: dict[tuple[str, Variant], Clip] = field(default_factory=dict)
    _fragments: dict[tuple[str, Variant], FragmentClip] = field(default_factory=dict)
    _locks: dict[str, trio.Lock] = field(default_factory=dict)
    _encoders: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(2))

    async def clip(self, label: str, variant: Variant = "main") -> Clip:
        """The clip that shows `label`. Costs about 0.1 s the first time, a file read after a restart.

        Raises OperatorError where ffmpeg is missing or fails. Cancellation abandons the waiting, not the clip.
        """
        async with self._locks.setdefault(f"clip {variant} {label}", trio.Lock()):
            found = self._clips.get((label, variant))
            if found is None:
                body = await trio.to_thread.run_sync(_mapped, await self._transport(label, variant))
                found = Clip.of(body, frames=FRAMES, ticks=TICKS_PER_FRAME)
                self._clips[label, variant] = found
        return found

    async def file(self, label: str, container: Container) -> Path:
        """A finished film of eight seconds as a file, for movie and series URLs."""
        source = await self._transport(label, "main")
        if container == "ts":
            return source
        return await self._made(
            f"film-{label}.{container}", lambda out: self._remux(source, out, FILMS[container])
        )

    async def fragments(self, label: str, variant: Variant = "main") -> FragmentClip:
        """The same clip as fragmented MP4."""
        found = self._fragments.get((label, variant))
        if found is None:
            source = await self._transport(label, variant)
            name = f"{variant}-{label}.m4s"
            path = await self._made(name, lambda out: self._remux(source, out, FRAGMENT_ARGUMENTS))
            found = FragmentClip.of(await trio.to_thread.run_sync(path.read_bytes), seconds=CLIP_S)
            self._fragments[label, variant] = found
        return found

    async def _transport(self, label: str, variant: Variant) -> Path:
        recipe = RECIPES[variant]
        sound = None
        if recipe.sound is not None:
            codec = recipe.sound
            sound = await self._made(f"sound-{codec.name}.nut", lambda out: self._encode_sound(out, codec))
        return await self._made(f"{variant}-{label}.ts", lambda out: self._encode(out, label, recipe, sound))

    def _place(self, name: str) -> Path:
        recipe = hashlib.sha256(repr((RECIPE, RECIPES, FILMS, FRAGMENT_ARGUMENTS)).encode()).hexdigest()[:12]
        safe = "".join(c if c.isalnum() or c in "-." else "_" for c in name)
        return self.root / recipe / safe

    async def _made(self, name: str, make: Callable[[Path], None]) -> Path:
        path = self._place(name)
        async with self._locks.setdefault(name, trio.Lock()):
            if not path.exists():
                await trio.to_thread.run_sync(self._write, path, make, limiter=self._encoders)
        return path

    def _write(self, path: Path, make: Callable[[Path], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            made = Path(scratch) / path.name
            make(made)
            made.replace(path)

    def _encode_sound(self, out: Path, sound: _Sound) -> None:
        source = f"sine=frequency=440:sample_rate=48000:duration={sound.samples / 48_000:.6f}"
        self._run(("-f", "lavfi", "-i", source, *sound.arguments, "-f", "nut", str(out)), b"")

    def _encode(self, out: Path, label: str, recipe: _Recipe, sound: Path | None) -> None:
        inputs: tuple[str, ...] = ()
        maps: tuple[str, ...] = ()
        picture = b""
        if recipe.picture:
            width, height, picture = figures(label or "-")
            graph = f"[0:v][1:v]overlay={(320 - width) // 2}:{(180 - height) // 2},format=yuv420p[v]"
            size = f"{width}x{height}"
            inputs += ("-f", "lavfi", "-i", f"testsrc2=size=320x180:rate={FRAMES_PER_S}:duration={CLIP_S}")
            inputs += ("-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-r", "25", "-i", "pipe:0")
            maps += ("-filter_complex", graph, "-map", "[v]", *recipe.picture)
        if sound is not None:
            maps += ("-map", f"{2 if recipe.picture else 0}:a", "-c:a", "copy")
            inputs += ("-i", str(sound))
        self._run((*inputs, *maps, *TRANSPORT, *recipe.transport, str(out)), picture)
        out.write_bytes(normalised(out.read_bytes()))

    def _remux(self, source: Path, out: Path, options: tuple[str, ...]) -> None:
        self._run(("-i", str(source), *options, str(out)), b"")

    def _run(self, arguments: tuple[str, ...], picture: bytes) -> None:
        self.ffmpeg = self.ffmpeg or find_ffmpeg()
        command = [self.ffmpeg, "-hide_banner", "-loglevel", "error", "-y", *arguments]
        try:
            done = subprocess.run(
                command, input=picture, capture_output=True, timeout=FFMPEG_LIMIT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OperatorError(f"ffmpeg could not make a clip: {type(error).__name__}") from error
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise OperatorError(f"ffmpeg could not make a clip: {' '.join(words)}")


def _mapped(path: Path) -> memoryview:
    """The file in memory, shared with the system's cache: two hundred channels must not cost 150 MB."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
