"""Examples for the help of each command: what people type most, ready to be copied.

Data alone, so that a command pays nothing for them. A test parses every line. Refuses to explain: the help above does.
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["EXAMPLES", "epilog"]

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "demo": ("ptctl demo",),
    "init": (
        "ptctl init",
        "ptctl init --m3u list.m3u --guide guide.xml --no-plex --yes",
        (
            "ptctl init --host http://tv.example.net:8080 \\\n"
            "    --username-env IPTV_USER --password-env IPTV_PASS \\\n"
            "    --plex-url http://plex:32400 --plex-token-env PLEX_TOKEN \\\n"
            "    --advertise http://ptctl:5004 --yes"
        ),
    ),
    "import m3u": ("ptctl import m3u list.m3u --guide guide.xml --keep-numbers",),
    "import plex": (
        (
            "ptctl import plex --plex-url http://plex:32400 --plex-token-env PLEX_TOKEN \\\n"
            "    --host http://tv.example.net:8080 \\\n"
            "    --username-env IPTV_USER --password-env IPTV_PASS"
        ),
    ),
    "import threadfin": (
        "ptctl import threadfin threadfin/",
        (
            "ptctl import threadfin threadfin/ --plex-url http://plex:32400 \\\n"
            "    --plex-token env:PLEX_TOKEN --advertise http://ptctl:5004"
        ),
    ),
    "catalog": ("ptctl catalog", "ptctl catalog channels --match '{group: \"*SPORT*\"}'"),
    "validate": ("ptctl validate", "ptctl validate home.yaml -f github"),
    "plan": (
        "ptctl plan",
        "ptctl plan --channels sports",
        "ptctl plan --allow shrink:sports",
        "ptctl plan --out change.plan",
    ),
    "snapshot": ("ptctl snapshot --out world.json.gz",),
    "apply": (
        "ptctl apply --wait 5m",
        "ptctl apply --yes --skip-blocked",
        "ptctl apply --only sports --allow delete:docs",
    ),
    "refresh": ("ptctl refresh", "ptctl refresh --allow shrink:sports"),
    "serve": ("ptctl serve", "ptctl serve --verbose home.yaml"),
    "adopt": ("ptctl adopt sports --plex 41 --channels ptctl.channels.json", "ptctl adopt --rebuild"),
    "probe": ("ptctl probe --dvr docs", "ptctl probe --list"),
    "status": ("ptctl status",),
    "history": ("ptctl history", "ptctl history 12"),
    "rollback": ("ptctl rollback --list", "ptctl rollback --hold"),
    "renumber": ("ptctl renumber sports",),
    "doctor": ("ptctl doctor",),
    "sandbox": (
        "ptctl sandbox --provider-port 8080 --plex-port 32400",
        "ptctl sandbox --m3u list.m3u --xmltv guide.xml",
    ),
    "schema": ("ptctl schema spec > ptctl.schema.json",),
    "help": ("ptctl help plan", "ptctl help S101"),
}
"""By command, most wanted first. A line that goes on ends with a backslash."""


def epilog(command: str) -> str | None:
    """What stands below a command's options; None where its help has examples of its own."""
    lines = EXAMPLES.get(command)
    if lines is None:
        return None
    return "\b\n" + "\n".join(["Examples:", *(f"  {line}" for line in lines)])
