"""Messages about a configuration are in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaytrack.pipeline.config.loading import load_config, parse_assignment
from relaytrack.pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("cameras", 3, "cameras: must be a list"),
        ("cameras.0.url", "", "cameras.0.url: must not be empty"),
        ("cameras.0.roi", [10, 10, 2], "cameras.0.roi.3: is missing"),
        ("cameras.0.zones", [[0, 0], [1, 1], [2, 0]], "cameras.0.zones: must be a mapping"),
        ("cameras.0.zones", {"a": [0, 1, 2]}, "cameras.0.zones.a.0: must be a list (got 0)"),
        ("cameras.0.zones", {"a": [[0, 0, 1]]}, "cameras.0.zones.a.0: must have at most 2 entries, not 3"),
        ("cameras.0.zones", {True: [[0, 0]]}, "cameras.0.zones.1: must be text (put it in quotes) (got True)"),
        ("cameras.0.zones", {"a": [[0, 0], [float("nan"), 1]]}, "cameras.0.zones.a.1.0: must be a finite number"),
        ("run.device", "gpu", "run.device: must be auto, cpu, cuda or cuda:NUMBER (got 'gpu')"),
        ("run.fps", 0, "run.fps: must be greater than 0 (got 0)"),
        ("run.fps", "fast", "run.fps: must be a number (got 'fast')"),
        ("tracker.n_init", "many", "tracker.n_init: must be a whole number (got 'many')"),
        ("output.overwrite", "perhaps", "output.overwrite: must be true or false (got 'perhaps')"),
        ("input.transport", "sctp", "input.transport: must be 'tcp' or 'udp' (got 'sctp')"),
        ("output", 5, "output: must be a mapping"),
        ("cameras.0.title", "a\nb", "cameras.0.title: must be one line"),
        ("cameras.0.title", "a\u202eb", "cameras.0.title: must be one line, without marks that turn the direction"),
        ("server.name", "a\u2066b", "server.name: must be one line, without marks that turn the direction"),
        ("tracker", 5, "tracker: must be a mapping"),
        ("identities", [1], "identities: must be a mapping"),
        ("server.hosts", ["https://cams.example.org"], "server.hosts.0: must be a name alone"),
        ("server.hosts", ["a.b", "cams.example.org:8443"], "server.hosts.1: must be a name alone"),
        ("server.hosts", ["*.example.org"], "server.hosts.0: must be a name alone"),
        ("server.trusted_proxies", ["nginx"], "server.trusted_proxies.0: must be an IP address or a network"),
        ("server.trusted_proxies", ["10.0.0/8"], "server.trusted_proxies.0: must be an IP address or a network"),
        ("server.trusted_proxies", ["*", "10.0.0.1"], "server: trusted_proxies: * is any"),
        ("server.schemes", ["rtsp://"], "server.schemes.0: must be a scheme alone"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as found:
        load_config(data={"cameras": ["a.mp4"]}, overrides={key: value})
    assert str(found.value).startswith(f"configuration: {said}")


def test_names_of_the_server_are_those_that_browsers_send() -> None:
    """Fault: a name in another spelling was taken and never met, so that nobody got to the page by it."""
    names = ["Cams.Example.org", "[2001:DB8::1]", "kamera-b\u00fcro.de", "10.0.0.5"]
    given = {"hosts": names, "schemes": ["RTSP"], "trusted_proxies": ["10.1.2.3/8", "::1"]}
    server = load_config(data={"server": given}).server
    assert server.hosts == ("cams.example.org", "2001:db8::1", "xn--kamera-bro-heb.de", "10.0.0.5")
    assert server.schemes == ("rtsp",)
    assert server.trusted_proxies == ("10.0.0.0/8", "::1")
    assert load_config(data={"server": {"trusted_proxies": ["*"]}}).server.trusted_proxies == ("*",)


def test_zones_and_lines_may_be_called_by_numbers() -> None:
    camera = {"url": "a.mp4", "zones": {1: [[0, 0], [9, 0], [0, 9]]}, "lines": {2: [[0, 0], [9, 9]]}}
    config = load_config(data={"cameras": [camera]})
    assert list(config.cameras[0].zones) == ["1"]
    assert list(config.cameras[0].lines) == ["2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cameras:\n\t- a.mp4\n", "not valid YAML in line 2: a tab; YAML is indented with spaces"),
        ("cameras:\n\u00a0 - a.mp4\nrun: {}\n", "not valid YAML in line 2: a blank that is no space"),
        ("run: {}\ncameras: !include b.yaml\n", "not valid YAML in line 2: tags (!name) are not understood"),
        ("cameras: [a.mp4]\n---\ncameras: [b.mp4]\n", "not valid YAML in line 2: a second document begins there"),
        ("# \u00fc\ncameras: [\n", "not valid YAML in line 3"),
    ],
)
def test_what_is_wrong_with_yaml_is_told(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as found:
        load_config(path)
    assert str(found.value).startswith(f"{path}: {said}")


def test_text_in_another_encoding_is_not_taken_for_a_video(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes("cameras:\n- {url: a.mp4, title: K\u00fcche}\n".encode("cp1252"))
    with pytest.raises(ConfigError, match="line 2 is not UTF-8 text: save the file as UTF-8"):
        load_config(path)


@pytest.mark.parametrize("word", [".=5", "tracker..max_age=5", "tracker.=5", "=5", "tracker"])
def test_an_assignment_without_a_key_is_told(word: str) -> None:
    """Fault: "unknown key '***'"."""
    with pytest.raises(ConfigError, match=r"write key\.path=value"):
        parse_assignment(word)
