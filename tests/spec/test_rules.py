"""Every rule that compares values: its code, its place to the column, and its silence where nothing is wrong."""

from pathlib import Path

import pytest

from tests.spec.specs import accepted, findings, loaded, marked, place

TWO = "buckets: [{name: one, match: {group: A}}, {name: two, match: {}}]\n"
PLEX = 'credentials: {plex: {token: "env:T"}}\nplex: {url: "http://plex:32400", credentials: plex}\n'


@pytest.mark.accepts("VAL-1", "VAL-2")
@pytest.mark.parametrize(
    ("code", "fragment", "summary"),
    [
        # keys
        ("V101", "dvrs:\n  main: {}\n  «main: {}", '"main" is defined twice'),
        ("V101", "safety: {}\n«safety: {}", '"safety" is defined twice'),
        ("V101", "buckets: [{name: main, match: {group: a}}, {name: «main, match: {}}]\ndvrs: {main: {}}", 'bucket "main" is defined twice'),
        ("V101", "filters:\n - {name: a, drop: {group: x}}\n - {name: «a, drop: {group: y}}", 'filter "a" is defined twice'),
        ("V102", "dvrs: {main: {«tunres: 2}}", 'unknown key "tunres" in dvr "main"'),
        ("V102", "«saftey: {}", 'unknown key "saftey" in the spec'),
        ("V102", "serve: {access: {«admins: x}}", 'unknown key "admins" in "access" of "serve"'),
        ("V102", "filters: [{name: f, «dorp: {group: x}}]", 'unknown key "dorp" in filter "f"'),
        ("V102", "buckets: [{name: main, match: {«grp: x}}]\ndvrs: {main: {}}", 'unknown key "grp" in "match" of bucket "main"'),
        ("V102", "sources: {main: {«knd: m3u, path: l}}", 'unknown key "knd" in source "main"'),
        ("V103", "sources: {main: «{path: l}}", 'source "main" needs the key "kind"'),
        ("V103", "removed: [«{keep: true}]", 'removal 1 needs the key "dvr"'),
        ("V112", "filters: [«{name: f}]", 'filter "f" needs one of drop, only, rename, set, merge'),
        ("V112", "filters: [{drop: {group: x}, «only: {group: y}}]", 'filter 1 cannot have both "drop" and "only"'),
        ("V112", "overrides: [«{channel: main/1}]", "override 1 says nothing: give at least one of drop, name, number, guide_id, logo, group"),
        ("V112", "filters: [{drop: {name: {is: a, «contains: b}}}]", '"name" of "drop" of filter 1 cannot have both "is" and "contains"'),
        # references
        ("V134", "sources: {main: {kind: m3u, url: «'http://h/{username}/{password}/l.m3u'}}", 'source "main" has {username} in its url and no credentials to fill it in'),
        ("V134", "credentials: {t: {token: 'env:T'}}\nsources: {main: {kind: m3u, url: 'http://h/l.m3u', credentials: «t}}", 'credential "t" holds no account'),
        ("V110", "dvrs: {main: {title: «''}}", "title must not be empty"),
        ("V140", "sources: {main: {kind: xtream, hosts: [http://h], credentials: «nobody}}", 'no credential "nobody"'),
        ("V140", "guides: {g: {source: «man}}", 'no source "man"'),
        ("V140", "filters: [{drop: {source: «man}}]", 'no source "man"'),
        ("V140", "filters: [{drop: {source: {in: [main, «man]}}}]", 'no source "man"'),
        ("V140", "filters: [{for: [«man], drop: {group: x}}]", 'no bucket "man"'),
        ("V140", "buckets: [{name: main, match: {}}]\ndvrs: {«man: {}}", 'no bucket "man"'),
        ("V140", "buckets: [{name: main, match: {}, overflow: «mian2}, {name: main2}]\ndvrs: {main: {}, main2: {}}", 'no bucket "mian2"'),
        ("V140", "buckets: [{name: main, match: {}, overflow: «Split}]\ndvrs: {main: {}}", 'no bucket "Split"'),
        ("V140", "overrides: [{channel: «other/1, drop: true}]", 'no source "other"'),
        ("V140", "moved: [{dvr: old, to: «man}]", 'no dvr "man"'),
        ("V304", 'approvals: [{allow: "shrink:«man", until: 2026-12-02}]', 'this approval lifts nothing: there is no dvr "man"'),
        ("V304", 'approvals: [{allow: "stale:«man", until: 2026-12-02}]', 'this approval lifts nothing: there is no source "man"'),
        ("V140", "serve: {access: {admin: «root}}", 'no credential "root"'),
        ("V140", "plex: {url: http://plex:32400, credentials: «plex}\nserve: {advertise: http://n:5004}", 'no credential "plex"'),
        # buckets
        ("V120", "buckets: [{name: «fail, match: {}}]\ndvrs: {x: {bucket: fail}}", None),
        ("V141", TWO.replace("{group: A}", "{}").replace("two, match: {}", "two, match: «{group: B}") + "dvrs: {one: {}, two: {}}", 'nothing goes into bucket "two": "one" takes everything before it'),
        ("V141", "buckets: [{name: a, match: {name: [x, Y]}}, {name: b, match: «{name: [y, X]}}]\ndvrs: {a: {}, b: {}}", 'nothing goes into bucket "b": "a" has the same match'),
        ("V141", "buckets: [{name: a, match: {name: '*'}}, {name: b, match: «{any: [{group: x}]}}]\ndvrs: {a: {}, b: {}}", None),
        ("V141", "buckets: [{name: a, match: {guide: any}}, {name: b, match: «{group: x}}]\ndvrs: {a: {}, b: {}}", 'nothing goes into bucket "b": "a" takes everything before it'),
        ("V141", "filters: [{for: [gone], drop: {group: x}}]\nbuckets: [{name: a, match: {}}, {name: b, match: «{group: x}}]\ndvrs: {a: {}, b: {}}", None),
        ("V141", "buckets: [{name: a, match: {}}, {name: b, match: «{group: x}}, {name: c, match: {group: y}, overflow: gone}]\ndvrs: {a: {}, b: {}, c: {}}", None),
        ("V141", "buckets: [{name: a, match: {}}, {name: «b}]\ndvrs: {a: {}, b: {}}", 'nothing goes into bucket "b": it has no "match", and nothing overflows into it'),
        ("V142", "buckets: [{name: a, match: {group: x}}, {name: b, match: {}, overflow: «a}]\ndvrs: {a: {}, b: {}}", 'bucket "a" comes before "b", so nothing can overflow into it'),
        ("V142", "buckets: [{name: a, match: {}, overflow: «a}]\ndvrs: {a: {}}", 'bucket "a" overflows into itself'),
        ("V148", "buckets: [{name: a, match: {group: x}, overflow: «split}, {name: a-2, match: {}}]\ndvrs: {a: {}, a-2: {}}", None),
        ("V309", "buckets: [{name: a, match: {group: x}}, {name: «b, match: {}}]\ndvrs: {a: {}}", 'bucket "b" has no DVR: it is exported as M3U only'),
        ("V310", "filters: [{for: «[], drop: {group: x}}]", None),
        ("V310", "filters: [{only: «{}}]", None),
        ("V310", "filters: [{only: «{source: '*', guide: [any]}}]", None),
        ("V310", "filters:\n - {drop: {group: x}}\n - «{drop: {group: X}}", None),
        # devices
        ("V120", "dvrs: {«all: {bucket: main}}", None),
        ("V120", "serve: {layout: path}\ndvrs: {«api: {bucket: main}}", None),
        ("V145", "dvrs: {main: {}, copy: {bucket: «main}}", 'dvrs "main" and "copy" would both be filled by bucket "main"'),
        ("V150", "dvrs: {main: {limit: «481}}", "limit 481 is more than one DVR can hold"),
        ("V151", "dvrs: {main: {port: «5004}}", "port 5004 belongs to the hub already"),
        ("V151", TWO + "dvrs: {one: {port: 6000}, two: {port: «6000}}", 'port 6000 belongs to dvr "one" already'),
        ("V151", "serve: {listen: 0.0.0.0:8000}\ndvrs: {main: {port: «8000}}", "port 8000 belongs to the hub already"),
        ("V151", TWO + "dvrs: {one: {}, two: {}}\nserve: {ports: «5005-5005}", "ports 5005-5005 have room for 1 more DVRs, and 2 have no port"),
        ("V152", TWO + "dvrs:\n  one: {numbers: 1000-1599}\n  two: {numbers: «1599-2000}", 'number ranges of "one" and "two" overlap'),
        ("V303", "dvrs: {main: {numbers: «9900-10499}}", None),
        ("V306", "dvrs: {main: {stream: {profile: «salvage}}}", 'dvr "main" will have no sound: salvage keeps the first video only'),
        ("V306", "sources: {main: {kind: m3u, path: l, stream: {profile: «salvage}}}", None),
        # serving
        ("V153", PLEX + "«serve: {}", None),
        ("V301", "serve: {advertise: «http://10.0.0.5:5004}", None),
        ("V301", "serve: {advertise: {plex: «'http://[fd00::5]:5004', viewers: http://nas:5004}}", None),
        ("V302", PLEX + "serve: {advertise: «http://127.0.0.1:5004}", None),
        ("V302", PLEX + "serve: {advertise: «http://localhost:5004}", None),
        ("V302", PLEX + "serve: {advertise: «http://0.0.0.0:5004}", None),
        ("V313", "sources: {main: {kind: m3u, path: l, «headers: {Referer: 'https://x.y'}}}", 'source "main" is a file, so no request carries these headers'),
        ("V313", "guides: {g: {path: g.xml, «headers: {Referer: 'https://x.y'}}}", 'guide "g" is a file, so no request carries these headers'),
        ("V110", "sources: {main: {kind: m3u, url: 'https://x.y', headers: {Referer: «'https://x.y/ö'}}}", None),
        ("V110", 'sources: {main: {kind: m3u, url: "https://x.y", headers: {X-A: «"a\\nb"}}}', 'header "X-A" must be one line'),
        ("V110", "sources: {main: {kind: m3u, url: 'https://x.y', stream: {user_agent: «'VLC “3”'}}}", None),
        ("V120", "sources: {main: {kind: m3u, url: 'https://x.y', headers: {«X A: b}}}", 'header must be called by a header\'s name such as X-Token'),
        ("V312", "filters: [{drop: {group: '«[UK] *'}}]", '"[UK]" in a glob stands for one of the signs in it, not for the word'),
        ("V312", "filters: [{drop: {any: [{group: [A, '*«[Pay TV]*']}]}}]", None),
        ("V311", 'serve: {discovery: «udp, listen: "127.0.0.1:5004"}', 'nobody else hears it: serve listens on "127.0.0.1"'),
        ("V311", 'serve: {discovery: «udp+ssdp, listen: "[::1]:5004"}', None),
        ("V311", "serve: {discovery: «udp+ssdp, layout: path}", None),
        ("V305", "serve: {refresh: {every: «59m}}", "refreshing every 59m is under an hour: providers take that for abuse"),
        # history
        ("V146", "overrides: [{channel: main/1, name: a}, {channel: «main/1, name: b}]", 'channel "main/1" is overridden twice'),
        ("V146", "overrides: [{channel: main/1, number: 5}, {channel: main/2, number: «5}]", "number 5 is given to two channels"),
        ("V146", "overrides: [{channel: main/1, drop: true, «name: b}]", "a dropped channel cannot have anything else"),
        ("V147", "moved: [{dvr: «main, to: main}]", 'dvr "main" is moved away and still defined'),
        ("V147", "moved: [{dvr: a, to: main}, {dvr: b, to: «main}]", 'two DVRs are moved to "main"'),
        ("V147", "moved: [{dvr: a, to: main, «match: [name]}]", None),
        ("V147", "removed: [{dvr: «main}]", 'dvr "main" is removed and still defined'),
        ("V155", "dvrs: {main: {numbers: 1000-1599}}\noverrides: [{channel: main/1, number: «1600}]", "number 1600 is in no DVR's range"),
        ("V160", 'approvals: [{allow: "shrink:main", until: «2026-12-09}]', "an approval lasts 7 days at most"),
        ("V304", 'approvals: [{allow: "shrink:main", until: «2026-11-30}]', "this approval ended on 2026-11-30"),
        # patterns
        ("V125", "filters: [{drop: {name: {regex: 'a«(b'}}}]", 'this pattern is not a valid regular expression: missing ")"'),
        ("V125", r'filters: [{drop: {name: {regex: "\\d«(b"}}}]', 'this pattern is not a valid regular expression: missing ")"'),
        ("V125", "filters: [{drop: {name: {regex: 'it''s «[b'}}}]", 'this pattern is not a valid regular expression: missing "]"'),
        ("V125", "filters: [{drop: {name: {regex: '«*b'}}}]", 'this pattern is not a valid regular expression: nothing before "*" to repeat'),
        ("V125", "filters: [{drop: {name: {regex: 'ab«)'}}}]", 'this pattern is not a valid regular expression: a ")" too many'),
        ("V125", "buckets: [{name: main, match: {any: [{name: {regex: x++«++}}]}}]\ndvrs: {main: {}}", "this pattern is not a valid regular expression: a repetition of a repetition"),
        ("V125", r"filters: [{rename: {field: name, regex: a, to: «\1}}]", "this replacement does not fit its pattern: the pattern has no groups"),
        ("V307", "filters: [{drop: {name: {regex: «'(a+)+$'}}}]", None),
        # credentials
        ("V131", "credentials: {a: {token: «ENV:X}}", None),
        ("V131", "credentials: {a: {token: «$TOKEN}}", None),
        ("V131", 'credentials: {a: {token: «"env:"}}', None),
        ("V132", "credentials: {a: {token: «{exec: [cat, x]}}}", "this command runs only with --allow-exec"),
        ("V134", 'credentials: {a: {«username: "env:U"}}\nsources: {main: {kind: m3u, path: l, credentials: a}}', 'credential "a" has a username and no password'),
        ("V134", 'credentials: {a: «"env:X"}', 'credential "a" does not say what the reference is for'),
        ("V134", 'credentials: {a: {url: "env:X", «username: "env:U", password: "env:P"}}', None),
        ("V134", 'credentials: {a: {token: "env:X"}}\nsources: {main: {kind: xtream, hosts: [http://h], credentials: «a}}', 'credential "a" holds no account'),
        ("V134", 'credentials: {a: {username: "env:U", password: "env:P"}}\nsources:\n  «main: {kind: xtream, credentials: a}', None),
        ("V134", PLEX.replace("token", "url").replace("credentials: plex}", "credentials: «plex}") + "serve: {advertise: http://n:1}", 'credential "plex" holds no token'),
    ],
)  # fmt: skip
def test_a_rule_fires_at_its_place(code: str, fragment: str, summary: str | None, tmp_path: Path) -> None:
    """Exactly there, with that code; every finding says what to do next, in its words, label, hints or suggestion."""
    text, at = marked(fragment)
    found = [finding for finding in findings(tmp_path, text) if finding.code == code and place(finding) == at]
    assert found, [(f.code, place(f), f.summary) for f in findings(tmp_path, text)]
    assert summary in {None, found[0].summary}
    assert found[0].label or found[0].hints or found[0].suggestions or found[0].code in {"V112", "V120"}


