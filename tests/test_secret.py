"""A secret never prints, however it is turned into text."""

import copy
import json
import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.secret import SCHEMES, Secret, SecretRef

PLANTED = "s3cr3t-ü/pass word"


def test_no_way_of_printing_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    """repr, str, format, percent, containers and logging at debug level all show the mask."""
    secret = Secret(PLANTED)
    texts = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        "%s %r" % (secret, secret),
    ]
    texts += [str([secret]), repr({"password": secret}), str((secret,))]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").debug("value %s", secret)
    assert all(PLANTED not in text and "***" in text for text in [*texts, caplog.text])


def test_it_cannot_leave_the_process() -> None:
    """JSON, pickle and copies to disk refuse it instead of writing the value."""
    secret = Secret(PLANTED)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.deepcopy(secret)


def test_it_stays_out_of_tracebacks() -> None:
    """An exception that carries a secret shows the mask."""
    try:
        raise ValueError(Secret(PLANTED))
    except ValueError:
        assert PLANTED not in traceback.format_exc()


@given(st.text())
def test_reveal_gives_it_back(value: str) -> None:
    """Only `reveal` gives the value; equality and hash follow it."""
    assert value == Secret(value).reveal()
    assert Secret(value) == Secret(value)
    assert hash(Secret(value)) == hash(Secret(value))


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("env:IPTV_USER", "env"),
        ("envfile:~/.config/iptv.env#IPTV_USER", "envfile"),
        ("file:/run/secrets/pass", "file"),
        ("subscription:~/Documents/iptv.subscription.*.txt", "subscription"),
        ("plexprefs:/config/Library/Application Support/Preferences.xml", "plexprefs"),
    ],
)
def test_references_are_recognised(text: str, scheme: str) -> None:
    """Each scheme of design.md 2 parses and prints as it was written."""
    ref = SecretRef.parse(text)
    assert ref is not None
    assert scheme == ref.scheme
    assert text == str(ref)


@pytest.mark.parametrize(
    "text", ["hunter2", "env:", "env:two words", "envfile:/etc/x", "http://u:p@host", ":x", ""]
)
def test_other_text_is_no_reference(text: str) -> None:
    """What is no reference may be a literal secret, so it is refused."""
    assert SecretRef.parse(text) is None


def test_the_mask_is_all_that_is_shown() -> None:
    """Three stars, whatever the length of the value, filled up where a width is asked for."""
    short, long = Secret("x"), Secret("x" * 40)
    assert ("***", "***") == (str(short), str(long))
    assert ("Secret(***)", "Secret(***)") == (repr(short), repr(long))
    assert "       ***" == f"{long:>10}"


def test_equal_only_to_a_secret_of_the_same_value() -> None:
    """Not to its text, not to another secret; an empty one is false."""
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert bool(Secret("a"))
    assert not Secret("")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret("a"))


def test_a_reference_has_parts() -> None:
    """Path and name of an env file are cut at the last `#`; other schemes have no name; a command shows its program alone."""
    assert SecretRef("envfile", "/etc/a#b.env", "NAME") == SecretRef.parse("envfile:/etc/a#b.env#NAME")
    assert SecretRef("env", "IPTV_USER", name="", argv=(), part="") == SecretRef.parse("env:IPTV_USER")
    assert SecretRef("file", "/run/secrets/a#b") == SecretRef.parse("file:/run/secrets/a#b")
    assert "exec:op" == str(SecretRef("exec", "", argv=("op", "read", "op://home/iptv/password")))
    assert "exec:" == str(SecretRef("exec", ""))


@pytest.mark.parametrize(
    "text", ["env", "env:ÜSER", "env:A-B", "envfile:#NAME", "envfile:/etc/x#", "exec:op", "vault:x", "file:"]
)
def test_half_a_reference_is_none(text: str) -> None:
    """A scheme without a place, a name no shell could have, an env file without path or name, a scheme nobody knows."""
    assert SecretRef.parse(text) is None


def test_the_schemes_are_those_of_the_language() -> None:
    """What messages list is what `parse` takes; `exec` is written as a mapping."""
    assert ("env", "envfile", "file", "subscription", "plexprefs", "exec") == SCHEMES
    for scheme in SCHEMES:
        found = SecretRef.parse(f"{scheme}:a#b" if scheme == "envfile" else f"{scheme}:a")
        assert (None if scheme == "exec" else scheme) == (found and found.scheme)
