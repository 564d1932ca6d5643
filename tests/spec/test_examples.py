"""The examples that are shipped are right, and every key of the language loads."""

import itertools
from pathlib import Path

import pytest

from reconciler.spec import check, load
from reconciler.spec.checks import devices
from tests.spec.specs import TODAY

ROOT = Path(__file__).parents[2]
THIRTEEN = (
    "bcastus", "newsus", "sportsa", "sportsb", "moviesprem", "generalent", "docsfam",
    "ukie", "eunordics", "eusouth", "eueast", "latin", "otherworld",
)  # fmt: skip


@pytest.mark.accepts("TUN-8")
def test_the_thirteen_buckets_load_from_the_example() -> None:
    """plex-home.yaml names them in this order, each with its own DVR, and gives neither error nor warning."""
    spec, diagnostics, _ = load(ROOT / "examples/plex-home.yaml", today=TODAY)
    assert spec is not None
    assert [] == list(diagnostics)
    assert THIRTEEN == tuple(bucket.name for bucket in spec.buckets) == tuple(spec.dvrs)
    assert THIRTEEN == tuple(dvr.bucket for dvr in spec.dvrs.values())


@pytest.mark.accepts("TUN-6")
def test_the_ranges_of_the_example_do_not_overlap() -> None:
    """Thirteen ranges of 600 with four digits each."""
    spec, _, _ = load(ROOT / "examples/plex-home.yaml", today=TODAY)
    assert spec is not None
    ranges = sorted(dvr.numbers for dvr in spec.dvrs.values() if dvr.numbers)
    assert [(1000 + 600 * i, 1599 + 600 * i) for i in range(13)] == ranges
    assert all(one[1] < two[0] for one, two in itertools.pairwise(ranges))


def test_the_quickstart_needs_nothing_else() -> None:
    """One playlist beside it, one DVR, no Plex, no credential."""
    spec, diagnostics, _ = load(ROOT / "examples/quickstart.yaml", today=TODAY)
    assert spec is not None
    assert [] == list(diagnostics)
    assert spec.plex is None
    assert Path(spec.sources["locals"].path).read_text(encoding="utf-8").startswith("#EXTM3U")
    assert len(spec.dvrs) == 1


def test_every_key_of_the_language_arrives() -> None:
    """The document with every key loads; each value is what was written, in the unit of the model."""
    spec, diagnostics, _ = load(ROOT / "tests/spec/data/everything.yaml", today=TODAY, allow_exec=True)
    assert spec is not None
    assert ["V306"] == [finding.code for finding in diagnostics]
    main = spec.sources["main"]
    assert ("http://tv1.example.net:8080", "http://tv2.example.net:8080") == main.hosts
    assert ("hls", "prefer-direct", None, "prefer", "allow") == (
        main.stream.format, main.stream.host, main.stream.pin, main.stream.pin_mode, main.stream.cloudflare,
    )  # fmt: skip
    assert ("one-line", "from-subscription") == spec.sources["pooled"].credentials
    header = dict(spec.sources["other"].headers)
    assert ("https://example.net/", "env:OTHER_KEY") == (header["Referer"], str(header["X-Key"]))
    subscription = spec.credentials["from-subscription"]
    assert subscription.username is not None
    assert subscription.password is not None
    assert ("username", "password") == (subscription.username.part, subscription.password.part)
    assert spec.guides["local"].shift_s == -3600.0
    assert ("sportsa", "otherworld") == spec.filters[-1].buckets
    assert spec.buckets[2].match is None
    assert (259200.0, 3, ("No Data*", "Off Air*")) == (
        spec.dvrs["sportsa"].guide.prune.empty_for_s if spec.dvrs["sportsa"].guide.prune else None,
        3,
        spec.dvrs["sportsa"].guide.prune.unavailable if spec.dvrs["sportsa"].guide.prune else None,
    )
    assert (524288, 3.0, "salvage") == (
        spec.dvrs["otherworld"].stream.buffer_bytes,
        spec.dvrs["otherworld"].stream.first_byte_s,
        spec.dvrs["otherworld"].stream.profile,
    )
    assert spec.overrides[0].number == 1700
    assert spec.overrides[1].drop
    assert [("dvr", "docs", "docsfam"), ("source", "oldtv", "main")] == [
        (m.kind, m.old, m.new) for m in spec.moved
    ]
    assert spec.removed[0].keep
    assert spec.approvals[0].until.isoformat() == "2026-12-05"
    assert (0.3, 600.0) == (spec.probes.breaker, spec.probes.budget_s)
    assert spec.plex is not None
    assert (2.0, 10.0, "http") == (spec.plex.pace_s, spec.plex.poll_s, spec.plex.guide_location)
    assert spec.serve.advertise is not None
    assert ("http://ptctl:5004", "http://nas.lan:5004") == (
        spec.serve.advertise.plex,
        spec.serve.advertise.viewers,
    )
    assert (("0.0.0.0", 5004), ("0.0.0.0:5104",), (5005, 5030)) == (
        spec.serve.listen,
        spec.serve.also,
        spec.serve.ports,
    )
    assert str(spec.notify[0].url) == "env:NTFY_URL"
    assert (0.3, 0.2, 10) == (spec.safety.shrink, spec.safety.total_shrink, spec.safety.minimum)


def test_the_next_free_range_is_free() -> None:
    """The range a hint proposes overlaps nothing and keeps four digits; where there is none, none is proposed."""
    taken = [(1000, 1599), (2000, 2599)]
    assert devices.next_free(1600, 600, taken) == (2600, 3199)
    assert devices.next_free(1600, 400, taken) == (1600, 1999)
    assert devices.next_free(9900, 600, taken) == (2600, 3199)
    assert devices.next_free(1000, 600, [(1, 9999)]) is None


@pytest.mark.shared
def test_the_contract_s_whole_example_is_valid(shared: Path, tmp_path: Path) -> None:
    """Every key of the language at once, as the contract writes it; what is warned about is only what it shows."""
    contract = (shared.parent / "design.md").read_text("utf-8")
    begin = contract.index("```yaml\n# yaml-language-server") + len("```yaml\n")
    path = tmp_path / "ptctl.yaml"
    path.write_text(contract[begin : contract.index("```", begin)], "utf-8")
    found, _ = check(path, allow_exec=True, today=TODAY)
    # what only some builds know is left to its own tests
    errors = [f for f in found if f.severity == "error" and f.path[:2] != ("serve", "pool")]
    assert errors == []
    assert {"V304", "V306"} == {f.code for f in found if f.severity == "warning"}
