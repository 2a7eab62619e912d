"""Passwords never reach a message, whatever characters they have and wherever in the address they stand."""

from __future__ import annotations

import ast
import contextlib
import logging
import os
import re
import string
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import relaytrack.pipeline
import relaytrack.reid
from relaytrack.pipeline import plugins
from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import CameraConfig, Config, InputConfig, RunConfig
from relaytrack.pipeline.config.urls import ENCODE_HINT, MOUNT, expand_variables, redact_url, shown_address
from relaytrack.pipeline.errors import ConfigError, RelayTrackError
from relaytrack.pipeline.foreign import told_by_name
from relaytrack.pipeline.server.descriptions import describe_camera
from relaytrack.pipeline.sources import create_source

PLACES = (
    "rtsp://admin:{}@127.0.0.1:9/stream1",
    "RTSP://admin:{}@127.0.0.1:9/stream1",
    "rtsp://{}:admin@127.0.0.1:9/stream1",
    "rtsp://{}@127.0.0.1:9/stream1",
    "rtsp://admin:2024{}@127.0.0.1:9/stream1",
    "rtsp://127.0.0.1:9/user=admin_password={}_channel=1_stream=0.sdp?real_stream",
    "rtsp://127.0.0.1:9/live/admin/{}/1",
    "rtsp://127.0.0.1:9/0/admin:{}/main",
    "rtsp://127.0.0.1:9/{}",
    "rtsp://127.0.0.1:9/stream1?{}",
    "rtsp://127.0.0.1:9/stream1?user=admin&password={}&channel=1",
    "rtsp://127.0.0.1:9/stream1?channel=1&loginpas={}",
    "rtsp://127.0.0.1:9/stream1?apikey={}",
    "rtsp://127.0.0.1:9/stream1;password={}",
    "rtsp://127.0.0.1:9/stream1#{}",
    "srt://127.0.0.1:9?passphrase={}",
    "rtmp://127.0.0.1:9/live/{}",
    "http://admin:{}@127.0.0.1:9/video.mjpg",
    "rtsp:/admin:{}@127.0.0.1:9/stream1",
    "rtsp:admin:{}@127.0.0.1:9/stream1",
    "admin:{}@127.0.0.1:9/stream1",
    "127.0.0.1/user=admin_password={}_channel=1",
)
# a path that is the usual name of a stream, or its number, counts as no password
PASSWORD = st.text(st.sampled_from(string.printable), min_size=4, max_size=12).filter(
    lambda text: not MOUNT.fullmatch(re.sub(r"\W", "", text))
)
HARD = (
    "2024#Cam",
    "12/34",
    "007?bond",
    "my secret",
    "p@ss/w0rx",
    "p@ss.w0rx",
    "5/x@y.zone",
    "a: b@c",
    "tab\tand\nline",
    "quo\"te's",
    "back\\slash",
    "{curly}[square]",
    "rtsp://inside@it",
    "&channel=1x2y3",
    "100%25",
    ".MP4",
    ".sdp",
)


NOTHING_SEEN: Any = None  # of a camera that is being opened


def leaks(password: str, shown: str, innocent: str) -> list[str]:
    """The pieces of `password` (three characters or more) in `shown` that are not in `innocent` as well."""
    pieces = {password[k : k + 3] for k in range(len(password) - 2)}
    return sorted(piece for piece in pieces if piece in shown and piece not in innocent)


def shown_everywhere(address: str) -> str:
    """Everything that the program says or writes about a camera of this address that cannot be opened."""
    said = [shown_address(address), repr(shown_address(address))]
    if re.match(r"\w+://", address):
        said.append(redact_url(f"camera 'door': refused: {address}: not that one"))
    with contextlib.suppress(ConfigError):
        config = load_config(data={"cameras": [address]})
        said += [str(config.public()), repr(config), config.cameras[0].name]
        described = describe_camera(config.cameras[0], None, NOTHING_SEEN, 0)
        said.append(str({key: value for key, value in described.items() if key != "revision"}))
    for data in (
        {"cameras": address},
        {"cameras": [{address: 1}]},
        {"cameras": [{"url": address, "max_fps": address}]},
    ):
        try:
            load_config(data=data)
        except ConfigError as error:
            said.append(str(error))
    for override in ({address: 1}, {f"cameras.{address}": 1}, {"cameras.0.url": [address]}):
        try:
            load_config(data={"cameras": ["x"]}, overrides=override)
        except ConfigError as error:
            said.append(str(error))
    return "\n".join(said)


