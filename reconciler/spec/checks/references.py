"""Names that stand for something else must lead there. Refuses to judge a section that was refused itself."""

from typing import Final

from reconciler.spec.checks.subject import Subject, inner, items
from reconciler.spec.shape import Val

__all__ = ["check"]

_GLOB_SIGNS: Final = frozenset("*?[")


def check(subject: Subject) -> None:
    """V140 for everything but `overflow` (see `buckets`) and what approvals and moves name (see `history`); V313."""
    credentials, sources = subject.keys("credentials"), subject.keys("sources")
    buckets = subject.bucket_keys()
    sure_of_credentials = not subject.root.data.get("credentials") or subject.known("credentials")
    if sure_of_credentials:
        for source in subject.named("sources").values():
            for given in items(inner(source, "credentials")):
                subject.refers(given, "credential", credentials)
        for path in (("plex", "credentials"), ("serve", "access", "admin")):
            if (name_of := subject.value(*path)) is not None:
                subject.refers(name_of, "credential", credentials)
    if subject.known("sources"):
        for guide in subject.named("guides").values():
            if (source_name := inner(guide, "source")) is not None:
                subject.refers(source_name, "source", sources)
        for field, condition in subject.conditions():
            if field == "source":
                _source(subject, condition)
    _idle_headers(subject)
    if buckets is not None:
        for step in subject.listed("filters"):
            for given in items(inner(step, "for")):
                subject.refers(given, "bucket", buckets)
        for name, dvr in subject.named("dvrs").items():
            if (bucket := inner(dvr, "bucket")) is not None:
                subject.refers(bucket, "bucket", buckets)
            elif name not in buckets and "bucket" not in dvr.data and dvr.key is not None:
                subject.dangling(Val(dvr.key, name), "bucket", name, buckets)


def _idle_headers(subject: Subject) -> None:
    """Headers of what is read from a file. A list's are sent for its guide as well, so one that gives a guide needs them."""
    asked = {given.data for guide in subject.named("guides").values() if (given := inner(guide, "source"))}
    for section in ("sources", "guides"):
        for name, entry in subject.named(section).items():
            headers = inner(entry, "headers")
            if headers is None or not headers.data or inner(entry, "path") is None or name in asked:
                continue
            hint = "headers for its streams go under stream: {headers: …}"
            subject.findings.warning(
                "V313",
                headers.key or headers.node,
                f'{section[:-1]} "{name}" is a file, so no request carries these headers',
                hints=(hint if section == "sources" else "remove them",),
            )


def _source(subject: Subject, condition: Val) -> None:
    """A source told by a text without wildcards must exist: a misspelt one would silently match nothing."""
    sources = subject.keys("sources")
    folded = {name.casefold() for name in sources}
    texts: list[Val] = []
    if isinstance(condition.data, dict):
        if (text := inner(condition, "is")) is not None:
            texts.append(text)
        texts += items(inner(condition, "in"))
        texts = [text for text in texts if text.data not in sources]
    elif isinstance(condition.data, str) and not _GLOB_SIGNS & set(condition.data):
        texts = [condition] if condition.data.casefold() not in folded else []
    for text in texts:
        subject.dangling(text, "source", text.data, sources)
