"""What a probe tries: every host, the pinned one first, in the format that the source wants."""

import pytest

from reconciler.lineups.manifest import Alternative, SourceRoute
from reconciler.sources.stream_addresses import addresses

HOSTS = ("http://a:8080", "http://b/sub/")
LOGIN = "{username}/{password}"


@pytest.mark.accepts("XTR-5", "XTR-6")
@pytest.mark.parametrize(("format_", "extension"), [("hls", "m3u8"), ("ts", "ts")])
def test_every_host_of_a_panel(format_: str, extension: str) -> None:
    """Live streams end in .m3u8 unless .ts is wanted; all hosts are there in their order."""
    route = SourceRoute("main", "xtream", hosts=HOSTS, format=format_)
    assert (
        f"http://a:8080/live/{LOGIN}/7.{extension}",
        f"http://b/sub/live/{LOGIN}/7.{extension}",
    ) == addresses(route, Alternative("main", "7"))


def test_a_pin_comes_first_or_alone() -> None:
    """A preferred pin leads, a strict one stands alone."""
    route = SourceRoute("main", "xtream", hosts=HOSTS, pin="http://b/sub")
    assert [f"http://b/sub/live/{LOGIN}/7.m3u8", f"http://a:8080/live/{LOGIN}/7.m3u8"] == list(
        addresses(route, Alternative("main", "7"))
    )
    strict = SourceRoute("main", "xtream", hosts=HOSTS, pin="http://c", pin_mode="strict")
    assert (f"http://c/live/{LOGIN}/7.m3u8",) == addresses(strict, Alternative("main", "7"))


def test_films_and_lists() -> None:
    """Films keep their container; a list's entries are where the list says."""
    route = SourceRoute("main", "xtream", hosts=HOSTS[:1])
    assert (f"http://a:8080/movie/{LOGIN}/7.mkv",) == addresses(
        route, Alternative("main", "7", kind="vod", extension="mkv")
    )
    plain = Alternative("list", url="http://x/1.ts", more_urls=("http://y/1.ts",))
    assert ("http://x/1.ts", "http://y/1.ts") == addresses(SourceRoute("list", "m3u"), plain)
