"""Documents in the form of the language, made from its own table, and documents that are nearly so."""

import json
import re
from typing import Any, Final

from hypothesis import strategies as st

from reconciler.spec import containers, shape
from reconciler.spec.language import SPEC
from reconciler.spec.nodes import Scalar, core_kind

JUNK: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 700)
    | st.floats(0.01, 99.0).filter(lambda number: not number.is_integer())
    | st.text("abz019-_:/.% ", max_size=8)
    | st.sampled_from(["24h", "30%", "env:X", "main", "http://h", "auto", "1-9", "m3u", "xtream", "http", "2026-12-05"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "kind", "exec", "a b", "x"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
_TEXT: Final = st.text("abcXYZ019 *?|-_.", min_size=1, max_size=8)
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./%-]*")


@st.composite
def documents(draw: st.DrawFn, *, spoil: float = 0.03) -> Any:
    """A document; `spoil` is the chance of each value to be something else, and of keys to be lost or added."""
    return _value(draw, SPEC, spoil, 0)


def _spoilt(draw: st.DrawFn, chance: float) -> bool:
    return chance > 0 and draw(st.integers(0, 999)) < chance * 1000


def _value(draw: st.DrawFn, form: shape.Shape, spoil: float, depth: int) -> Any:
    if _spoilt(draw, spoil):
        return draw(JUNK)
    match form:
        case containers.Ref():
            return _value(draw, form.shape, spoil, depth)
        case shape.HeaderValue():
            return draw(_TEXT | st.sampled_from(["env:X", "https://example.net/"]))
        case shape.Text():
            return draw(
                _TEXT | st.integers(0, 99) | st.booleans() | st.sampled_from(["NO", "22:30", "010", "1.10"])
            )
        case shape.Word():
            return draw(st.sampled_from(form.values))
        case shape.Whole():
            return draw(st.integers(form.least, form.advised or form.most))
        case shape.Flag():
            return draw(st.booleans())
        case shape.Formatted():
            return draw(st.sampled_from(form.format.examples))
        case shape.Reference():
            return draw(
                st.sampled_from(["env:NAME", "file:/run/secret", "envfile:a#B", "subscription:x*.txt"])
            )
        case shape.WordOr():
            return form.word if draw(st.booleans()) else _value(draw, form.shape, spoil, depth)
        case shape.Nullable():
            return None if draw(st.booleans()) else _value(draw, form.shape, spoil, depth)
        case containers.ByNode():
            shapes = [part for part in (form.scalar, form.sequence, form.mapping) if part is not None]
            # Matchers contain matchers: far inside only the first, a scalar, is taken.
            return _value(draw, shapes[0] if depth > 8 else draw(st.sampled_from(shapes)), spoil, depth + 1)
        case containers.Listed():
            if form.single and draw(st.booleans()):
                return _value(draw, form.item, spoil, depth + 1)
            count = draw(st.integers(form.least, form.least + (1 if depth < 4 else 0)))
            return [_value(draw, form.item, spoil, depth + 1) for _ in range(count)]
        case containers.Named():
            names = draw(
                st.lists(
                    st.sampled_from(["main", "a1", "b-2", "C_3"]),
                    min_size=form.least,
                    max_size=2,
                    unique=True,
                )
            )
            if _spoilt(draw, spoil):
                names = [*names, "no name"]
            return {name: _value(draw, form.value, spoil, depth + 1) for name in names}
        case containers.ByKind():
            return _value(draw, form.records[draw(st.sampled_from(sorted(form.records)))], spoil, depth)
        case containers.Record():
            return _record(draw, form, spoil, depth)
        case _:
            raise AssertionError(form)


def _record(draw: st.DrawFn, form: containers.Record, spoil: float, depth: int) -> dict[str, Any]:
    chosen = {key.name for key in form.keys if key.required}
    free = [key.name for key in form.keys if key.name not in form.one_of and key.name not in chosen]
    if free and depth < 8:
        chosen |= set(draw(st.lists(st.sampled_from(free), max_size=3)))
    if form.one_of:
        chosen.add(draw(st.sampled_from(form.one_of)))
    if form.some_of:
        chosen.add(draw(st.sampled_from(form.some_of)))
    if _spoilt(draw, spoil):
        chosen ^= {draw(st.sampled_from([key.name for key in form.keys]))}
    values = {key.name: _value(draw, key.shape, spoil, depth + 1) for key in form.keys if key.name in chosen}
    if _spoilt(draw, spoil):
        values[draw(st.sampled_from(["nmae", "extra", "hosts", "match"]))] = draw(JUNK)
    return values


def written(value: Any) -> str:
    """The document as YAML in flow style; text stands without quotes wherever that means the same to an editor."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(part) for part in value) + "]"
    if isinstance(value, str):
        scalar = Scalar("", 1, 1, 1, 1, text=value, plain=True)
        plain = _PLAIN.fullmatch(value) and core_kind(scalar) == "text"
        return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