@pytest.mark.accepts("VAL-2")
@pytest.mark.parametrize(
    "fragment",
    [
        "buckets: [{name: a, match: {}, overflow: b}, {name: b}]\ndvrs: {a: {}, b: {}}",
        "buckets: [{name: a, match: {group: x}, overflow: b}, {name: b, match: {group: x}}]\ndvrs: {a: {}, b: {}}",
        TWO + "dvrs: {one: {numbers: 1000-1599}, two: {numbers: 1600-2199}}",
        "dvrs: {main: {numbers: 9400-9999, limit: 480}}",
        'serve: {refresh: {every: 1h}}',
        "sources: {main: {kind: m3u, path: l, headers: {Referer: 'https://x.y'}}}\nguides: {g: {source: main}}",
        "sources: {main: {kind: m3u, url: 'https://x.y', headers: {Referer: 'https://x.y'}}}\nguides: {g: {url: 'https://x.y', headers: {}}}",
        'approvals: [{allow: "shrink:all", until: 2026-12-08}]',
        'approvals: [{allow: "delete:gone", until: 2026-12-01}]',
        'credentials: {a: {password: "env:P"}}',
        'approvals: [{allow: "shrink:main-2", until: 2026-12-02}]\nbuckets: [{name: main, match: {}, overflow: split}]\ndvrs: {main: {}}',
        "moved: [{source: old, to: main}]\noverrides: [{channel: old/1, drop: true}]",
        "filters: [{drop: {source: 'm*'}}]",
        "filters: [{drop: {source: MAIN}}]",
        "serve: {advertise: http://localhost:5004}",
        'credentials: {plex: {token: "env:T"}}\nplex: {url: "http://127.0.0.1:32400", credentials: plex}\nserve: {advertise: http://127.0.0.1:5004}',
        'credentials: {plex: {token: "env:T"}}\nplex: {url: "http://p:32400", credentials: plex, guide_location: "file:/g"}\nserve: {advertise: http://10.0.0.5:5004}',
        'credentials: {a: {url: "env:X"}}\nsources: {main: {kind: xtream, credentials: a}}',
        'credentials: {a: "subscription:none-*.txt"}\nsources: {main: {kind: xtream, hosts: [http://h], credentials: a}}',
        r"filters: [{rename: {field: name, regex: '(a)(b)', to: '\2\1'}}]",
        "filters: [{drop: {name: {regex: '(a+b)*'}}}]",
        "filters: [{drop: {name: {regex: '(?:HD|FHD)+$'}}}]",
        "filters: [{for: main, drop: {group: x}}, {drop: {group: x}}]",
        "filters: [{drop: {group: x}}, {set: {when: {name: 'B*'}, group: x}}, {drop: {group: x}}]",
        "buckets: [{name: a, match: {name: {regex: '^\\S'}}}, {name: b, match: {name: {regex: '^\\s'}}}]\ndvrs: {a: {}, b: {}}",
        "buckets: [{name: a, match: {name: {is: CNN}}}, {name: b, match: {name: {in: [cnn]}}}, {name: c, match: {name: {in: [CNN]}}}]\ndvrs: {a: {}, b: {}, c: {}}",
        "buckets: [{name: a, match: {radio: {is: true}}}, {name: b, match: {radio: [true, false]}}]\ndvrs: {a: {}, b: {}}",
        "serve: {layout: path}\ndvrs: {main: {port: 5004}}",
        "filters: [{drop: {group: ['[[]UK] *', '*[HU]HD', 'BBC [12]', '[!A-Z]*', {is: '[UK]'}]}}]",
    ],
)  # fmt: skip
def test_what_is_right_gives_no_finding(fragment: str, tmp_path: Path) -> None:
    """The neighbours of every mistake are silent: neither error nor warning."""
    assert findings(tmp_path, fragment) == []


