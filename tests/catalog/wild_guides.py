"""Guides as Hypothesis makes them: well-formed, and with everything in them that makes cutting by hand dangerous."""

import re

from hypothesis import strategies as st
from lxml import etree

IDS = st.sampled_from(["a.uk", "b.uk", "c", "A&amp;E.us", "d d", "é.fr", "programme"])
WORDS = st.sampled_from(
    [
        "News", "Tom &amp; Jerry", "a > b", "5 &lt; 6", "café", "!", "what?", "it's", 'say "hi"', "&#233;", "x" * 40,
        'channel="b.uk"', " ", "\n", "programme", "/programme", "🎬", "&quot;q&quot;", "]]&gt;", "  two  blanks  ",
    ]
)  # fmt: skip
FAKES = st.sampled_from(
    [
        "</programme>",
        '<programme channel="fake" start="20260822000000 +0000">',
        '</programme><programme start="20260822000000 +0000" stop="20260822010000 +0000" channel="fake"><title>F</title>',
        '<programme start="20260822000000 +0000" stop="20260822010000 +0000" channel="fake"><title>F</title></programme>',
        "</tv>",
        '<channel id="fake"><display-name>F</display-name></channel>',
        "<",
    ]
)
COMMENTS = st.builds(lambda inner: f"<!-- {inner} -->", FAKES)
CDATA = st.builds(lambda inner: f"<![CDATA[{inner}]]>", FAKES)
INSTRUCTIONS = st.builds(lambda inner: f"<?note {inner} ?>", FAKES)
TEXTS = st.lists(st.one_of(WORDS, WORDS, WORDS, CDATA, COMMENTS), max_size=4).map("".join)
CALM_TEXTS = st.lists(WORDS, max_size=4).map("".join)
GAPS = st.sampled_from(["", "\n", "\n  ", "\n    ", "\n\t", "\r\n  ", " "])
TAGS = st.sampled_from(
    ["title", "sub-title", "desc", "category", "keyword", "country", "live", "url", "date"]
)


@st.composite
def attributes(draw: st.DrawFn, xmltv_id: str) -> str:
    """The attributes of a `<programme`, in any order and quoting."""
    quote = draw(st.sampled_from(['"', '"', '"', "'"]))
    equals = draw(st.sampled_from(["=", "=", " = "]))
    hour = draw(st.integers(0, 22))
    pairs = [
        f"start{equals}{quote}202608{draw(st.integers(20, 31))}{hour:02d}0000 +0000{quote}",
        f"channel{equals}{quote}{xmltv_id}{quote}",
    ]
    if draw(st.booleans()):
        pairs.append(f"stop{equals}{quote}20260831{hour + 1:02d}0000 +0000{quote}")
    if draw(st.booleans()):
        pairs.append("""showview='a channel="x" > b'""")
    if draw(st.booleans()):
        pairs.append("""vps-start="it's channel='y'" """.rstrip())
    blank = draw(st.sampled_from([" ", " ", "\n  "]))
    return blank + blank.join(draw(st.permutations(pairs)))


@st.composite
def programmes(draw: st.DrawFn, texts: st.SearchStrategy[str] = TEXTS) -> str:
    """One programme element, sometimes closing itself or with a blank in its end tag."""
    header = "<programme" + draw(attributes(draw(IDS)))
    if draw(st.integers(0, 15)) == 0:
        return header + "/>"
    gap = draw(GAPS)
    children = "".join(
        f"{gap}<{tag}>{text}</{tag}>" for tag, text in draw(st.lists(st.tuples(TAGS, texts), max_size=4))
    )
    return header + ">" + children + gap + draw(st.sampled_from(["</programme>"] * 9 + ["</programme >"]))


CHANNELS = st.builds(lambda i, t: f'<channel id="{i}"><display-name>{t}</display-name></channel>', IDS, TEXTS)
BETWEEN = st.one_of(GAPS, GAPS, GAPS, COMMENTS, INSTRUCTIONS, CHANNELS)
PROLOGS = st.sampled_from(
    [
        "<tv>",
        '<?xml version="1.0" encoding="UTF-8"?>\n<tv>',
        '<?xml version="1.0"?><!DOCTYPE tv SYSTEM "xmltv.dtd"><tv date="2026">',
        "<?xml version='1.0' encoding='utf-8'?>\n<!DOCTYPE tv [\n<!ENTITY a '<programme channel=\"fake\">'>\n<!-- </tv> ]> -->\n]>\n<tv>",
    ]
)


@st.composite
def calm_guides(draw: st.DrawFn) -> bytes:
    """A well-formed guide without comments, CDATA and instructions: the quick way's ground."""
    piece = st.one_of(*[programmes(CALM_TEXTS)] * 6, CHANNELS.filter(lambda text: "<!" not in text))
    gap = draw(GAPS)
    return (
        "<tv>" + gap + gap.join(draw(st.lists(piece, min_size=6, max_size=20))) + gap + "</tv>\n"
    ).encode()


@st.composite
def guides(draw: st.DrawFn) -> bytes:
    """A well-formed guide."""
    pieces = draw(st.lists(st.one_of(programmes(), programmes(), programmes(), BETWEEN), max_size=12))
    gap = draw(GAPS)
    return (draw(PROLOGS) + gap + gap.join(pieces) + gap + "</tv>\n").encode()


def infoset(element: etree._Element) -> bytes:
    """An element as the parser sees it: comments, instructions and what follows it left out."""
    copy = etree.fromstring(
        etree.tostring(element, with_tail=False), etree.XMLParser(remove_comments=True, remove_pis=True)
    )
    return bytes(etree.tostring(copy, method="c14n"))


def squeezed(data: bytes) -> bytes:
    """XML without blanks between tags."""
    return re.sub(rb">\s+<", b"><", data)
