"""`/metrics` for Prometheus: what the process counted and what the status says, as text (WEB-2).

Names follow the conventions `promtool check metrics` holds: base units, `_total` for counters, one help line each. Labels
are DVRs, sources, causes and clients' products, never channels (thousands of series), addresses or secrets. The
format is the library's business; this module refuses to count anything itself.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from reconciler.serving.fetches import GuideFetches
from reconciler.serving.measures import FIRST_BYTE_BOUNDS_S, Measures
from reconciler.serving.status import Status

__all__ = ["CONTENT_TYPE", "families", "metrics_text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_text(measures: Measures, status: Status, fetches: GuideFetches) -> bytes:
    """The exposition. Costs about a millisecond for thirteen DVRs."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(measures, status, fetches))
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(self, measures: Measures, status: Status, fetches: GuideFetches) -> None:
        self._measures = measures
        self._status = status
        self._fetches = fetches

    def collect(self) -> Iterable[Metric]:
        """Every family."""
        return families(self._measures, self._status, self._fetches)


def families(measures: Measures, status: Status, fetches: GuideFetches) -> Iterator[Metric]:
    """Every family with its help line, labels and samples. Those about drift and the latest run only where known."""
    yield from _process(status)
    yield from _dvrs(status)
    yield from _sources(status)
    yield from _streams(measures)
    yield _counter(
        "ptctl_guide_fetches",
        "Guide files asked for, by DVR and client product.",
        ("dvr", "client"),
        fetches.by_agent.items(),
    )


def _process(status: Status) -> Iterator[Metric]:
    yield _gauge(
        "ptctl_ready",
        "1 when a generation is live and the process is not draining.",
        (),
        [((), status.ready)],
    )
    yield _gauge(
        "ptctl_problems",
        "What keeps a part from being served: ports, files, the shared pool.",
        (),
        [((), len(status.problems))],
    )
    yield _gauge(
        "ptctl_blocked",
        "What the loop's last run left as it was because a safety rule blocks it.",
        ("dvr", "code"),
        Counter((block.dvr, block.code) for block in status.blocked).items(),
    )
    yield _gauge(
        "ptctl_suspended",
        "1 while runs are suspended: the loop begins none.",
        (),
        [((), status.suspended is not None)],
    )
    info = GaugeMetricFamily("ptctl_generation_info", "The live generation.", labels=("generation",))
    if status.generation:
        info.add_metric((status.generation,), 1)
    yield info
    if status.drift is not None and not status.drift.failed:
        yield _gauge(
            "ptctl_drift_items",
            "Differences found in Plex by the last look.",
            (),
            [((), len(status.drift.items))],
        )
    run = status.run
    if run is not None:
        yield _gauge(
            "ptctl_last_run_number", "Number of the latest run of apply or refresh.", (), [((), run.number)]
        )
        if run.exit is not None:
            yield _gauge(
                "ptctl_last_run_exit_code",
                "How the latest run ended.",
                ("command",),
                [((run.command,), run.exit)],
            )
        steps = (("done", run.done), ("failed", run.failed), ("other", run.other))
        yield _gauge(
            "ptctl_last_run_actions",
            "Actions of the latest run by outcome.",
            ("outcome",),
            [((k,), v) for k, v in steps],
        )


def _dvrs(status: Status) -> Iterator[Metric]:
    dvrs = status.dvrs
    yield _gauge(
        "ptctl_channels",
        "Channels by DVR and stage.",
        ("dvr", "stage"),
        [((d.name, "lineup"), d.channels) for d in dvrs],
    )
    yield _gauge("ptctl_tuners", "Tuners a DVR offers.", ("dvr",), [((d.name,), d.tuners) for d in dvrs])
    yield _gauge(
        "ptctl_tuners_in_use", "Tuners of a DVR in use.", ("dvr",), [((d.name,), d.in_use) for d in dvrs]
    )
    yield _gauge(
        "ptctl_viewers",
        "Connections that read a stream now.",
        ("dvr",),
        [((d.name,), d.viewers) for d in dvrs],
    )
    states = [((d.name, d.in_plex), 1) for d in dvrs]
    yield _gauge("ptctl_dvr_in_plex", "What the ledger says of a DVR in Plex.", ("dvr", "state"), states)
    fetched = [((d.name,), d.guide_fetched_at) for d in dvrs if d.guide_fetched_at is not None]
    yield _gauge(
        "ptctl_guide_fetched_timestamp_seconds",
        "When a client last took a DVR's whole guide.",
        ("dvr",),
        fetched,
    )


def _sources(status: Status) -> Iterator[Metric]:
    ages = [
        ((source.name, copy.name), max(0.0, status.as_of - copy.fetched_at))
        for source in status.sources
        for copy in source.lists
    ]
    ages += [(("guide", copy.name), max(0.0, status.as_of - copy.fetched_at)) for copy in status.guides]
    yield _gauge(
        "ptctl_artifact_age_seconds",
        "Age of the copies that lineups and guides were made from.",
        ("source", "list"),
        ages,
    )
    accounts = [(s.name, str(place), a) for s in status.sources for place, a in enumerate(s.accounts, 1)]
    yield _gauge(
        "ptctl_pool_connections",
        "Connections of an account in use.",
        ("source", "account"),
        [((s, n), a.used) for s, n, a in accounts],
    )
    limits = [((s, n), a.limit) for s, n, a in accounts if a.limit is not None]
    yield _gauge(
        "ptctl_pool_connections_limit", "Connections an account allows.", ("source", "account"), limits
    )
    hosts = [(s.name, h) for s in status.sources for h in s.hosts]
    yield _gauge(
        "ptctl_host_resting",
        "1 while a host rests because it failed.",
        ("source", "host"),
        [((s, h.label), h.resting) for s, h in hosts],
    )


def _streams(measures: Measures) -> Iterator[Metric]:
    yield _counter(
        "ptctl_refusals",
        "Streams refused, by HDHomeRun error.",
        ("code",),
        [((str(c),), n) for c, n in measures.refusals.items()],
    )
    yield _counter(
        "ptctl_stream_endings",
        "Viewers' streams that ended, by cause.",
        ("cause",),
        [((c,), n) for c, n in measures.endings.items()],
    )
    yield _counter(
        "ptctl_stream_switches",
        "Running streams that went to another way, by cause.",
        ("cause",),
        [((c,), n) for c, n in measures.switches.items()],
    )
    yield _counter(
        "ptctl_attempt_failures",
        "Ways to a stream that did not play.",
        ("source", "cause"),
        measures.failures.items(),
    )
    yield _counter(
        "ptctl_sent_bytes", "Bytes sent to viewers whose streams have ended.", (), [((), measures.sent_bytes)]
    )
    total, buckets = 0, []
    for bound, count in zip((*map(str, FIRST_BYTE_BOUNDS_S), "+Inf"), measures.first_byte, strict=True):
        total += count
        buckets.append((bound, float(total)))
    yield HistogramMetricFamily(
        "ptctl_first_byte_seconds",
        "From the wish for a channel to its first packets.",
        buckets=buckets,
        sum_value=measures.first_byte_sum_s,
    )


Rows = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, told: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    family = GaugeMetricFamily(name, told, labels=labels)
    for values, value in rows:
        family.add_metric(values, float(value))
    return family


def _counter(name: str, told: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    family = CounterMetricFamily(name, told, labels=labels)
    for values, value in rows:
        family.add_metric(values, float(value))
    return family
