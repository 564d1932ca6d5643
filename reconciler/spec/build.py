"""Checked values to the frozen `Spec`. Runs only when there is no error, so nothing here can fail.

Every default stands in `spec.model`; a key that is not there is simply not passed on. This module refuses to check
anything.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from reconciler.secret import SecretRef
from reconciler.spec import model
from reconciler.spec.files import at_home
from reconciler.spec.language import FIELDS
from reconciler.spec.shape import Val

__all__ = ["build", "matcher", "plain"]

# Values come out of `Val.data`, whose type the shape of the key decides and not the type checker.
Fields = dict[str, Any]


def plain(value: Val) -> Any:
    """A value without its places: Python scalars, lists, dicts, references."""
    data = value.data
    if isinstance(data, dict):
        return {key: plain(inner) for key, inner in data.items()}
    if isinstance(data, list):
        return [plain(inner) for inner in data]
    return data


def _given(values: Mapping[str, Val], names: Mapping[str, str]) -> Fields:
    """Keyword arguments for the keys that are there: `names` maps keys to fields. Lists become tuples."""
    fields: Fields = {}
    for key, field in names.items():
        if key in values:
            data = plain(values[key])
            fields[field] = tuple(data) if isinstance(data, list) else data
    return fields


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


# --- matchers ------------------------------------------------------------------------------------------------


def _condition(value: Val) -> model.Condition:
    data = value.data
    if isinstance(data, list):
        return model.OneOf(tuple(_condition(item) for item in data))
    if not isinstance(data, dict):
        return model.Glob(_text(data))
    (operator, inner), *_ = data.items()
    given = plain(inner)
    match operator:
        case "is":
            return model.Is(_text(given))
        case "in":
            return model.In(tuple(map(_text, given)))
        case "contains":
            return model.Contains(given)
        case "words":
            return model.Words(tuple(given))
        case "regex":
            return model.Regex(given)
        case _:
            return model.Exists(given)


def _text(value: Any) -> str:
    """A value as matchers compare it: `radio` is a flag in the spec."""
    return value if isinstance(value, str) else str(value).lower()


def matcher(value: Val) -> model.Matcher:
    """A matcher; one part stands for itself, several for all of them, none for everything."""
    parts: list[model.Matcher] = []
    for key, inner in value.data.items():
        if key in FIELDS:
            parts.append(model.FieldIs(key, _condition(inner)))
        elif key == "any":
            parts.append(model.AnyOf(tuple(matcher(item) for item in inner.data)))
        elif key == "all":
            parts.append(model.AllOf(tuple(matcher(item) for item in inner.data)))
        else:
            parts.append(model.Nothing(matcher(inner)))
    return parts[0] if len(parts) == 1 else model.AllOf(tuple(parts))


# --- credentials, sources, guides ----------------------------------------------------------------------------


def _reference(value: Val, part: str = "") -> SecretRef:
    if isinstance(value.data, dict):
        return SecretRef("exec", "", argv=tuple(plain(value.data["exec"])))
    reference: SecretRef = value.data
    if reference.scheme == "subscription" and part in ("username", "password"):
        return SecretRef(
            "subscription", reference.place, part="username" if part == "username" else "password"
        )
    return reference


def _credentials(name: str, value: Val) -> model.Credentials:
    if not isinstance(value.data, dict):
        return model.Credentials(
            name,
            username=_reference(value, "username"),
            password=_reference(value, "password"),
            at=value.key.span if value.key else None,
        )
    references = {key: _reference(inner, key) for key, inner in value.data.items()}
    return model.Credentials(name, **references, at=value.key.span if value.key else None)


def _headers(values: Mapping[str, Val]) -> Fields:
    if "headers" not in values:
        return {}
    return {"headers": tuple((name, inner.data) for name, inner in values["headers"].data.items())}


def _stream(values: Mapping[str, Val]) -> model.StreamOptions:
    if "stream" not in values:
        return model.StreamOptions()
    inner = values["stream"].data
    names = _same("format", "host", "pin", "pin_mode", "cloudflare", "user_agent", "profile")
    names |= {"buffer": "buffer_bytes", "first_byte": "first_byte_s", "connect": "connect_s"}
    return model.StreamOptions(**_given(inner, names), **_headers(inner))


def _source(name: str, value: Val, base: Path) -> model.Source:
    values = value.data
    names = _same("kind", "hosts", "credentials", "order", "content", "connections", "url") | {
        "max_age": "max_age_s"
    }
    fields = _given(values, names)
    fields["hosts"] = tuple(host.rstrip("/") for host in fields.get("hosts", ()))
    if "path" in values:
        fields["path"] = _absolute(values["path"].data, base)
    return model.Source(
        name, **fields, **_headers(values), stream=_stream(values), at=value.key.span if value.key else None
    )


def _guide(name: str, value: Val, base: Path) -> model.Guide:
    values = value.data
    fields = _given(values, _same("source", "url", "match") | {"shift": "shift_s", "max_age": "max_age_s"})
    if "path" in values:
        fields["path"] = _absolute(values["path"].data, base)
    return model.Guide(name, **fields, **_headers(values), at=value.key.span if value.key else None)


def _absolute(path: str, base: Path) -> str:
    return os.path.normpath(base / at_home(path))


# --- filters, buckets, DVRs ----------------------------------------------------------------------------------


def _action(values: Mapping[str, Val]) -> model.FilterAction:
    if "drop" in values:
        return model.Drop(matcher(values["drop"]))
    if "only" in values:
        return model.Only(matcher(values["only"]))
    if "rename" in values:
        return model.Rename(**plain(values["rename"]))
    if "set" in values:
        inner = values["set"].data
        pairs = tuple((key, part.data) for key, part in inner.items() if key != "when")
        return model.SetFields(matcher(inner["when"]), pairs)
    inner = values["merge"].data
    wishes = inner["prefer"].data if "prefer" in inner else []
    return model.Merge(tuple(plain(inner["by"])), tuple(model.Prefer(matcher(wish)) for wish in wishes))


def _filter(value: Val, index: int) -> model.Filter:
    values = value.data
    name = values["name"].data if "name" in values else f"filter {index + 1}"
    return model.Filter(
        name, _action(values), tuple(plain(values["for"])) if "for" in values else (), _at(value)
    )


def _sort_key(value: Val) -> model.SortKey:
    return (
        model.SortKey(match=matcher(value))
        if isinstance(value.data, dict)
        else model.SortKey(field=value.data)
    )


def _bucket(value: Val) -> model.Bucket:
    values = value.data
    fields = _given(values, _same("name", "overflow", "minimum"))
    if "match" in values:
        fields["match"] = matcher(values["match"])
    if "sort" in values:
        fields["sort"] = tuple(_sort_key(step) for step in values["sort"].data)
    return model.Bucket(**fields, at=_at(value))


def _guide_options(values: Mapping[str, Val]) -> model.GuideOptions:
    if "guide" not in values:
        return model.GuideOptions()
    inner = values["guide"].data
    fields = _given(inner, {"days": "days", "filler": "filler_s"})
    if "prune" in inner and inner["prune"].data is not None:
        names = _same("runs", "unavailable", "scope") | {"empty_for": "empty_for_s"}
        fields["prune"] = model.Prune(**_given(inner["prune"].data, names))
    return model.GuideOptions(**fields)


def _dvr(name: str, value: Val) -> model.Dvr:
    values = value.data
    names = _same("numbers", "tuners", "port", "title", "limit", "protect", "scan_possible")
    fields = _given(values, names | _same("device_id", "also", "guide_path"))
    return model.Dvr(
        name,
        values["bucket"].data if "bucket" in values else name,
        **fields,
        guide=_guide_options(values),
        stream=_stream(values),
        at=value.key.span if value.key else None,
    )


def _moved(value: Val) -> model.Moved:
    values = value.data
    kind = "dvr" if "dvr" in values else "source"
    match = tuple(plain(values["match"])) if "match" in values else ()
    if kind == "source" and not match:
        match = ("guide_id", "name")
    return model.Moved(
        "dvr" if kind == "dvr" else "source", values[kind].data, values["to"].data, match, _at(value)
    )


# --- the rest ------------------------------------------------------------------------------------------------


def _probes(values: Mapping[str, Val], base: Path) -> model.Probes:
    names = _same("mode", "concurrency", "breaker")
    fields = _given(values, names | {"every": "every_s", "expire": "expire_s", "budget": "budget_s"})
    if "blacklist" in values:
        fields["blacklist"] = tuple(_absolute(path, base) for path in plain(values["blacklist"]))
    return model.Probes(**fields)


def _plex(value: Val) -> model.Plex:
    values = value.data
    names = _same("credentials", "guide_loads", "guide_location") | {"pace": "pace_s", "poll": "poll_s"}
    fields = _given(values, names)
    if "database" in values:
        fields["database"] = model.Database(**_given(values["database"].data, _same("path", "use")))
    return model.Plex(values["url"].data.rstrip("/"), **fields, at=value.key.span if value.key else None)


def _serve(value: Val) -> model.Serve:
    values = value.data
    names = _same("listen", "layout", "ports", "discovery", "url_tvg", "reconcile")
    fields = _given(values, names | {"guide_reload": "guide_reload_s", "drain": "drain_s"})
    if "also" in values:
        fields["also"] = tuple(item.node.text for item in values["also"].data)
    if "pool" in values:
        fields["pool"] = SecretRef.parse(values["pool"].data) or values["pool"].data
    if "advertise" in values:
        given = plain(values["advertise"])
        both = {"plex": given} if isinstance(given, str) else given
        plex = both["plex"].rstrip("/")
        fields["advertise"] = model.Advertise(plex, both.get("viewers", plex).rstrip("/"))
    if "access" in values:
        fields["access"] = model.Access(**_given(values["access"].data, _same("admin", "allow")))
    if "refresh" in values:
        inner = values["refresh"].data
        fields |= _given(inner, {"every": "refresh_every_s", "jitter": "refresh_jitter_s"})
    return model.Serve(**fields, at=value.key.span if value.key else None)


_EVERYTHING: Final = ("blocked", "stale", "failed", "drift", "recovered")


def _notify(value: Val) -> model.Notify:
    values = value.data
    on = tuple(plain(values["on"])) if "on" in values else _EVERYTHING
    return model.Notify(_reference(values["url"]), on, _at(value))


def _at(value: Val) -> Any:
    return value.node.span


def build(root: Val, *, base: Path, state: Path, files: tuple[str, ...]) -> model.Spec:
    """The spec. `base` is the absolute directory of the main file, `state` the absolute state directory."""
    values: Mapping[str, Val] = root.data

    def named(key: str, make: Callable[[str, Val], Any]) -> Mapping[str, Any]:
        given = values[key].data if key in values else {}
        return MappingProxyType({name: make(name, value) for name, value in given.items()})

    def listed(key: str, make: Callable[[Val], Any]) -> tuple[Any, ...]:
        return tuple(make(value) for value in values[key].data) if key in values else ()

    fields: Fields = {}
    if "serve" in values:
        fields["serve"] = _serve(values["serve"])
    if "safety" in values:
        fields["safety"] = model.Safety(
            **_given(values["safety"].data, _same("shrink", "total_shrink", "minimum"))
        )
    if "probes" in values:
        fields["probes"] = _probes(values["probes"].data, base)
    filters = values["filters"].data if "filters" in values else []
    return model.Spec(
        name=values["name"].data,
        credentials=named("credentials", _credentials),
        sources=named("sources", lambda name, value: _source(name, value, base)),
        guides=named("guides", lambda name, value: _guide(name, value, base)),
        filters=tuple(_filter(value, index) for index, value in enumerate(filters)),
        buckets=listed("buckets", _bucket),
        dvrs=named("dvrs", _dvr),
        overrides=listed(
            "overrides",
            lambda v: model.Override(
                **_given(v.data, _same("channel", "drop", "name", "number", "guide_id", "logo", "group")),
                at=_at(v),
            ),
        ),
        moved=listed("moved", _moved),
        removed=listed("removed", lambda v: model.Removed(**_given(v.data, _same("dvr", "keep")), at=_at(v))),
        approvals=listed(
            "approvals", lambda v: model.Approval(**_given(v.data, _same("allow", "until", "why")), at=_at(v))
        ),
        plex=_plex(values["plex"]) if "plex" in values else None,
        notify=listed("notify", _notify),
        state=str(state),
        base=str(base),
        files=files,
        digest=_digest(values),
        **fields,
    )


def _digest(values: Mapping[str, Val]) -> str:
    """SHA-256 of the content: the order of keys a shape fixes plays no part, the order of names does."""
    from hashlib import sha256

    def canonical(value: Any, *, named: bool) -> Any:
        if isinstance(value, dict):
            pairs = [(key, canonical(inner, named=False)) for key, inner in value.items()]
            return pairs if named else sorted(pairs, key=lambda pair: pair[0])
        return [canonical(inner, named=False) for inner in value] if isinstance(value, list) else str(value)

    ordered = ("credentials", "sources", "guides", "dvrs")
    skipped = ("include", "approvals", "state")
    content = [
        (key, canonical(plain(values[key]), named=key in ordered))
        for key in sorted(values)
        if key not in skipped
    ]
    return sha256(repr(content).encode()).hexdigest()