@pytest.mark.accepts("VAL-1")
@pytest.mark.parametrize(
    ("fragment", "codes"),
    [
        ("source: {main: {kind: m3u, path: l}}\nsources: 5\nguides: {g: {source: main}}", ["V102", "V110"]),
        ("buckets: [{name: main, match: {group: 5}, overflow: gone}, {name: b}]\ndvrs: {main: {}, b: {}}", ["V140"]),
        ("buckets: [{name: a, match: {grup: x}}, {name: b, match: {}}]\ndvrs: {a: {}, b: {}}", ["V102"]),
        ("buckets: [{name: a, match: {}}]\ndvrs: {b: {tuners: 5}}", ["V140"]),
        ("buckets: [{name: news 1, match: {}}]\ndvrs: {news 1: {}}", ["V110", "V120"]),
        ("buckets: [news]\ndvrs: {news: {}}", ["V110"]),
        ("buckets: [{name: a, match: {}, overflow: b c}, {name: b}]\ndvrs: {a: {}, b: {}}", ["V110"]),
        ("dvrs: {main: {numbers: two}, copy: {numbers: 5, bucket: main}}", ["V110", "V110", "V145"]),
        ("credentails: {a: {token: 'env:X'}}\nserve: {access: {admin: a}}", ["V102"]),
        ("include: [gone.yaml]\nguides: {g: {source: elsewhere}}", ["V104"]),
        ("plex: {url: http://p, credentials: plex}\nserve: {advertis: http://n}\ncredentials: {plex: {token: 'env:T'}}", ["V102"]),
    ],
)  # fmt: skip
def test_an_error_silences_its_followers(fragment: str, codes: list[str], tmp_path: Path) -> None:
    """What only follows from a mistake is not told beside it."""
    assert codes == [finding.code for finding in findings(tmp_path, fragment)]


