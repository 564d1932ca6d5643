"""Answers in both formats and all the shapes they were seen in; what cannot be read is unknown, never empty."""

import json

import pytest

from reconciler.errors import PlexRefused
from reconciler.plex import answers
from reconciler.plex.answers import Node
from reconciler.plex.model import Activity, ChannelPair, Device, Dvr, Server, Unknown

XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<MediaContainer size="1">
 <Dvr key="28" uuid="811e" language="eng" country="usa" lineupTitle="ptctl news"
   lineup="lineup://tv.plex.providers.epg.xmltv/http://10.0.0.5:5004/guide.xml#ptctl news"
   epgIdentifier="tv.plex.providers.epg.xmltv:28" refreshedAt="1790000100">
  <Device parentID="28" key="17" uuid="device://tv.plex.grabbers.hdhomerun/PTCTL001" uri="http://10.0.0.5:5004"
   status="alive" state="enabled" deviceId="PTCTL001" make="Silicondust" model="ptctl news" title="ptctl news" tuners="2">
   <ChannelMapping channelKey="1002" deviceIdentifier="1002" enabled="0" lineupIdentifier="1002" />
   <ChannelMapping channelKey="1001" deviceIdentifier="1001" enabled="1" lineupIdentifier="1001" />
  </Device>
  <Lineup id="lineup://tv.plex.providers.epg.xmltv/http%3A%2F%2F10.0.0.5%3A5004%2Fguide.xml#ptctl%20news" title="x" />
 </Dvr>
