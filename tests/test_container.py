"""Dockerfile and compose.yaml without Docker: they name what is there, and their commands work."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from relaytrack.pipeline.config.loading import load_config, parse_assignment
from tests.support.listening import listening
from tests.support.outgoing import free_port, mosquitto, until
from tests.support.serving import RELAYTRACK, serving

ROOT = Path(__file__).resolve().parents[1]
INSTRUCTIONS = {
    "ARG", "FROM", "WORKDIR", "RUN", "ENV", "COPY", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
    "ENTRYPOINT", "CMD",
}  # fmt: skip


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each with its arguments on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]  # type: ignore[misc]


def last(name: str) -> str:
    return [value for key, value in instructions() if key == name][-1]


def compose() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert isinstance(content, dict)
    return content


def test_the_dockerfile_copies_what_is_there_and_installs_extras_that_exist() -> None:
    found = instructions()
    assert {name for name, _ in found} <= INSTRUCTIONS
    ignored = (ROOT / ".dockerignore").read_text().split()
    for name, value in found:
        if name == "COPY" and not value.startswith("--from"):
            *sources, _ = value.split()
            for source in sources:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored, f"{source} is sent to the build"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = " ".join(value for name, value in found if name == "RUN")
    extras = re.search(r'pip install "\.\[(.+?)\]"', installed)
    assert extras
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])
    needed = {
        project["readme"],
        "pyproject.toml",
        "pipeline",
        "reid",
        "trackers",
        *project["license-files"],
    }
    copied = {word for name, value in found if name == "COPY" for word in value.split()}
    assert needed <= copied


def test_both_variants_are_told_apart_by_one_argument() -> None:
    step = next(value for name, value in instructions() if name == "RUN" and "case" in value)
    script = step.replace("pip install", "echo pip install")
    environment = {"PATH": os.environ["PATH"], "TORCH_CPU": "https://index.example/cpu"}
    for device, said in (
        ("cpu", "pip install --index-url https://index.example/cpu torch\n"),
        ("cuda", "pip install torch\n"),
    ):
        done = subprocess.run(
            ["sh", "-c", script], env={**environment, "DEVICE": device}, capture_output=True, text=True, check=True
        )
        assert done.stdout == said
    assert (
        subprocess.run(["sh", "-c", script], env={**environment, "DEVICE": "tpu"}, capture_output=True).returncode == 1
    )
    assert last("USER") != "root"


def test_the_containers_command_asks_for_a_user_and_serves_then(tmp_path: Path) -> None:
    entry, command = json.loads(last("ENTRYPOINT")), json.loads(last("CMD"))
    assert entry == ["relaytrack"]
    refused = subprocess.run([*RELAYTRACK, *command, "--port", "0"], cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "relaytrack user add" in json.loads(refused.stderr)["message"]
    add_user(tmp_path)
    assert command[0] == "serve"
    with serving(*command[1:], folder=tmp_path) as server:
        check = json.loads(re.search(r"CMD (\[.*\])", last("HEALTHCHECK"))[1])  # type: ignore[index]
        assert check[0] == "python"
        script = check[2].replace("http://127.0.0.1:8600", server.url)
        assert subprocess.run([RELAYTRACK[0], "-c", script], timeout=30).returncode == 0
        assert httpx.get(f"{server.url}/api/v1/cameras").status_code == 401
        server.end()


def add_user(folder: Path) -> None:
    """As the head of compose.yaml says."""
    told = re.search(r"relaytrack (user add) NAME (.+)", (ROOT / "compose.yaml").read_text())
    assert told
    words = [*told[1].split(), "root", *told[2].split()]
    subprocess.run(
        [*RELAYTRACK, *words], cwd=folder, input="root-password\n", text=True, check=True, capture_output=True
    )


def test_the_compose_file_is_whole() -> None:
    content = compose()
    assert set(content) == {"services", "volumes"}
    services = content["services"]
    assert set(services) == {"relaytrack", "mosquitto"}
    ours = services["relaytrack"]
    assert set(ours["depends_on"]) <= set(services)
    for volume in ours["volumes"]:
        name, _, path = volume.partition(":")
        assert name in content["volumes"]
        assert path == last("VOLUME") == last("WORKDIR")
    exposed = last("EXPOSE")
    assert ours["ports"] == [f"127.0.0.1:{exposed}:{exposed}"]
    assert str(load_config().server.port) == exposed
    arguments = {value.split("=")[0] for name, value in instructions() if name == "ARG"}
    assert set(ours["build"]["args"]) <= arguments
    for service in services.values():
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:"), "nobody else sees it before somebody wants that"


@pytest.mark.needs("mosquitto")
def test_the_compose_command_serves_and_tells_the_broker(tmp_path: Path) -> None:
    command = compose()["services"]["relaytrack"]["command"]
    key, sinks = parse_assignment(command[command.index("--set") + 1])
    assert load_config(overrides={key: sinks}).sinks[0].options["host"] in compose()["services"]
    add_user(tmp_path)
    port = free_port()
    sinks[0]["options"] |= {"host": "127.0.0.1", "port": port}
    words = [word if not word.startswith("sinks=") else f"sinks={json.dumps(sinks)}" for word in command]
    with mosquitto(tmp_path, port), listening(port) as heard:
        with serving(*words[1:], folder=tmp_path) as server:
            until(lambda: heard.topics.get("relaytrack/site/status") == "online")
            server.end()
        until(lambda: heard.topics.get("relaytrack/site/status") == "offline")
    assert shlex.split(compose()["services"]["mosquitto"]["command"])[0] == "mosquitto"
