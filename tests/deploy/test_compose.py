"""examples/compose and the Dockerfile: consistent with each other and with `ptctl`, and tried in every order."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from reconciler.spec import load
from tests.deploy.box import ROOT, Mount, Program, image_environment, missing, opened
from tests.deploy.calls import parses

HERE: Final = ROOT / "examples/compose"
# The keys of the Compose specification that a service and the file may have, as far as they are used or likely here.
TOP: Final = {"name", "services", "volumes", "secrets", "networks", "configs"}
SERVICE: Final = {
    "build", "cap_add", "cap_drop", "command", "depends_on", "entrypoint", "environment", "env_file", "expose",
    "healthcheck", "hostname", "image", "init", "logging", "network_mode", "networks", "ports", "profiles",
    "pull_policy", "read_only", "restart", "secrets", "security_opt", "stop_grace_period", "stop_signal", "tmpfs",
    "user", "volumes", "working_dir",
}  # fmt: skip
HEALTH: Final = {"test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"}
Object = dict[str, Any]  # Any: YAML


def composed() -> Object:
    """The file as Compose reads it: anchors merged, extensions left out."""
    found: Object = yaml.safe_load((HERE / "compose.yaml").read_text("utf-8"))
    return {key: value for key, value in found.items() if not key.startswith("x-")}


def dockerfile() -> list[tuple[str, str]]:
    """Instructions and arguments of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text("utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in lines]


@pytest.mark.accepts("CMP-1")
def test_the_file_holds_only_keys_of_compose() -> None:
    """Nothing misspelt, and every volume and secret a service names is declared."""
    document = composed()
    assert set(document) <= TOP
    for name, service in document["services"].items():
        assert set(service) <= SERVICE, name
        assert set(service.get("healthcheck", {})) <= HEALTH
        assert "build" in service or "image" in service
        named = {v.split(":")[0] for v in service["volumes"]} - {"./spec"}
        assert named <= set(document["volumes"])
        assert set(service.get("secrets", ())) <= set(document["secrets"])
        assert set(service.get("depends_on", ())) <= set(document["services"])
    docker = shutil.which("docker")
    if (
        docker
        and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0
    ):
        subprocess.run([docker, "compose", "-f", str(HERE / "compose.yaml"), "config", "-q"], check=True)


@pytest.mark.accepts("CMP-1")
def test_ptctl_may_do_nothing_it_need_not() -> None:
    """Not root, root file system read-only, no capability, a health check, and Plex beside it."""
    services = composed()["services"]
    assert {"ptctl", "apply", "plex"} == set(services)
    for name in ("ptctl", "apply"):
        service = services[name]
        assert service["read_only"] is True
        assert "0" != service["user"].split(":")[0]
        assert ["ALL"] == service["cap_drop"]
        assert ["no-new-privileges:true"] == service["security_opt"]
        assert "./spec:/spec:ro" in service["volumes"]
    assert "/healthz" in services["ptctl"]["healthcheck"]["test"][-1]
    assert "unless-stopped" == services["ptctl"]["restart"]


@pytest.mark.accepts("CMP-1")
def test_every_argument_is_one_of_ptctl() -> None:
    """The commands of the services parse."""
    for name in ("ptctl", "apply"):
        assert parses(composed()["services"][name]["command"])


@pytest.mark.accepts("CMP-1")
def test_spec_and_compose_file_agree() -> None:
    """The spec is valid, its secrets are the declared ones, its ports are published, its names are services."""
    spec, diagnostics, _ = load(HERE / "spec/ptctl.yaml")
    assert spec is not None, list(diagnostics)
    assert [] == list(diagnostics)
    document = composed()
    text = (HERE / "spec/ptctl.yaml").read_text("utf-8")
    assert set(document["secrets"]) == set(re.findall(r"file:/run/secrets/([a-z-]+)", text))
    first, last = (int(p) for p in document["services"]["ptctl"]["ports"][0].split(":")[0].split("-"))
    assert spec.serve.listen[1] == first
    assert spec.serve.ports[0] > first
    assert spec.serve.ports[1] <= last
    assert spec.plex is not None
    assert spec.serve.advertise is not None
    assert "http://plex:32400" == spec.plex.url
    assert "http://ptctl:5004" == spec.serve.advertise.plex


@pytest.mark.accepts("CMP-1")
def test_the_image_is_built_from_what_is_there() -> None:
    """COPY takes files that exist and that .dockerignore lets through; the command is the package's; not as root."""
    steps = dockerfile()
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    }
    for what, arguments in steps:
        if what == "COPY" and not arguments.startswith("--from="):
            for name in arguments.split()[:-1]:
                assert (ROOT / name).exists(), name
                assert name in let_through
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = dict(steps)
    assert [next(iter(project["scripts"]))] == json.loads(asked["ENTRYPOINT"])
    assert ["serve"] == json.loads(asked["CMD"])
    assert "10001:10001" == asked["USER"]
    assert "5004-5030" == asked["EXPOSE"]
    assert "ffmpeg" in project["optional-dependencies"]
    minimum = re.search(r"python:(\d)\.(\d+)", asked["FROM"])
    assert minimum is not None
    assert (int(minimum[1]), int(minimum[2])) >= (3, 11)
    assert ("/spec/ptctl.yaml", "/state") == tuple(
        image_environment()[name] for name in ("PTCTL_SPEC", "PTCTL_STATE")
    )


