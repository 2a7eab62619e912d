"""`relaytrack service install`: the unit, where it is written, and what systemd says of it."""

from __future__ import annotations

import getpass
import shlex
import shutil
from configparser import ConfigParser
from pathlib import Path

import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.cli.service import complaints


def unit_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["service", "install", "--print", *arguments]) == 0
    return capsys.readouterr().out


def keys(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if sign:
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_unit_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my site.yaml").write_text("cameras: []\n")
    options = ["--port", "8700", "--log-format", "json", "--set", "server.name=50% $HOME"]
    unit = keys(unit_of(capsys, "my site.yaml", *options))
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert unit["WorkingDirectory"] == [str(tmp_path)]
    assert unit["WantedBy"] == ["default.target"]
    assert "User" not in unit
    words = shlex.split(unit["ExecStart"][0])
    assert words[-8:-1] == ["serve", str(tmp_path / "my site.yaml"), *options[:-1]]
    assert words[-1] == "server.name=50%% $$HOME", "as systemd takes them for plain signs"


def test_a_unit_of_the_machine_may_write_to_its_own_folders_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "etc" / "site.yaml"
    site.parent.mkdir()
    site.write_text(
        "output: {dir: rec/days, store: ids/who.sqlite}\n"
        "sinks: [{name: mqtt, options: {host: h, spool: spool/mqtt.db}}]\nserver: {dir: rec}\n"
    )
    unit = keys(unit_of(capsys, str(site), "--system", "--run-as", "daemon"))
    assert unit["User"] == ["daemon"]
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["ReadWritePaths"] == [str(tmp_path / name) for name in ("rec", "etc", "ids", "spool")]


def test_it_is_written_once_and_replaced_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config" / "systemd" / "user" / "shop.service"
    assert main(["service", "install", "--name", "shop"]) == 0
    said = capsys.readouterr()
    assert "systemctl --user enable --now shop" in said.out
    assert said.err == ""
    assert (tmp_path / "out" / "site").is_dir()
    first = path.read_text()
    assert main(["service", "install", "--name", "shop"]) == 0, "the same again is no harm"
    assert main(["service", "install", "--name", "shop", "--port", "99"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert path.read_text() == first
    assert main(["service", "install", "--name", "shop", "--port", "99", "--overwrite"]) == 0
    assert "--port 99" in path.read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("arguments", [[], ["--system", "--run-as", "daemon"]])
def test_systemd_finds_nothing_wrong(tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = unit_of(capsys, "--set", "server.name=a 'b' \"c\" \\d", *arguments)
    path = tmp_path / "checked.service"
    path.write_text(text)
    assert complaints(path, user=not arguments) == []
    path.write_text(text.replace("Type=exec", "Type=exce"))
    assert "exce" in " ".join(complaints(path, user=not arguments)), "the check itself works"
    ConfigParser(strict=False, interpolation=None).read_string(text)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--name", "../evil"], "--name ../evil"),
        (["--system", "--run-as", "root"], "--run-as USER"),
        (["--run-as", "daemon"], "works only with --system"),
        (["nothing.yaml"], "nothing.yaml"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "install", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1


def test_who_called_sudo_runs_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SUDO_USER", "daemon")
    assert "User=daemon" in unit_of(capsys, "--system")
    monkeypatch.delenv("SUDO_USER")
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    assert "User=ann" in unit_of(capsys, "--system")


def test_a_site_on_a_cluster_is_a_unit_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--cluster 10.0.1.1:6379" in unit_of(capsys, "--cluster", "10.0.1.1:6379")
    assert main(["service", "install", "--print", "--cluster", "auto", "--system", "--run-as", "daemon"]) == 2
    assert "--system: such a unit cannot reach a Ray of this machine" in capsys.readouterr().err