</MediaContainer>"""

DEVICE = Device(
    key="17",
    uuid="device://tv.plex.grabbers.hdhomerun/PTCTL001",
    device_id="PTCTL001",
    uri="http://10.0.0.5:5004",
    title="ptctl news",
    make="Silicondust",
    model="ptctl news",
    tuners=2,
    status="alive",
    state="enabled",
    parent="28",
    pairs=(ChannelPair("1001", "1001", "1001"), ChannelPair("1002", "1002", "1002", enabled=False)),
)


def as_json(*, array: str = "Dvr", single: bool = False) -> bytes:
    device = {
        "parentID": 28,
        "key": "17",
        "uuid": DEVICE.uuid,
        "uri": DEVICE.uri,
        "deviceId": "PTCTL001",
        "make": "Silicondust",
        "model": "ptctl news",
        "title": "ptctl news",
        "tuners": "2",
        "status": "alive",
        "state": "enabled",
        "ChannelMapping": [
            {"channelKey": "1001", "deviceIdentifier": "1001", "enabled": "1", "lineupIdentifier": "1001"},
            {"channelKey": "1002", "deviceIdentifier": "1002", "enabled": False, "lineupIdentifier": "1002"},
        ],
    }
    dvr = {
        "key": "28",
        "uuid": "811e",
        "language": "eng",
        "lineupTitle": "ptctl news",
        "lineup": "lineup://tv.plex.providers.epg.xmltv/http://10.0.0.5:5004/guide.xml#ptctl news",
        "epgIdentifier": "tv.plex.providers.epg.xmltv:28",
        "refreshedAt": 1790000100,
        "Device": device if single else [device],
        "Lineup": [{"id": "lineup://x"}],
    }
    return json.dumps({"MediaContainer": {"size": 1, array: dvr if single else [dvr]}}).encode()


def read(body: bytes) -> Node:
    node = answers.container(body, what="test")
    assert isinstance(node, Node)
    return node


@pytest.mark.parametrize(
    "body",
    [
        XML,
        as_json(),
        as_json(array="DVR"),
        as_json(single=True),
        as_json().replace(b"{", b'{"more": 1, "again": {}, ', 1),
    ],
    ids=["xml", "json", "DVR", "single objects", "more beside it"],
)
def test_a_dvr_reads_the_same_in_every_shape(body: bytes) -> None:
    """XML, JSON, the documented misspelling and objects in place of arrays are one value."""
    found = answers.dvrs(read(body))
    assert isinstance(found, tuple)
    (dvr,) = found
    assert dvr.devices == (DEVICE,)
    assert (
        Dvr(
            key="28",
            uuid="811e",
            lineup="lineup://tv.plex.providers.epg.xmltv/http://10.0.0.5:5004/guide.xml#ptctl news",
            lineup_title="ptctl news",
            language="eng",
            epg_identifier="tv.plex.providers.epg.xmltv:28",
            refreshed_at=1790000100,
            devices=(DEVICE,),
        )
        == dvr
    )
    assert (ChannelPair("1001", "1001", "1001"),) == dvr.devices[0].enabled


@pytest.mark.accepts("PLN-8")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"<html><body>500</body></html>",
        b"<MediaContainer><Dvr",
        b"\xff\xfe\x00binary",
        b"{",
        b"[]",
        b"{}",
        b'{"MediaContainer": []}',
        b'{"a": {}, "b": {}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_cannot_be_read_is_unknown(body: bytes) -> None:
    """Empty, truncated, foreign and hostile bodies are unknown and say which request it was."""
    found = answers.container(body, what="GET /livetv/dvrs")
    assert isinstance(found, Unknown)
    assert found.why.startswith("GET /livetv/dvrs: ")


def test_an_empty_list_is_known() -> None:
    """A container without children says that there is nothing: that is knowledge."""
    assert answers.dvrs(read(b'<MediaContainer size="0"/>')) == ()


def test_an_object_without_key_makes_the_list_unknown() -> None:
    """Half an object cannot be addressed, and the list with it cannot be trusted."""
    assert isinstance(answers.dvrs(read(b"<MediaContainer><Dvr uuid='x'/></MediaContainer>")), Unknown)
    assert isinstance(answers.devices(read(b"<MediaContainer><Device uuid='x'/></MediaContainer>")), Unknown)


@pytest.mark.accepts("DVR-5")
@pytest.mark.parametrize("status", ["-1", "5", "x"])
def test_a_status_in_a_200_is_a_refusal(status: str) -> None:
    """Plex refuses with HTTP 200; its own words are kept."""
    body = f'<MediaContainer size="0" message="The device is in use" status="{status}"/>'.encode()
    with pytest.raises(PlexRefused, match='"The device is in use"') as caught:
        answers.container(body, what="POST /livetv/dvrs")
    assert caught.value.reason == "The device is in use"


def test_status_zero_is_an_acknowledgement() -> None:
    """The plain acknowledgement of a write is no refusal, and an empty or HTML body is none either."""
    assert answers.acknowledged(b'<MediaContainer message="" size="0" status="0"/>', what="x") is not None
    assert answers.acknowledged(b"", what="x") is None
    assert answers.acknowledged(b"<html></html>", what="x") is None


def test_external_entities_are_not_read(tmp_path: object) -> None:
    """An answer cannot make us read a file."""
    body = b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><MediaContainer machineIdentifier="&e;"/>'
    found = answers.container(body, what="GET /identity")
    assert isinstance(found, Unknown) or "root:" not in found.get("machineIdentifier")


def test_identity() -> None:
    """Machine and version; an answer without a machine is unknown."""
    node = read(b'{"MediaContainer":{"size":0,"claimed":true,"machineIdentifier":"b4e0","version":"1.43.2"}}')
    assert Server("b4e0", "1.43.2") == answers.server(node)
    assert isinstance(answers.server(read(b"<MediaContainer/>")), Unknown)


def test_channel_map_leaves_out_what_cannot_be_used() -> None:
    """An entry without a key is no pair; the rest is sorted."""
    node = read(
        b"<MediaContainer><ChannelMapping channelKey='2' deviceIdentifier='2' lineupIdentifier='2' favorite='0'/>"
        b"<ChannelMapping deviceIdentifier='3' lineupIdentifier='3'/>"
        b"<ChannelMapping channelKey='1' deviceIdentifier='1' lineupIdentifier='1'/></MediaContainer>"
    )
    assert (ChannelPair("1", "1", "1"), ChannelPair("2", "2", "2")) == answers.channel_map(node)


def test_activities() -> None:
    """Type and progress of what runs, numbers in either form."""
    node = read(
        b'{"MediaContainer":{"size":1,"Activity":[{"uuid":"d6","type":"provider.epg.load","cancellable":false,'
        b'"userID":1,"title":"Refreshing EPG","subtitle":"x","progress":-1}]}}'
    )
    assert (Activity("d6", "provider.epg.load", "Refreshing EPG", "x", -1),) == answers.activities(node)


def test_rules_are_counted_where_they_say_where_they_belong() -> None:
    """A rule names its DVR through the guide provider; one that names none, or two, belongs nowhere we know."""
    node = read(
        b"<MediaContainer>"
        b"<MediaSubscription key='1' parameters='mediaProviderID=tv.plex.providers.epg.xmltv%3A28'/>"
        b"<MediaSubscription key='2'><MediaGrabOperation provider='tv.plex.providers.epg.xmltv:28'/></MediaSubscription>"
        b"<MediaSubscription key='3' a='tv.plex.providers.epg.xmltv:28' b='tv.plex.providers.epg.cloud:2'/>"
        b"<MediaSubscription key='4' title='News'/>"
        b"</MediaContainer>"
    )
    assert answers.rules_by_dvr(node) == {"28": 2, "": 2}


@pytest.mark.parametrize("page", [b"<html><h1>Login</h1>", b"\n <!DOCTYPE html>\n<title>x", b"<HTML>"])
def test_a_page_is_called_a_page(page: bytes) -> None:
    """Not "bad XML in line 1": a proxy answered, and the address is what has to be looked at."""
    found = answers.container(page, what="/livetv/dvrs")
    assert isinstance(found, Unknown)
    assert "/livetv/dvrs: an HTML page came instead of Plex's answer" in found.why


GUIDE = "lineup://tv.plex.providers.epg.xmltv/"


@pytest.mark.parametrize(
    ("lineup", "title", "guide"),
    [
        (GUIDE + "http://a:5004/guide.xml#Sports #1", "Sports #1", "http://a:5004/guide.xml"),
        (GUIDE + "http%3A%2F%2Fa%3A5004%2Fguide.xml#Sports%20%231", "Sports #1", "http://a:5004/guide.xml"),
        (GUIDE + "media/set #2/guide.xml#Sports #1", "Sports #1", "/media/set #2/guide.xml"),
        (GUIDE + "http://a:5004/guide.xml#Sports #1", "Sports%20%231", "http://a:5004/guide.xml"),
        (GUIDE + "http://a:5004/guide.xml#Sports #1", "", "http://a:5004/guide.xml"),
        (GUIDE + "http://a:5004/guide.xml#Sports #1", "Another", "http://a:5004/guide.xml"),
        (GUIDE + "http://a:5004/guide.xml", "Sports #1", "http://a:5004/guide.xml"),
    ],
)
def test_a_mark_in_a_title_is_no_part_of_the_guide(lineup: str, title: str, guide: str) -> None:
    """Raw, encoded, with and without the title beside it: location and title are the same (plex-livetv.md 3.3, 8.2)."""
    dvr = Dvr("28", "811e", lineup, lineup_title=title)
    assert dvr.guide == guide
    assert dvr.title == (title if title == "Another" else "Sports #1")


def test_the_uuid_names_a_tuner_that_has_no_field_for_it() -> None:
    """The uuid ends in the DeviceID; of the junk that a wrong address leaves it ends in nothing (plex-livetv.md 2.2, 2.4)."""
    node = read(
        b"<MediaContainer size='3'><Device key='1' uuid='device://tv.plex.grabbers.hdhomerun/PTCTL001'/>"
        b"<Device key='2' uuid='device://tv.plex.grabbers.hdhomerun/'/>"
        b"<Device key='3' uuid='device://tv.plex.grabbers.other/PTCTL003'/></MediaContainer>"
    )
    found = answers.devices(node)
    assert isinstance(found, tuple)
    assert [device.device_id for device in found] == ["PTCTL001", "", ""]


def test_in_which_dvr_a_tuner_is() -> None:
    """Left out and 0 are none: no row has that id; within a DVR it is that one."""
    node = read(
        b'{"MediaContainer":{"Device":[{"key":"1"},{"key":"2","parentID":0},{"key":"3","parentID":30}],'
        b'"Dvr":[{"key":"28","Device":[{"key":"4"},{"key":"5","parentID":0}]}]}}'
    )
    found, dvrs = answers.devices(node), answers.dvrs(node)
    assert isinstance(found, tuple)
    assert isinstance(dvrs, tuple)
    assert ["", "", "30"] == [device.parent for device in found]
    assert ["28", "28"] == [device.parent for device in dvrs[0].devices]


@pytest.mark.accepts("PLN-8")
def test_what_is_counted_and_not_there_is_unknown() -> None:
    """A list that says how long it is and is shorter proves nothing about what is missing from it."""
    short = read(b'{"MediaContainer":{"size":2,"Dvr":[{"key":"28"}]}}')
    assert answers.dvrs(short) == Unknown("DVRs: the answer counts 2 and holds 1")
    none = read(b'{"MediaContainer":{"size":1}}')
    assert answers.devices(none) == Unknown("devices: the answer counts 1 and holds 0")
