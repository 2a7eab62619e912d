"""Addresses of streams as people write them."""

from __future__ import annotations

import pytest

from relaytrack.pipeline.sources.base import ReadError
from relaytrack.pipeline.sources.ffmpeg import check_address, sendable
from relaytrack.pipeline.sources.streams import check_stream


@pytest.mark.parametrize("address", ["udp://@:5000", "udp://:5000?fifo_size=1", "rtp://@:5000", "webcam:0"])
def test_a_stream_that_is_sent_to_this_machine_needs_no_host(address: str) -> None:
    check_stream(address)


@pytest.mark.parametrize("address", ["rtsp://", "rtsp://@:554/1", "udp://@", "rtsp://h:99999/1", "rtsp://h:port/1"])
def test_what_cannot_be_an_address_is_refused(address: str) -> None:
    with pytest.raises(ReadError):
        check_stream(address)


def test_a_zone_of_ipv6_may_be_percent_encoded() -> None:
    for address, plain in (
        ("rtsp://u:p%25q@[fe80::1%25eth0]:554/a%25b", "rtsp://u:p%25q@[fe80::1%eth0]:554/a%25b"),
        ("rtsp://[fe80::1%eth0]/1", "rtsp://[fe80::1%eth0]/1"),
        ("rtsp://[::1]/[fe80::1%25x]", "rtsp://[::1]/[fe80::1%25x]"),
    ):
        assert sendable(address) == plain
    assert check_address(sendable("rtsp://[fe80::1%25lo]/1")) == "fe80::1%lo"
