"""Channel names as providers write them, brought to one form: the only normaliser of names in the project.

Identity across fetches, merging and guide matching must agree on when two names are the same, so all of them ask here.
The rules are those working matchers share (iptv-streams.md D6). This module refuses to decide what a match means: two
different channels may well have the same normalised name, which is why callers insist on uniqueness.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal

__all__ = ["Quality", "is_separator", "normalise_name", "quality_of"]

Quality = Literal["", "sd", "hd", "fhd", "uhd"]


def _words_of(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# ISO 3166 codes and the names of countries and languages that panels put before a name; a list and not "any two
# letters", or `TV: Rain` and `RT | News` would lose half their name.
_PREFIX_WORDS: Final = frozenset(
    _words_of(
        """ad ae af al am ar at au az ba bd be bg bh bo br by ca ch cl cn co cr cu cy cz de dk do dz ec ee eg en es et eu
    fi fr ga gb ge gh gr gt hk hn hr hu id ie il in iq ir is it jo jp ke kr kw kz lb lk lt lu lv ly ma mc md me mk mt
    mx my ng ni nl no nz om pa pe ph pk pl ps pt py qa ro rs ru sa se sg si sk sn sr sv sy th tn tr tw tz ua ug uk us
    uy uz ve vn xk ye za zw usa uae ger deu fra ita esp por prt bra mex arg can aus gbr irl nld bel aut che pol tur gre
    grc rus ukr rou rom bul bgr hun cze svk svn cro hrv srb alb mkd den dnk swe nor fin isl isr ind pak kor jpn chn afr
    africa afg arab arabic asia latin latino lat exyu ex-yu yu nordic scandinavia balkan kurd kurdish iran germany
    deutschland austria switzerland france italy italia spain espana portugal brazil brasil mexico canada australia
    ireland netherlands belgium poland turkey greece russia ukraine romania bulgaria hungary albania denmark sweden
    norway finland iceland israel india pakistan england english"""
    )
)
_QUALITY_WORDS: Final = frozenset(
    _words_of(
        """sd hd fhd uhd qhd fullhd hdr uhdr hdr10 hq lq 4k 8k hevc avc h265 h264 x265 x264 raw vip backup bkp 480p 480i 540p
    576p 576i 720p 720i 1080p 1080i 1440p 2160p 3840p 4320p 25fps 30fps 50fps 60fps fps"""
    )
)
_NUMBER_WORDS: Final = {
    word: str(value)
    for value, word in enumerate(
        _words_of(
            """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen twenty"""
        )
    )
}
# Free-TV's marks: blocked abroad, not in HD, a page of YouTube
_CIRCLED: Final = re.compile(r"\s[\u24b6-\u24e9]")
_CIRCLED_END: Final = re.compile(r"(?<![\s\u24b6-\u24e9])[\s\u24b6-\u24e9]++$")
_UNDECOMPOSED: Final = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i", "ħ": "h"}
)
# Latin, Greek, Cyrillic; the vowels of Indic scripts are no accents
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_BARS: Final = r"|¦│┃▎▏▌▍▐║❘"
_PREFIX: Final = re.compile(
    rf"[{_BARS}\[(]*\s*([^\W\d_]+(?:-[^\W\d_]+)?)\s*(?:[\])]\s*[{_BARS}:]*|[{_BARS}:]+|\s[-\u2013\u2014]\s|[►▶➤»•★])\s*(?=\S)"
)
_BRACKETED: Final = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
_SHIFT: Final = re.compile(r"\(?(?:(?<=[\s(])\+\s?|(?<=[^\W_])\+)(\d{1,2})\s?h?\)?(?![\w.])")
_GLUED_QUALITY: Final = re.compile(r"(?<=[^\W_]{2})(?:F|U)?HD(?!\w)")
_ASCII_RUN: Final = re.compile(r"[a-z]+|\d+")
_TOKEN: Final = re.compile(r"[^\s,;:/|]+")
_EDGE: Final = "#=-*•─★|\u2014\u2013_~●▬◄►☆✦✪◉■▪·.:<>+!«»♦◆○│┃▎━═"


@lru_cache(maxsize=65536)
def normalise_name(text: str) -> str:
    """The name without what providers add to it: lower-case words separated by single blanks.

    Compatibility forms and accents are folded, country prefixes, quality words and bracketed text go, `&` and `+`
    become words, number words digits, and digits stand alone (`BBC1`, `BBC One HD` and `UK: BBC 1` are equal). A time
    shift stays as `+1`: that is another channel. A name made of nothing but such additions keeps them, so that only
    a text without letters and digits gives "".
    """
    folded = unicodedata.normalize("NFKD", _GLUED_QUALITY.sub(_apart, _marks_apart(text)))
    folded = _ACCENTS.sub("", folded).casefold().translate(_UNDECOMPOSED)
    shift = _SHIFT.search(" " + folded)
    rest = (" " + folded)[: shift.start()] + " " + (" " + folded)[shift.end() :] if shift else folded
    rest = _without_prefix(rest)
    words = _words(_without_brackets(rest)) or _words(rest) or _plain_words(rest)
    if shift:
        words = [*words, f"+{int(shift[1])}"]
    return " ".join(words)


@lru_cache(maxsize=65536)
def quality_of(name: str) -> Quality:
    """The best picture the name claims, or "" where it claims none. `4K` and `8K` are "uhd"."""
    folded = unicodedata.normalize("NFKD", _GLUED_QUALITY.sub(_apart, _marks_apart(name))).casefold()
    words = set(re.findall(r"[^\W_]+", folded))
    if words & {"uhd", "uhdr", "4k", "8k", "2160p", "3840p", "4320p"} or re.search(r"\bultra\s*hd\b", folded):
        return "uhd"
    if words & {"fhd", "fullhd", "1080p", "1080i"} or re.search(r"\bfull\s*hd\b", folded):
        return "fhd"
    if words & {"hd", "720p", "720i"}:
        return "hd"
    if words & {"sd", "lq", "480p", "480i", "540p", "576p", "576i"}:
        return "sd"
    return ""


def is_separator(name: str) -> bool:
    """Whether an entry is a heading in the list (`##### SPORTS #####`) and no channel.

    True without any letter or digit, or with two or more ornaments at both ends (iptv-streams.md A2: 399 of them in
    the survey). The empty name is none: that is a fault of another kind.
    """
    text = name.strip()
    if not text:
        return False
    if not any(character.isalnum() for character in text):
        return True
    head = text[: len(text) - len(text.lstrip(_EDGE + " "))].replace(" ", "")
    tail = text[len(text.rstrip(_EDGE + " ")) :].replace(" ", "")
    return len(head) >= 2 and len(tail) >= 2


def _apart(match: re.Match[str]) -> str:
    return " " + match[0]


def _marks_apart(text: str) -> str:
    """`BBC Oneᴴᴰ` with a blank before the raised part, which NFKD would glue to the name, and `Rai 1 Ⓖ` without its mark."""
    if text.isascii():
        return text
    text = _CIRCLED_END.sub(lambda end: _CIRCLED.sub("", end[0]), text) or text
    parts: list[str] = []
    raised_before = False
    for character in text:
        raised = unicodedata.decomposition(character).startswith("<super>")
        if raised and not raised_before:
            parts.append(" ")
        parts.append(character)
        raised_before = raised
    return "".join(parts)


def _without_prefix(text: str) -> str:
    for _ in range(3):  # `VIP | UK: BBC One`; more than three prefixes were never seen
        text = text.lstrip()
        found = _PREFIX.match(text)
        if found is None or (found[1] not in _PREFIX_WORDS and found[1] not in _QUALITY_WORDS):
            return text
        text = text[found.end() :]
    return text


def _without_brackets(text: str) -> str:
    for _ in range(3):  # inner ones first
        shorter = _BRACKETED.sub(" ", text)
        if shorter == text:
            break
        text = shorter
    return text


def _words(text: str) -> list[str]:
    """The words that name the channel; none when everything was decoration."""
    kept = " ".join(
        token for token in _TOKEN.findall(text) if token.strip("()[]{}._-*#'\"+") not in _QUALITY_WORDS
    )
    return _plain_words(kept.replace("full hd", " ").replace("ultra hd", " "))


def _plain_words(text: str) -> list[str]:
    spelled = text.replace("&", " and ").replace("+", " plus ").replace("'", "").replace("\u2019", "")
    return [_NUMBER_WORDS.get(word, word) for word in _split_words(spelled)]


def _split_words(text: str) -> list[str]:
    """Runs of digits and runs of anything else that is written: `bbc1` is two words, `3sat` too."""
    if text.isascii():
        return [_without_zeros(word) for word in _ASCII_RUN.findall(text)]
    words: list[str] = []
    current = ""
    kind = ""
    for character in text:
        category = unicodedata.category(character)
        now = "digit" if category == "Nd" else "letter" if category[0] in "LMN" else ""
        if now != kind and current:
            words.append(current)
            current = ""
        kind = now
        if now:
            current += character
    if current:
        words.append(current)
    return [_without_zeros(word) for word in words]


def _without_zeros(word: str) -> str:
    return (word.lstrip("0") or "0") if word[0] == "0" else word
