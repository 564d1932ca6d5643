"""examples/kubernetes: right by the schemas of Kubernetes, closed where it should be, and tried with its mounts."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from reconciler.cli.exits import Exit
from reconciler.spec import load
from reconciler.spec.model import Spec
from tests.deploy.box import ROOT, Mount, missing, opened
from tests.deploy.calls import parses

HERE: Final = ROOT / "examples/kubernetes"
BASE: Final = HERE / "base"
FOLDERS: Final = (BASE, HERE / "several-pods", HERE / "monitoring")
VERSIONS: Final = ("1.31", "1.34")
Object = dict[str, Any]  # Any: YAML of a manifest


def objects(*folders: Path) -> list[tuple[str, Object]]:
    """Every Kubernetes object in the folders, with its file's name."""
    documents = (
        (f"{folder.name}/{path.name}", document)
        for folder in folders
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text("utf-8"))
    )
    return [(name, found) for name, found in documents if found.get("kind") not in {None, "Kustomization"}]


def every(kind: str) -> list[Object]:
    """The objects of one kind, of all folders."""
    return [found for _, found in objects(BASE, HERE / "several-pods") if found["kind"] == kind]


def of_kind(kind: str) -> list[Object]:
    """Those, without the Service of the shared budget: it leads to no tuner."""
    return [found for found in every(kind) if (kind, found["metadata"]["name"]) != ("Service", "valkey")]


