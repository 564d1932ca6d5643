"""Settings as Threadfin writes them (src/struct-system.go), for the tests of the import."""

from typing import Any, Final

USER: Final = "bob-7733"
PASSWORD: Final = "s3cr+t/77 x"
GET_PHP: Final = (
    "http://tv1.example.net:8080/get.php?username=bob-7733&password=s3cr%2Bt%2F77%20x&type=m3u_plus&output=ts"
)
XMLTV_PHP: Final = "http://tv1.example.net:8080/xmltv.php?username=bob-7733&password=s3cr%2Bt%2F77%20x"
STREAM: Final = "http://tv1.example.net:8080/live/bob-7733/s3cr%2Bt%2F77%20x/{}.ts"

# Every key of SettingsStruct with the value a fresh installation writes.
FRESH: Final[dict[str, Any]] = {
    "api": False,
    "authentication.api": False,
    "authentication.m3u": False,
    "authentication.pms": False,
    "authentication.web": False,
    "authentication.xml": False,
    "backup.keep": 10,
    "backup.path": "/home/threadfin/conf/backup/",
    "git.branch": "main",
    "buffer": "-",
    "buffer.size.kb": 1024,
    "buffer.timeout": 500,
    "cache.images": False,
    "epgSource": "XEPG",
    "ffmpeg.options": "-hide_banner -loglevel error -i [URL] -c copy -f mpegts pipe:1",
    "ffmpeg.path": "/usr/bin/ffmpeg",
    "vlc.options": "-I dummy [URL] --sout #std{mux=ts,access=file,dst=-}",
    "vlc.path": "/usr/bin/cvlc",
    "files": {"hdhr": {}, "m3u": {}, "xmltv": {}},
    "files.update": True,
    "filter": {},
    "language": "en",
    "log.entries.ram": 500,
    "m3u8.adaptive.bandwidth.mbps": 10,
    "mapping.first.channel": 1000,
    "port": "34400",
    "ssdp": True,
    "temp.path": "/tmp/threadfin/",
    "tuner": 1,
    "update": ["0000"],
    "user.agent": "Threadfin",
    "uuid": "2019-01-DEF-000000",
    "udpxy": "",
    "version": "0.5.0",
    "xepg.replace.missing.images": True,
    "xepg.replace.channel.title": False,
    "ThreadfinAutoUpdate": True,
    "storeBufferInRAM": False,
    "forceHttps": False,
    "httpsPort": 443,
    "bindIpAddress": "",
    "httpsThreadfinDomain": "",
    "httpThreadfinDomain": "",
    "enableNonAscii": False,
    "epgCategories": "Kids:kids|News:news",
    "epgCategoriesColors": "kids:mediumpurple|news:tomato",
    "dummy": False,
    "dummyChannel": "",
    "ignoreFilters": False,
}


def provider_file(source: str, kind: str = "m3u", **more: Any) -> dict[str, Any]:
    """An entry below `files`."""
    return {
        "name": "",
        "description": "",
        "file.source": source,
        "file.threadfin": "M1.m3u",
        "type": kind,
        "tuner": 1.0,
        "http_proxy.ip": "",
        "http_proxy.port": "",
        "counter.download": 3.0,
        "provider.availability": 100,
        **more,
    }


def settings(
    *, m3u: str = "", xmltv: str = "", filters: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    """Fresh settings with one playlist and one guide, and what else is given (dots as double underscores)."""
    files: dict[str, Any] = {"hdhr": {}, "m3u": {}, "xmltv": {}}
    if m3u:
        files["m3u"]["M1"] = provider_file(m3u)
    if xmltv:
        files["xmltv"]["X1"] = provider_file(xmltv, "xmltv")
    rules = {str(i): rule for i, rule in enumerate(filters or [])}
    changed = {k.replace("__", "."): v for k, v in more.items()}
    return {**FRESH, "files": files, "filter": rules, **changed}


def group_rule(group: str, **more: Any) -> dict[str, Any]:
    """A filter by group as the web page saves it."""
    return {
        "active": True,
        "caseSensitive": False,
        "description": "",
        "exclude": "",
        "filter": group,
        "include": "",
        "name": group,
        "type": "group-title",
        "startingNumber": "1000",
        "x-category": "",
        **more,
    }


def channel(
    number: str,
    listed: str,
    *,
    guide_id: str = "",
    url: str = "",
    name: str = "",
    active: bool = True,
    mapping: str | None = None,
    raw: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An entry of xepg.json; `raw` are further keys as they stand there. `mapping` None: mapped to its own guide id, as Threadfin does by itself."""
    more = raw or {}
    mapped = guide_id if mapping is None else mapping
    return {
        "_file.m3u.id": "M1",
        "_file.m3u.name": "list",
        "_file.m3u.path": "/home/threadfin/conf/data/M1.m3u",
        "group-title": "US| Locals",
        "name": listed,
        "tvg-id": guide_id,
        "tvg-logo": "",
        "tvg-name": listed,
        "url": url,
        "_uuid.key": "",
        "_values": listed,
        "x-active": active,
        "x-category": "",
        "x-channelID": number,
        "x-epg": "x-ID.0",
        "x-group-title": more.get("group-title", "US| Locals"),
        "x-mapping": mapped or "-",
        "x-xmltv-file": "X1.xml" if mapped else "-",
        "x-name": name or listed,
        "x-hide-channel": False,
        "x-backup-channel-1": "-",
        **more,
    }


def mapping(*channels: dict[str, Any]) -> dict[str, Any]:
    """xepg.json."""
    return {f"x-ID.{i}": c for i, c in enumerate(channels)}
