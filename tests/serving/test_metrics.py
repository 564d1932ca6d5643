"""`/metrics`: parses, is named as promtool wants it, says what WEB-2 asks for, and holds no channel and no address."""

import re
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.serving.blocked import Blocked
from reconciler.serving.drift import DriftSeen
from reconciler.serving.fetches import GuideFetch, GuideFetches
from reconciler.serving.measures import Measures
from reconciler.serving.metrics import metrics_text
from reconciler.serving.records import CopySeen
from reconciler.serving.status import AccountUse, DvrStatus, Host, RunStatus, SourceStatus, Status

STATUS = Status(
    as_of=10_000.0,
    name="home",
    generation="38037c92533907eb",
    ready=True,
    why="",
    problems=(),
    blocked=(
        Blocked("news", "S101", "shrink 42.0 % > 30 %", "ptctl plan --allow shrink:news"),
        Blocked("", "S103", "a bucket under its minimum", "ptctl plan --allow shrink:all"),
        Blocked("", "S103", "another bucket under its minimum", "ptctl plan --allow shrink:all"),
    ),
    dvrs=(
        DvrStatus("news", "News", "10B7BCDD", "http://10.0.0.5:5005", 12, "1000", "1011", 2, 1, 3, "current"),
    ),
    streams=(),
    sources=(
        SourceStatus(
            "main",
            "xtream",
            (CopySeen("live", 6_400.0, 40_000),),
            (AccountUse(1, 4, 0),),
            (Host("host 1", 5, 1, True, "refused"),),
        ),
    ),
    guides=(CopySeen("main", 9_000.0, 9_310),),
    run=RunStatus(7, "apply", "2026-03-01T04:12:40Z", "2026-03-01T04:15:40Z", 6, 9, 1, 0),
    drift=None,
    ledger_known=True,
)


def exposition() -> str:
    """What a busy process says."""
    measures = Measures()
    measures.refused(805)
    measures.left("viewer left", 1_000)
    measures.tuned(0.3)
    measures.tuned(20.0)
    measures.switched("stall")
    measures.attempt_failed("main", 'a "quoted"\ncause\\')
    fetches = GuideFetches()
    fetches.note(
        GuideFetch(9_999.0, "news", "/guide.xml", "PlexMediaServer/1.43", "10.0.0.9", 200, 5, True, "38037c")
    )
    return metrics_text(measures, STATUS, fetches).decode()


def test_unknown_drift_is_no_number() -> None:
    """A look at Plex that gave no answer is told as nothing, never as 0 differences."""
    for drift, told in ((DriftSeen(9.0), True), (DriftSeen(9.0, failed="no answer"), False), (None, False)):
        text = metrics_text(Measures(), replace(STATUS, drift=drift), GuideFetches()).decode()
        assert told == ("ptctl_drift_items 0" in text)


@pytest.mark.accepts("WEB-2")
def test_everything_asked_for_is_there() -> None:
    """Channels per stage, artifact age, pool use, first byte, switches by cause, guide fetches by client."""
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition())
        for sample in family.samples
    }
    expected = {
        ("ptctl_channels", (("dvr", "news"), ("stage", "lineup"))): 12,
        ("ptctl_artifact_age_seconds", (("list", "live"), ("source", "main"))): 3_600,
        ("ptctl_pool_connections", (("account", "1"), ("source", "main"))): 1,
        ("ptctl_pool_connections_limit", (("account", "1"), ("source", "main"))): 4,
        ("ptctl_first_byte_seconds_count", ()): 2,
        ("ptctl_first_byte_seconds_bucket", (("le", "0.5"),)): 1,
        ("ptctl_stream_switches_total", (("cause", "stall"),)): 1,
        ("ptctl_guide_fetches_total", (("client", "PlexMediaServer"), ("dvr", "news"))): 1,
        ("ptctl_refusals_total", (("code", "805"),)): 1,
        ("ptctl_blocked", (("code", "S101"), ("dvr", "news"))): 1,
        ("ptctl_blocked", (("code", "S103"), ("dvr", ""))): 2,
        ("ptctl_last_run_exit_code", (("command", "apply"),)): 6,
    }
    assert expected == {key: found.get(key) for key in expected}


@pytest.mark.accepts("WEB-2")
def test_names_are_as_promtool_wants_them() -> None:
    """Lower case, our prefix, help and type for each, base units, counters end in _total, gauges do not."""
    families = list(text_string_to_metric_families(exposition()))
    assert families
    assert len(families) == len({f.name for f in families})
    for family in families:
        assert re.fullmatch(r"ptctl_[a-z][a-z0-9_]*", family.name), family.name
        assert family.documentation, family.name
        assert family.type in {"gauge", "counter", "histogram"}, family.name
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kilobytes|percent)(_|$)", family.name), (
            family.name
        )
        if family.type == "gauge":
            assert not family.name.endswith(("_total", "_count", "_sum", "_bucket")), family.name


def test_no_channel_and_no_address_is_a_label() -> None:
    """Labels stay few and private: no channel numbers, no base URLs, no client addresses."""
    text = exposition()
    assert "10.0.0" not in text
    assert "1000" not in re.sub(r" [0-9.e+]+$", "", text, flags=re.MULTILINE)
