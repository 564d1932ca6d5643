"""Threadfin's filters and playback settings in the words of the spec.

A Threadfin filter lets streams in: a group that is equal, or a text that occurs among all attributes, each with words
that must or must not occur (`src/m3u.go`, filterThisStream). What has no exact counterpart is said. This module refuses to
look at channels.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from reconciler.drafting.draft import is_glob
from reconciler.drafting.threadfin_settings import FilterRule
from reconciler.drafting.yaml_text import Value

__all__ = ["Playback", "admitting", "playback"]

_REFUSED: Final = re.compile(r"\s?!+\{([^}]*)\}")
_DEMANDED: Final = re.compile(r"\s?\{([^}]*)\}")
_OWN_BUFFERS: Final = frozenset({"", "-", "threadfin", "xteve", "hls"})
_CODEC: Final = re.compile(r"(?:^|\s)-(?:c|codec|vcodec|acodec|c:[av]|codec:[av])(?::\d+)?\s+(\S+)")
_AGENT: Final = re.compile(r"-user[_-]agent\s+(?:\"([^\"]+)\"|'([^']+)'|(\S+))")


class Playback(NamedTuple):
    """How streams were fetched. `profile` and `user_agent` are "" where the default does it; `loss` says what is lost."""

    profile: str = ""
    user_agent: str = ""
    loss: str = ""
    advice: str = ""


def admitting(rules: Iterable[FilterRule]) -> tuple[dict[str, Value], list[str]]:
    """What the rules let in, as the fields of a matcher, and the texts of those that are only approximated.

    No rules: no fields, so everything.
    """
    groups: list[Value] = []
    others: list[dict[str, Value]] = []
    rough: list[str] = []
    for rule in rules:
        fields, exact = _fields(rule)
        if not exact:
            rough.append(rule.text)
        if list(fields) == ["group"]:
            groups.append(fields["group"])
        else:
            others.append(fields)
    if groups:
        others.insert(0, {"group": groups[0] if len(groups) == 1 else groups})
    if len(others) == 1:
        return others[0], rough
    return ({"any": others} if others else {}), rough


def _fields(rule: FilterRule) -> tuple[dict[str, Value], bool]:
    if rule.kind == "group-title":
        fields: dict[str, Value] = {"group": _equal(rule.text, case=rule.case_sensitive)}
        fields |= _words(rule.include, rule.exclude, case=rule.case_sensitive)
        return fields, True
    refused = _REFUSED.findall(rule.text)
    text = _REFUSED.sub("", rule.text)
    demanded = _DEMANDED.findall(text)
    text = _DEMANDED.sub("", text).strip()
    include = tuple(w.strip() for part in demanded for w in part.split(",") if w.strip())
    exclude = tuple(w.strip() for part in refused for w in part.split(",") if w.strip())
    fields = {}
    if text:
        found = _holding(text, case=rule.case_sensitive)
        fields["any"] = [{"name": found}, {"group": found}, {"guide_id": found}]
    return {**fields, **_words(include, exclude, case=rule.case_sensitive)}, False


def _words(include: tuple[str, ...], exclude: tuple[str, ...], *, case: bool) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    if include:
        fields["name"] = _one_of([_holding(w, case=case) for w in include])
    if exclude:
        fields["not"] = {"name": _one_of([_holding(w, case=case) for w in exclude])}
    return fields


def _one_of(conditions: list[Value]) -> Value:
    return conditions[0] if len(conditions) == 1 else conditions


def _equal(text: str, *, case: bool) -> Value:
    """Equal to a text that is no glob."""
    if case:
        return {"is": text}
    return {"regex": f"(?i)^{re.escape(text)}$"} if is_glob(text) else text


def _holding(text: str, *, case: bool) -> Value:
    return {"regex": re.escape(text)} if case else {"contains": text}


def playback(buffer: str, options: str) -> Playback:
    """How a buffer setting reads here. Our own reader takes TS and HLS apart itself, so copying needs no ffmpeg."""
    if buffer.lower() in _OWN_BUFFERS:
        return Playback()
    if buffer.lower() == "vlc":
        return Playback(
            loss="streams went through VLC",
            advice="ptctl reads TS and HLS itself; write stream: {profile: remux} where that fails",
        )
    agent = next((a or b or c for a, b, c in _AGENT.findall(options)), "")
    codecs = {codec.lower() for codec in _CODEC.findall(options)}
    if codecs - {"copy"}:
        return Playback(
            "remux",
            agent,
            f"ffmpeg re-encoded ({', '.join(sorted(codecs - {'copy'}))})",
            "ptctl never re-encodes; Plex transcodes for the viewers that need it",
        )
    if re.search(r"(?:^|\s)-an(?:\s|$)", options):
        return Playback("salvage", agent)
    return Playback(user_agent=agent)