@pytest.mark.accepts("TUN-6")
def test_any_two_overlapping_ranges_fail(tmp_path: Path) -> None:
    """Among thirteen DVRs the two that overlap are named, with a free range of the same size."""
    names = [f"d{i}" for i in range(13)]
    buckets = ", ".join(f"{{name: {name}, match: {{group: {name}}}}}" for name in names)
    lines = [f"  {name}: {{numbers: {1000 + 600 * i}-{1599 + 600 * i}}}" for i, name in enumerate(names)]
    whole = f"buckets: [{buckets}]\ndvrs:\n" + "\n".join(lines)
    assert findings(tmp_path, whole) == []
    moved = whole.replace("d7: {numbers: 5200-5799}", "d7: {numbers: 4900-5499}")
    found = findings(tmp_path, moved)
    assert [("V152", 'number ranges of "d6" and "d7" overlap')] == [(f.code, f.summary) for f in found]
    assert found[0].hints == ("the next free range that keeps four digits is 5200-5799",)


@pytest.mark.accepts("LNK-1")
def test_the_two_levels_of_a_guide_link(tmp_path: Path) -> None:
    """`guide: id` and `guide: listed` are words of the language; another word is an error."""
    spec = accepted(tmp_path, "filters: [{only: {guide: id}}, {only: {guide: listed}}]")
    assert "guide" in str(spec.filters[0].action)
    assert [f.code for f in findings(tmp_path, "filters: [{only: {guide: lists}}]")] == ["V111"]


