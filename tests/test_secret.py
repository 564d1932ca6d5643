"""A secret never prints, however it is turned into text."""

import copy
import json
import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.secret import Secret, SecretRef

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
