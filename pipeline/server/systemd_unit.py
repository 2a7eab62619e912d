"""The systemd unit of a site: `relaytrack service install` writes it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from relaytrack.pipeline.config.schema import Config

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a service may be called."""
_COMMON = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
UMask=0077
"""
# Devices stay: webcams and GPUs are among them. Memory may become code: the networks' kernels are made while it runs.
_SYSTEM = """\
CapabilityBoundingSet=
SystemCallFilter=@system-service
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
"""


@dataclass(frozen=True, slots=True)
class SiteService:
    """What the unit says.

    Attributes:
        name: of the service.
        command: the program and its arguments.
        folder: where it is started; relative paths of the settings count from there.
        writable: the folders that it writes to.
        run_as: the user of a system unit; None makes a unit of the caller's own systemd.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    writable: tuple[Path, ...]
    run_as: str | None = None

    @property
    def unit_path(self) -> Path:
        """Where systemd looks for the unit."""
        if self.run_as is not None:
            return Path("/etc/systemd/system") / f"{self.name}.service"
        own = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return Path(own) / "systemd" / "user" / f"{self.name}.service"

    def text(self) -> str:
        """The unit."""
        system = self.run_as is not None
        lines = [
            "[Unit]",
            f"Description=RelayTrack ({self.name}): people over many cameras",
            *(["Wants=network-online.target", "After=network-online.target"] if system else []),
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={' '.join(quoted(word.replace('$', '$$')) for word in self.command)}",
            "ExecReload=/bin/kill -HUP $MAINPID",
            f"WorkingDirectory={_escaped(str(self.folder))}",
            *([f"User={self.run_as}"] if system else []),
            "Environment=PYTHONUNBUFFERED=1",
            "Restart=on-failure",
            "RestartSec=5",
            "RestartPreventExitStatus=2",  # a setting is wrong: it stays so
            "TimeoutStopSec=10",
            *_COMMON.splitlines(),
        ]
        if system:
            lines += _SYSTEM.splitlines()
            lines += [f"CacheDirectory={self.name}", f"Environment=XDG_CACHE_HOME=%C/{self.name}"]
            lines += [f"ReadWritePaths={quoted(str(path))}" for path in self.writable]
        lines += ["", "[Install]", f"WantedBy={'multi-user' if system else 'default'}.target", ""]
        return "\n".join(lines)


def quoted(word: str) -> str:
    """A word as systemd reads it in a list: `%` stands for itself, blanks do not part it."""
    text = _escaped(word)
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./$-]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    """Text in which systemd finds none of its own placeholders."""
    return text.replace("%", "%%")


def program() -> tuple[str, ...]:
    """How this installation is called: the script beside its Python, or the module."""
    script = Path(sys.executable).with_name("relaytrack")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "relaytrack.pipeline.cli.main")


def written_folders(config: Config, site: Path) -> tuple[Path, ...]:
    """The folders that a site writes to: its own, its file's, those of recordings, identities and spools."""
    output = config.output
    found = [Path(config.server.dir), site.parent]
    if "dir" in output.model_fields_set and output.dir is not None:
        found.append(Path(output.dir))
    if output.store is not None:
        found.append(Path(output.store).parent)
    spools = [sink.options.get("spool") for sink in config.sinks]
    found += [Path(spool).parent for spool in spools if isinstance(spool, str)]
    return _outermost([path.absolute() for path in found])


def _outermost(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The paths without those that lie in another one, each once."""
    once = list(dict.fromkeys(paths))
    return tuple(path for path in once if not any(path.is_relative_to(other) for other in once if other != path))