def pods() -> Iterator[tuple[str, Object]]:
    """The pod templates of the Deployments and the CronJob, by name."""
    for found in of_kind("Deployment"):
        yield found["metadata"]["name"], found["spec"]["template"]["spec"]
    for found in of_kind("CronJob"):
        yield found["metadata"]["name"], found["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def spec() -> Spec:
    """The spec that goes into the ConfigMap."""
    found, diagnostics, _ = load(BASE / "ptctl.yaml")
    assert found is not None, list(diagnostics)
    assert [] == list(diagnostics)
    return found


@pytest.mark.accepts("K8S-1")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_kubernetes_accept_every_object(version: str) -> None:
    """No unknown field, no wrong type, nothing missing, in an old and a new version of the API."""
    kinds = set()
    for name, found in objects(BASE, HERE / "several-pods"):
        kubernetes_validate.validate(found, version, strict=True)
        kinds.add(found["kind"])
        assert found["metadata"].get("name"), name
    assert {
        "CronJob",
        "Deployment",
        "Namespace",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Secret",
        "Service",
    } <= kinds


@pytest.mark.accepts("K8S-1")
def test_the_schemas_refuse_a_misspelt_field() -> None:
    """The check above can fail: one wrong key is enough."""
    deployment = of_kind("Deployment")[0]
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


@pytest.mark.accepts("K8S-1")
def test_pods_may_do_nothing_they_need_not() -> None:
    """Not root, a root that cannot be written, no capability, no token of the cluster; writable are state and /tmp alone."""
    seen = []
    for name, pod in pods():
        seen.append(name)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert 10001 == pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
        assert {"/state", "/tmp"} == writable
        assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
        assert "memory" in container["resources"]["limits"]
    assert ["ptctl-serve", "ptctl-serve-rest", "ptctl-apply"] == seen


@pytest.mark.accepts("K8S-1")
def test_the_shared_budget_is_closed(tmp_path: Path) -> None:
    """The Valkey is one, may do nothing, is reached by serving pods alone, and is where the pods' spec looks for it."""
    (valkey,) = of_kind("StatefulSet")
    assert 1 == valkey["spec"]["replicas"]
    pod = valkey["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    policy = next(p for p in of_kind("NetworkPolicy") if p["metadata"]["name"] == "valkey")
    (source,) = policy["spec"]["ingress"][0]["from"]
    for labels in deployment_labels().values():
        assert source["podSelector"]["matchLabels"].items() <= labels.items()
    assert [] == policy["spec"].get("egress", [])
    (service,) = (s for s in every("Service") if s["metadata"]["name"] == "valkey")
    for path in (BASE / "ptctl.yaml", HERE / "several-pods/ptctl.pods.yaml"):
        shutil.copy(path, tmp_path)
    found, diagnostics, _ = load(tmp_path / "ptctl.yaml", env="pods")
    assert found is not None, list(diagnostics)
    assert f"redis://valkey.livetv.svc:{service['spec']['ports'][0]['port']}/0" == found.serve.pool


@pytest.mark.accepts("K8S-1")
def test_probes_ask_what_serve_answers() -> None:
    """Start-up and liveness look at /healthz, readiness at /readyz, at a port that the container names."""
    for deployment in of_kind("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        container = pod["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        paths = {k: container[k]["httpGet"] for k in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert ["/healthz", "/healthz", "/readyz"] == [get["path"] for get in paths.values()]
        assert {spec().serve.listen[1]} == {ports[get["port"]] for get in paths.values()}
        assert pod["terminationGracePeriodSeconds"] > spec().serve.drain_s


@pytest.mark.accepts("K8S-1")
def test_every_argument_is_one_of_ptctl() -> None:
    """What the containers are called with parses: no option that does not exist."""
    calls = [pod["containers"][0]["args"] for _, pod in pods()]
    patch = yaml.safe_load((HERE / "several-pods/kustomization.yaml").read_text("utf-8"))["patches"][0][
        "patch"
    ]
    calls.append(next(step["value"] for step in yaml.safe_load(patch) if step["path"].endswith("/args")))
    for words in calls:
        assert parses(words)


@pytest.mark.accepts("K8S-1")
def test_the_service_leads_to_every_tuner() -> None:
    """A port of each Service for the hub and each DVR, as the spec has it, found by a name that just one pod has."""
    wanted = {"hub": 5004} | {dvr.name: dvr.port for dvr in spec().dvrs.values()}
    for service in of_kind("Service"):
        assert wanted == {p["name"]: p["port"] for p in service["spec"]["ports"]}
        assert all(p["targetPort"] == p["name"] for p in service["spec"]["ports"])
        for name, labels in deployment_labels().items():
            assert service["spec"]["selector"].items() <= labels.items(), name
    assert spec().serve.advertise is not None
    host = spec().serve.advertise.plex  # type: ignore[union-attr]
    assert host == "http://ptctl.livetv.svc:5004"
    main, rest = of_kind("Deployment")
    split = {p["name"] for p in main["spec"]["template"]["spec"]["containers"][0]["ports"]} - {"rest"}
    other = {p["name"] for p in rest["spec"]["template"]["spec"]["containers"][0]["ports"]}
    assert set(wanted) == (split | other) - {"own-hub"}
    assert set() == split & other


def deployment_labels() -> dict[str, dict[str, str]]:
    """The labels of each Deployment's pods; no two selectors catch the same pod."""
    found = {
        d["metadata"]["name"]: d["spec"]["template"]["metadata"]["labels"] for d in of_kind("Deployment")
    }
    for deployment in of_kind("Deployment"):
        selector = deployment["spec"]["selector"]["matchLabels"]
        caught = [name for name, labels in found.items() if selector.items() <= labels.items()]
        assert [deployment["metadata"]["name"]] == caught
    return found


@pytest.mark.accepts("K8S-1")
def test_the_secret_holds_what_the_spec_refers_to() -> None:
    """Every file: reference is a key of the Secret, mounted where the reference looks."""
    (secret,) = of_kind("Secret")
    text = (BASE / "ptctl.yaml").read_text("utf-8")
    for key in secret["stringData"]:
        assert f"file:/run/secrets/ptctl/{key}" in text
    assert text.count("file:/run/secrets/ptctl/") == len(secret["stringData"])
    for _, pod in pods():
        mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
        volume = next(v for v in pod["volumes"] if "secret" in v)
        assert (secret["metadata"]["name"], "/run/secrets/ptctl") == (
            volume["secret"]["secretName"],
            mounts[volume["name"]],
        )


def test_the_kustomizations_name_what_is_there() -> None:
    """Resources and generated files exist; the Secret is left out on purpose."""
    for folder in FOLDERS:
        document = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
        generated = [f for g in document.get("configMapGenerator", []) for f in g["files"]]
        for name in (*document["resources"], *generated):
            assert (folder / name).exists(), name
        assert "secret.yaml" not in document["resources"]
    kubectl = shutil.which("kubectl")
    if kubectl:
        for folder in FOLDERS:
            built = subprocess.run(
                [kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=True
            )
            for found in yaml.safe_load_all(built.stdout):
                if found["kind"] != "ServiceMonitor":
                    kubernetes_validate.validate(found, VERSIONS[-1], strict=True)
                assert found["kind"] == "Namespace" or found["metadata"]["namespace"] == "livetv"


def test_the_monitor_finds_the_hub() -> None:
    """The ServiceMonitor selects one Service, by labels it has, and a port and a path that answer with metrics."""
    ((_, monitor),) = objects(HERE / "monitoring")
    assert ("monitoring.coreos.com/v1", "ServiceMonitor") == (monitor["apiVersion"], monitor["kind"])
    assert {"selector", "endpoints"} == set(monitor["spec"])
    (endpoint,) = monitor["spec"]["endpoints"]
    assert {"port", "path", "interval"} == set(endpoint)
    labels = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = (s for s in of_kind("Service") if labels <= s["metadata"]["labels"].items())
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["path"] == "/metrics"


def published(folder: Path, files: dict[str, str], *, gid: int, mode: int) -> Path:
    """Files as the kubelet lays out a ConfigMap or a Secret: a dated directory behind two symlinks."""
    dated = folder / "..2026_01_01_00_00_00.1"
    dated.mkdir(parents=True)
    (folder / "..data").symlink_to(dated.name)
    for name, text in files.items():
        (dated / name).write_text(text, "utf-8")
        (dated / name).chmod(mode)
        os.chown(dated / name, 0, gid)
        (folder / name).symlink_to(f"..data/{name}")
    return folder


@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.accepts("K8S-1", "ONE-1")
def test_serve_and_apply_work_with_these_mounts_and_this_user(tmp_path: Path) -> None:
    """The Deployment and then the CronJob in its sandbox: alive at once, ready when published, three DVRs in Plex."""
    deployment, cron = (dict(pods())[name] for name in ("ptctl-serve", "ptctl-apply"))
    uid, gid = deployment["securityContext"]["runAsUser"], deployment["securityContext"]["fsGroup"]
    text = (BASE / "ptctl.yaml").read_text("utf-8")
    text = text.replace("credentials: plex}", "credentials: plex, pace: 5ms, poll: 100ms}")
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 0, gid)  # what fsGroup does to a volume
    state.chmod(0o2775)
    for name in ("spec", "secrets"):
        (tmp_path / name).mkdir()
    places = {m["name"]: m["mountPath"] for m in deployment["containers"][0]["volumeMounts"]}
    hosts = {name: tmp_path / name for name in ("spec", "secrets", "state")}
    mounts = [Mount(hosts[name], places[name], writable=name == "state") for name in hosts]
    names = ("ptctl.livetv.svc", "tv1.example.net", "plex.media.svc", "tv.example.lan")
    with opened(tmp_path, user=(uid, gid), mounts=mounts, hosts=names) as box:
        facts = box.sandbox("--provider-port", "8080", "--hosts", "1", "--plex-port", "32400")
        published(hosts["spec"], {"ptctl.yaml": text}, gid=gid, mode=0o644)
        secrets = {
            "iptv-user": facts["username"],
            "iptv-password": facts["password"],
            "plex-token": facts["plex_token"] + "\n",
        }
        published(hosts["secrets"], secrets, gid=gid, mode=0o440)
        for place in ("/x", "/spec/x", "/run/secrets/ptctl/x", str(ROOT / "x")):
            assert box.shell(f"touch {place}").returncode != 0
        assert box.shell("touch /tmp/x /state/x && rm /state/x").returncode == 0

        serve = box.start(*deployment["containers"][0]["args"])
        box.until("http://ptctl.livetv.svc:5004/healthz", 200, serve)
        apply = box.start(*cron["containers"][0]["args"])
        assert apply.end() == 0, apply.text + serve.text
        assert "nothing is left" in apply.text
        ready = json.loads(box.until("http://ptctl.livetv.svc:5004/readyz", 200, serve))
        assert sorted(spec().dvrs) == ready["dvrs"]
        status, metrics = box.get("http://ptctl.livetv.svc:5004/metrics")
        assert (200, True) == (status, "ptctl_ready 1" in metrics)
        plex = {"X-Plex-Token": facts["plex_token"], "Accept": "application/json"}
        status, body = box.get("http://plex.media.svc:32400/livetv/dvrs", plex)
        titles = {d["lineupTitle"] for d in json.loads(body)["MediaContainer"]["Dvr"]}
        assert (200, {"locals", "sports", "Rest of the world"}) == (status, titles)
        again = box.start(*cron["containers"][0]["args"])
        assert again.end() == 0, again.text
        assert "No changes" in again.text
        assert {uid} == {path.stat().st_uid for path in state.rglob("*")}


@pytest.mark.accepts("K8S-1")
def test_the_network_policy_lets_through_what_is_needed() -> None:
    """In: the hub's and every tuner's port, from the cluster and from every network that `serve` lets in by itself.
    Out: any port, so DNS, Plex and providers, but not the cloud's metadata.
    """
    (policy,) = (p for p in of_kind("NetworkPolicy") if p["metadata"]["name"] == "ptctl")
    labels = [d["spec"]["template"]["metadata"]["labels"] for d in of_kind("Deployment")]
    labels += [c["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"] for c in of_kind("CronJob")]
    wanted = policy["spec"]["podSelector"]["matchLabels"].items()
    assert all(wanted <= found.items() for found in labels)
    (into,) = policy["spec"]["ingress"]
    (ports,) = into["ports"]
    used = {spec().serve.listen[1], *(dvr.port for dvr in spec().dvrs.values())}
    assert all(port is not None and ports["port"] <= port <= ports["endPort"] for port in used)
    assert {"namespaceSelector": {}} in into["from"]
    open_to = [ip_network(one["ipBlock"]["cidr"]) for one in into["from"] if "ipBlock" in one]
    for home in ("10.1.2.3", "172.16.0.9", "192.168.1.2", "fd12::9"):
        assert any(ip_address(home) in network for network in open_to), home
    (out,) = policy["spec"]["egress"]
    assert "ports" not in out
    assert {"namespaceSelector": {}} in out["to"]
    blocks = [one["ipBlock"] for one in out["to"] if "ipBlock" in one]
    for place, expected in (("8.8.8.8", True), ("2001:db8::1", True), ("169.254.169.254", False), ("fd00:ec2::254", False)):  # fmt: skip
        reached = any(
            ip_address(place) in ip_network(block["cidr"])
            and not any(ip_address(place) in ip_network(hole) for hole in block["except"])
            for block in blocks
        )
        assert expected is reached, place


@pytest.mark.accepts("ONE-2")
def test_applies_never_meet() -> None:
    """One job at a time, which ends by itself, and a missed start is made up for or forgotten."""
    (cron,) = of_kind("CronJob")
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    assert cron["spec"]["startingDeadlineSeconds"] > 0
    assert cron["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0
    (rule,) = cron["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    never = {Exit.INVALID, Exit.REFUSED, Exit.STALE, Exit.SKIPPED_BLOCKED, Exit.USAGE}
    assert sorted(never) == rule["onExitCodes"]["values"]