@pytest.mark.accepts("SCN-1")
def test_scan_possible_is_a_flag_of_each_dvr(tmp_path: Path) -> None:
    """True and false arrive as such; 1 is refused with the word to write."""
    spec = accepted(tmp_path, TWO + "dvrs: {one: {scan_possible: true}, two: {scan_possible: false}}")
    assert [True, False] == [dvr.scan_possible for dvr in spec.dvrs.values()]
    found = findings(tmp_path, "dvrs: {main: {scan_possible: 1}}")
    assert [("V110", "true")] == [(f.code, f.suggestions[0].text) for f in found]


@pytest.mark.accepts("PLY-1")
def test_stream_settings_are_fields_of_source_and_dvr(tmp_path: Path) -> None:
    """The same record stands in both; one anchor changes all DVRs by one edit."""
    spec = accepted(
        tmp_path,
        "sources: {main: {kind: m3u, path: l, stream: &s {format: ts, user_agent: VLC, buffer: 1MiB, first_byte: 2s}}}\n"
        + TWO
        + "dvrs: {one: {stream: *s}, two: {stream: {<<: *s, profile: remux}}}",
    )
    assert spec.sources["main"].stream == spec.dvrs["one"].stream
    assert (1048576, 2.0, "ts", "VLC") == (
        spec.dvrs["two"].stream.buffer_bytes,
        spec.dvrs["two"].stream.first_byte_s,
        spec.dvrs["two"].stream.format,
        spec.dvrs["two"].stream.user_agent,
    )
    assert spec.dvrs["two"].stream.profile == "remux"


@pytest.mark.accepts("STM-6")
def test_a_short_refresh_interval_is_warned_about(tmp_path: Path) -> None:
    """Under an hour gives a warning and no error; the interval is documented on the page of the code."""
    spec, diagnostics, _ = loaded(tmp_path, "serve: {refresh: {every: 30m}}")
    assert spec is not None
    assert ["V305"] == [finding.code for finding in diagnostics]
    assert spec.serve.refresh_every_s == 1800.0