@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.accepts("CMP-1")
@pytest.mark.parametrize(("first", "user"), [("serve", 10001), ("apply", 23456)])
def test_it_starts_in_any_order(tmp_path: Path, first: str, user: int) -> None:
    """`serve` waits for artifacts, `apply` waits for `serve`, whichever begins, and whoever the user is."""
    text = (HERE / "spec/ptctl.yaml").read_text("utf-8")
    text = text.replace("credentials: plex}", "credentials: plex, pace: 5ms, poll: 100ms}")
    spec, state, secrets = (tmp_path / name for name in ("spec", "state", "secrets"))
    for path in (spec, state, secrets):
        path.mkdir()
    state.chmod(0o1777)  # a fresh volume takes over the mode of the image's directory
    (spec / "ptctl.yaml").write_text(text, "utf-8")
    services = composed()["services"]
    names = ("ptctl", "plex", "tv1.example.net", "nas.example.lan")
    keys = composed()["secrets"]
    for key in keys:
        (secrets / key).touch()
        os.chown(secrets / key, user, user)
        (secrets / key).chmod(0o400)
    mounts = [
        Mount(spec, "/spec"),
        Mount(state, "/state", writable=True),
        *(Mount(secrets / key, f"/run/secrets/{key}") for key in keys),
    ]
    with opened(
        tmp_path, user=(user, user), mounts=mounts, tmpfs=services["apply"]["tmpfs"], hosts=names
    ) as box:
        facts = box.sandbox("--provider-port", "8080", "--hosts", "1", "--plex-port", "32400")
        for key, fact in (
            ("iptv-user", "username"),
            ("iptv-password", "password"),
            ("plex-token", "plex_token"),
        ):
            (secrets / key).write_text(facts[fact] + "\n", "utf-8")
        started: dict[str, Program] = {}
        if first == "apply":
            started["apply"] = box.start(*services["apply"]["command"])
            while not (state / "artifacts/current").exists():
                assert started["apply"].process.poll() is None, started["apply"].text
        started["serve"] = box.start(*services["ptctl"]["command"])
        if first == "serve":
            box.until("http://ptctl:5004/healthz", 200, started["serve"])
            started["apply"] = box.start(*services["apply"]["command"])
        apply, serve = started["apply"], started["serve"]
        assert apply.end() == 0, apply.text + serve.text
        assert "nothing is left" in apply.text
        box.until("http://ptctl:5004/readyz", 200, serve)
        check = services["ptctl"]["healthcheck"]["test"][1:]
        healthy = subprocess.run(box.inside(*check), capture_output=True, timeout=30, check=False)
        assert healthy.returncode == 0, healthy.stderr
