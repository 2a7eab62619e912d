"""`relaytrack serve` as a process of its own, as a user starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.world import wait_for

RELAYTRACK = (sys.executable, "-m", "relaytrack.pipeline.cli.main")
SAID = re.compile(r"open (http://[0-9.:]+)/")


@dataclass
class Process:
    """A server of its own process.

    Attributes:
        url: its address, without a slash at the end.
        process: the process.
        lines: what it has written to stderr.
    """

    url: str
    process: subprocess.Popen[str]
    lines: list[str]

    def end(self) -> None:
        """SIGTERM; it must end in order within five seconds."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, "the engine was ended in order, too"
        assert time.monotonic() - begin < 5.0


@contextmanager
def serving(*arguments: str, folder: Path | None = None, port: int = 0, patience: float = 60) -> Iterator[Process]:
    """`relaytrack serve` on a port (0: a free one), from its line with the address to the end of the block.

    Args:
        arguments: of `serve`, besides the port.
        folder: the working directory.
        port: to listen on.
        patience: seconds that the start may take.
    """
    command = [*RELAYTRACK, "serve", *arguments, "--port", str(port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder)
    stream = process.stderr
    assert stream is not None
    lines: list[str] = []
    reading = threading.Thread(target=lambda: lines.extend(iter(stream.readline, "")), daemon=True)
    try:
        reading.start()
        assert wait_for(lambda: SAID.search("".join(lines)) or process.poll() is not None, patience), lines
        found = SAID.search("".join(lines))
        assert found, lines
        yield Process(found[1], process, lines)
    finally:
        process.kill()
        process.wait()
        reading.join(5)
        stream.close()
