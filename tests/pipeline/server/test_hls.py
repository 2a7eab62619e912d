"""HTTP Live Streaming: PyAV and ffprobe read it, one encoding serves all, and it ends with its last reader."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import av
import pytest

from relaytrack.pipeline.server.live import hls
from relaytrack.pipeline.server.live.hls import Segment, playlist_of
from tests.support.sites import Served, served
from tests.support.world import wait_for


def test_a_player_reads_the_live_video(site: Served) -> None:
    address = f"{site.url}/live/door.m3u8"
    with av.open(address, options={"live_start_index": "0"}, timeout=20) as container:
        times = []
        for frame in container.decode(video=0):
            assert (frame.width, frame.height) == (160, 120)
            times.append(float(frame.time))
            if len(times) == 50:
                break
    assert all(0 < after - before < 0.5 for before, after in itertools.pairwise(times))
    if shutil.which("ffprobe"):
        command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", "-rw_timeout", "15000000", address]
        told = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=40).stdout)
        assert told["streams"][0]["codec_name"] == "h264"


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_another_player_plays_on(site: Served) -> None:
    command = ["ffmpeg", "-v", "error", "-rw_timeout", "15000000", "-i", f"{site.url}/live/door.m3u8", "-t", "8"]
    command += ["-f", "null", "-", "-progress", "pipe:1"]
    told = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True)
    frames = [int(line.split("=")[1]) for line in told.stdout.splitlines() if line.startswith("frame=")]
    assert frames[-1] > 80, "of 8 seconds at 20 frames per second, on a busy machine, too"
    assert "failed" not in told.stderr.lower()


def test_players_log_in_with_a_token(tmp_path: Path) -> None:
    with served(tmp_path, users={"root": "admin"}) as site:
        text, token = site.site.accounts.add_token("root", "viewer", "player")
        address = site.url.replace("http://", f"http://player:{text}@") + "/live/door.m3u8"
        with av.open(address, options={"live_start_index": "0"}, timeout=20) as container:
            assert sum(1 for _, _ in zip(range(20), container.decode(video=0), strict=False)) == 20
        answer = site.get("/live/door.m3u8")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic"), "players ask for a name and a password then"
        for path in ("/api/v1/cameras", "/", "/metrics"):
            refused = site.http.get(path, auth=("player", text))
            assert refused.status_code == 401, "browsers would send it along with forged requests, too"
            assert not refused.headers["www-authenticate"].startswith("Basic")
        assert site.http.get("/live/door.m3u8", auth=("root", "root-password")).status_code == 401, "no guessing here"
        for odd in ("Basic", "Basic !", "Basic eA==", "Basic /w=="):
            assert site.http.get("/live/door.m3u8", headers={"authorization": odd}).status_code == 401
        site.site.accounts.revoke(token.id)
        assert site.http.get("/live/door.m3u8", auth=("player", text)).status_code == 401


def numbers(text: str) -> list[int]:
    return [int(line.split("/")[1].split(".")[0]) for line in text.splitlines() if line.endswith(".m4s")]


def test_no_address_of_a_piece_comes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls, "_PATIENCE", 1.0)
    last = 0
    for _ in range(2):
        with served(tmp_path) as site:
            for _ in range(2):
                text = site.get("/live/door.m3u8").text
                assert numbers(text)[0] > last, "a player that was away does not take an old piece for a new one"
                last = numbers(text)[-1]
                assert wait_for(lambda: not site.site.live.viewers(), 10)


def test_the_list_and_its_pieces(site: Served) -> None:
    answer = site.get("/live/door.m3u8")
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    lines = answer.text.splitlines()
    assert lines[0] == "#EXTM3U"
    piece = next(line for line in lines if line.endswith(".m4s"))
    head = next(line.split('"')[1] for line in lines if line.startswith("#EXT-X-MAP"))
    assert site.get(f"/live/{head}").content[4:8] == b"ftyp"
    assert b"moof" in site.get(f"/live/{piece}").content[:16]
    assert site.get("/live/door/99999.m4s").status_code == 404
    assert site.get("/live/attic.m3u8").status_code == 404


def test_it_ends_when_nobody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls, "_PATIENCE", 1.0)
    with served(tmp_path) as site:
        assert site.get("/live/door.m3u8").status_code == 200
        assert wait_for(lambda: not site.site.live.viewers(), 10)
        assert site.get("/live/door.m3u8").status_code == 200, "and begins again"


def test_strangers_see_nothing(tmp_path: Path) -> None:
    with served(tmp_path, users={"root": "admin"}) as site:
        assert site.get("/live/door.m3u8").status_code == 401
        assert site.get("/live/door/0.m4s").status_code == 401


def test_a_new_header_is_a_discontinuity() -> None:
    text = playlist_of([Segment(7, 1, 2.04, 0.0, b""), Segment(8, 2, 2.9, 3.0, b"")], "door")
    assert text.splitlines()[2:] == [
        "#EXT-X-TARGETDURATION:3",
        "#EXT-X-MEDIA-SEQUENCE:7",
        "#EXT-X-DISCONTINUITY-SEQUENCE:1",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="door/head-1.mp4"',
        "#EXTINF:2.040,",
        "door/7.m4s",
        "#EXT-X-DISCONTINUITY",
        '#EXT-X-MAP:URI="door/head-2.mp4"',
        "#EXTINF:2.900,",
        "door/8.m4s",
    ]
    assert "#EXT-X-TARGETDURATION:3\n" in playlist_of([Segment(7, 1, 2.0, 0.0, b"")], "door"), "it never changes"
