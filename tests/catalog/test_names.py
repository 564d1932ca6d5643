"""Names: what is equal, what stays apart, what is a heading."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.catalog.names import is_separator, normalise_name, quality_of


@pytest.mark.parametrize(
    ("normal", "names"),
    [
        (
            "bbc 1",
            [
                "BBC One",
                "BBC1",
                "BBC One HD",
                "UK: BBC 1",
                "UK | BBC One FHD",
                "[UK] BBC ONE",
                "|UK| BBC-One",
            ],
        ),
        (
            "bbc 1",
            [
                "▎UK▎ BBC Oneᴴᴰ",
                "UK - BBC One (1080p)",
                "VIP | UK: BBC One 50fps",
                "\uff22\uff22\uff23\u3000\uff2f\uff4e\uff45",
                "BBC1HD",
                "UK: BBC One ᵁᴴᴰ ³⁸⁴⁰ᴾ",
                "BBC One Ⓖ Ⓢ",
            ],
        ),
        (
            "bbc 1 +1",
            ["BBC One +1", "BBC One+1", "BBC One (+1)", "UK: BBC One +1 HD", "BBC One HD +1", "BBC1 +1h"],
        ),
        ("canal plus", ["Canal+", "CANAL+ HD", "FR: Canal +", "Canal Plus"]),
        ("canal plus sport", ["Canal+ Sport", "CANAL PLUS SPORT"]),
        ("a and e", ["A&E", "A & E HD", "US: A and E"]),
        ("espn 8 the ocho", ["ESPN 8: The Ocho", "ESPN8 The Ocho UHD", "Espn Eight \u2013 the Ocho"]),
        ("tv rain", ["TV: Rain", "TV Rain"]),
        ("pro 7 maxx", ["Pro 7 MAXX", "Pro7 Maxx", "DE ▎ Pro7 Maxx ᴿᴬᵂ"]),
        ("telemunchen", ["Telemünchen", "TELEMUNCHEN"]),
        ("4 k", ["4K", "UK: 4K"]),
        ("abc", ["ABC (WABC)", "US| ABC [backup]", "USA: ABC HEVC"]),
        ("cnn", ["CNN", "US:CNN", "(US) CNN", "EN ★ CNN"]),
        ("m tv", ["M tv", "Ⓜ TV"]),
        ("", ["", "###", "★★"]),
    ],
)
def test_equal_names(normal: str, names: list[str]) -> None:
    """What providers add to a name does not make another channel of it; a time shift does."""
    assert [normal] * len(names) == [normalise_name(name) for name in names]


@given(st.text(max_size=40))
def test_the_normal_form_is_words_in_lower_case(text: str) -> None:
    """Whatever the text: folded words with single blanks between, nothing else."""
    normal = normalise_name(text)
    assert normal == normal.casefold()
    assert normal == " ".join(normal.split())


@given(st.lists(st.text(string.ascii_letters, min_size=3), min_size=1, max_size=4))
def test_layout_does_not_matter(words: list[str]) -> None:
    """Case and blanks between words are no part of a name."""
    assert normalise_name(" ".join(words).lower()) == normalise_name("  ".join(words).lower() + " ")


@pytest.mark.parametrize(
    ("quality", "names"),
    [
        ("", ["BBC One", "HDTV Channel", "", "4Kids", "RAW"]),
        ("sd", ["BBC SD", "x 576p", "BBC [LQ]"]),
        ("hd", ["BBC HD", "BBC Oneᴴᴰ", "ESPNHD", "x 720p", "BBC|HD|"]),
        ("fhd", ["BBC FHD", "BBC Full HD", "1080p x", "BBC HD FHD"]),
        ("uhd", ["BBC UHD", "4K: BBC", "BBC ⁴ᴷ", "BBC 8K", "BBC Ultra HD", "BBC 4K HD", "BBC 3840p"]),
    ],
)
def test_quality(quality: str, names: list[str]) -> None:
    """The best quality a name claims counts, as a word of its own or as a suffix in capitals."""
    assert [quality] * len(names) == [quality_of(name) for name in names]


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        (True, ["##### SPORTS #####", "-----NL-----", "---●★ NBA ★●---", "=====", "★ ★ UK ★ ★", "|| DE ||"]),
        (False, ["BBC One", "#1 Hits", "Canal+", "-1 TV", "", "UK | BBC | HD", "*NEW* BBC"]),
    ],
)
def test_separators(*, heading: bool, names: list[str]) -> None:
    """A heading has ornaments at both ends or nothing to read; one sign alone is part of a name."""
    assert [heading] * len(names) == [is_separator(name) for name in names]


def test_long_names_cost_no_more_than_their_length() -> None:
    """A name of a megabyte of brackets and blanks neither hangs nor fails."""
    for piece in ("(", " ", "([", "UK:", "+1", "9", "-", "a-"):
        assert isinstance(normalise_name(piece * 100_000), str)
        assert is_separator(piece * 100_000) in {True, False}