def opened(address: str) -> str:
    """What opening a camera of this address says, in its error and its counts."""
    camera = CameraConfig(url=address, name="door")
    source = create_source(
        camera, InputConfig(open_timeout=0.2), RunConfig(), started=time.monotonic(), stop=threading.Event()
    )
    try:
        source.open()
    except RelayTrackError as error:
        return f"{error}\n{error!r}\n{source.stats!r}"
    finally:
        source.close()
    raise AssertionError("there is no camera at this address")


@pytest.mark.parametrize("place", PLACES)
@settings(deadline=None, max_examples=60)
@given(password=PASSWORD)
def test_no_piece_of_a_password_is_ever_shown(place: str, password: str) -> None:
    # what a password of plain letters leaves to be seen is innocent
    innocent = shown_everywhere(place.format("zzzz")) + repr(string.whitespace)
    shown = shown_everywhere(place.format(password))
    assert not leaks(password, shown, innocent)


@pytest.mark.parametrize("place", PLACES)
def test_opening_a_camera_tells_no_password(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("not in a test")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    innocent = opened(place.format("zzzz"))
    for password in HARD:
        assert not leaks(password, opened(place.format(password)), innocent + ENCODE_HINT), password


@pytest.mark.parametrize("password", HARD)
def test_the_command_line_tells_no_password(
    password: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    told = {}
    for secret in ("zzzz", password):
        caplog.clear()
        address = f"foo://admin:{secret}@127.0.0.1:9/x"
        cases: tuple[tuple[str, ...], ...] = (
            ("run", "--source", "a.mp4", "--set", address),
            ("run", "--source", "a.mp4", "--set", f"cameras.0.{address}=1"),
            ("run", "--source", "a.mp4", "--set", f"run.fps={address}"),
            ("run", "--source", "a.mp4", "--max-seconds", address),
            ("run", "--source", "a.mp4", f"--max-seconds={address}"),
            ("run", "--source", "a.mp4", "--blur", address),
            ("run", address, address),
            ("run", address),
            ("run", f"--sourc-e={address}"),
            (address,),
            ("track", "--video", address, "--out", str(tmp_path / "t.txt")),
        )
        if password in HARD[:2]:  # the others would only load the networks again
            cases += (("run", "--source", f"door={address}", "--out", str(tmp_path / "o")),)
        for words in cases:
            with contextlib.suppress(SystemExit):
                assert main(words) == 2
            captured = capfd.readouterr()
            said = [line for line in captured.err.splitlines() if "re-identification weights" not in line]
            assert len(said) == 1, captured.err
            assert "error: " in said[0]
            told[secret] = told.get(secret, "") + captured.out + captured.err + caplog.text
    assert not leaks(password, told[password], told["zzzz"] + ENCODE_HINT)


def test_an_address_in_good_order_keeps_what_is_harmless() -> None:
    for shown in (
        "rtsp://***@10.0.0.5:554/stream1",
        "rtsp://***@cam.lan/Streaming/Channels/101",
        "rtsp://***@[::1]:8554/cam/realmonitor?channel=1&subtype=0",
        "rtsp://localhost/live/main.sdp",
    ):
        assert shown_address(shown.replace("***", "bob:s3cret")) == shown
        assert shown_address(shown) == shown
        assert redact_url(f"camera 'a': refused ({shown})") == f"camera 'a': refused ({shown})"
    assert shown_address("rtsp://u:${PW}@10.0.0.5/1") == "rtsp://***@10.0.0.5/1"


@pytest.mark.parametrize(
    "text", ["/data/mail@home/x.mp4", "a b.mp4", "webcam:0", "unknown key 'tracker.key', did you mean 'x'?", "a@b:c"]
)
def test_what_is_no_address_stays(text: str) -> None:
    assert redact_url(text) == text
    assert shown_address(text) == text


def test_a_file_that_exists_is_named_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "at 10:30 pass=1 by bob@home.mp4"
    path.touch()
    assert shown_address(str(path)) == str(path)


def test_a_camera_is_not_named_after_a_password() -> None:
    config = load_config(data={"cameras": ["srt://h.x:9?passphrase=S3CRET", "admin:S3CRET@h/x", "a.mp4"]})
    assert [camera.name for camera in config.cameras] == ["cam1", "cam2", "a"]
    config = load_config(data={"cameras": ["中.mp4", "rtsp://h.x/1", f"{'b' * 250}.mp4", "é.mp4"]})
    assert [camera.name for camera in config.cameras] == ["cam1", "cam2", "b" * 60, "cam3"]


@pytest.mark.parametrize("address", ["rtsp://admin:2024#Cam@127.0.0.1:9/x", "rtsp://u:p@ss@127.0.0.1:9/x"])
def test_a_login_that_cannot_be_told_apart_brings_a_hint(address: str, make_source: Callable[..., object]) -> None:
    assert "percent-encoded" in opened(address)
    assert "percent-encoded" not in opened("rtsp://u:p@127.0.0.1:9/x")


def test_variables_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_PASSWORD", "s3cret")
    assert expand_variables("rtsp://u:${CAM_PASSWORD}@h/x", "door") == "rtsp://u:s3cret@h/x"
    with pytest.raises(ConfigError, match="camera 'door': environment variable NOT_SET_ANYWHERE"):
        expand_variables("rtsp://${NOT_SET_ANYWHERE}@h/x", "door")


def test_options_of_sinks_are_shown_without_secrets() -> None:
    options = {
        "url": "https://bob:pa55word@host.example/hook/T0K3Nvalue?sig=s1gnature",
        "secret": "k3yk3y",
        "headers": {"Authorization": "Bearer b3arer", "X-Other": "0ther"},
        "client": {"sasl.password": "s4sl", "sasl.username": "us3r", "acks": "all"},
        "site": "shop",
        "batch": 5,
        "user": "us3r",
        "servers": ["redis://:pa55word@cache.example:6379/0"],
    }
    config = Config.model_validate({"cameras": ["a.mp4"], "sinks": [{"name": "webhook", "options": options}]})
    shown = str(config.public()) + repr(config)
    for secret in ("pa55", "T0K3N", "s1gn", "k3y", "b3arer", "0ther", "s4sl", "us3r"):
        assert secret not in shown
    found = config.public()["sinks"][0]["options"]
    assert (found["site"], found["batch"], found["client"]["acks"]) == ("shop", 5, "all")


@pytest.mark.parametrize(
    "text",
    [
        "refused: login with password=pa55word and more",
        "KeyError: 'password=pa55word'",
        "bad answer {'user': 'bob', 'passwd': 'pa55word'}",
        'bad answer {"site": 1, "api_key" : "pa55word"}',
        "curl(url, auth_token=pa55word)",
        "[x,secret=pa55word]",
    ],
)
def test_values_of_secret_keys_are_hidden_wherever_they_stand(text: str) -> None:
    """Fault: only those at a line's beginning or within an address were."""
    shown = redact_url(text)
    assert "pa55" not in shown
    assert shown.endswith("***")


def test_words_about_passwords_stay() -> None:
    for text in (
        "user name or password refused (401)",
        "sink 'mqtt': password: must be text (put it in quotes)",
        "--variant 'x': write NAME:KEY=VALUE[,KEY=VALUE]",
        "give both tls_cert and tls_key, or none",
    ):
        assert redact_url(text) == text


def test_what_parts_of_others_say_when_they_fail_is_shown_without_passwords() -> None:
    """Fault: the words of a detector's or a plug-in's exception were passed on as they were."""

    class NoOptions(BaseModel):
        pass

    def make(settings: BaseModel, **context: object) -> object:
        raise RuntimeError("login at rtsp://admin:pa55word@10.0.0.5/s1 refused")

    class Eyes:
        def detect(self) -> None:
            raise KeyError("password=pa55word")

    with pytest.raises(RelayTrackError, match=r"cannot be made: RuntimeError: login at rtsp://\*\*\*") as made:
        plugins._create(plugins.Plugin(NoOptions, make), "detector.backend", "eyes", {})
    refused = pytest.raises(RelayTrackError, match=r"detector Eyes: KeyError: 'password=\*\*\*")
    with refused as seen, told_by_name("detector", Eyes()):
        Eyes().detect()
    assert "pa55" not in f"{made.value} {seen.value}"


def test_hints_hold_no_addresses_of_their_own() -> None:
    """Fault: "send it to udp://127.0.0.1:PORT" was shown as "udp://***", and what followed was hidden with it."""
    found = []
    for package in (relaytrack.pipeline, relaytrack.reid):
        for file in Path(package.__file__ or "").parent.rglob("*.py"):
            raised = (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Raise))
            texts = (part for node in raised for part in ast.walk(node) if isinstance(part, ast.Constant))
            found += [str(part.value) for part in texts if re.search("[a-z]://", str(part.value))]
    assert found == []


def test_a_pipe_as_a_camera_is_named_with_its_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert main(["run", "--source", str(tmp_path / "pipe"), "--out", str(tmp_path / "o")]) == 2
    assert f"save it to a file, or stream it (UDP, RTSP): {tmp_path / 'pipe'}" in capsys.readouterr().err
    boxes = ["--set", "detector.backend=file", "--set", f"cameras.0.detections={tmp_path / 'pipe'}"]
    assert main(["run", "--source", str(tmp_path / "a.mp4"), *boxes, "--out", str(tmp_path / "o")]) == 2
    assert "detections are no file, but a folder or a pipe" in capsys.readouterr().err
