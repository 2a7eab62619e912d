"""Damaged files, seeded, and the commands that must refuse them in one line or run clean.

Run as `python -m tests.support.fuzzing KIND COUNT SEED FOLDER`, it prints what went wrong, case by case, and the
number of cases at last; it ends with 1 where anything went wrong. Memory is limited by the operating system, time by an
alarm for each case.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import resource
import signal
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

LIMIT = 3 * 2**30  # bytes of memory that a process may ask for
SLOW = 15.0  # seconds for one case


def mutate(data: bytes, random: np.random.Generator) -> bytes:
    """One damage of six: cut off, flipped bits, extreme numbers, a piece gone, a piece twice, a wild header."""
    out, how = bytearray(data), int(random.integers(6))
    if how == 0:
        del out[int(random.integers(len(out) + 1)) :]
    elif how == 1:
        for place in random.integers(len(out), size=int(random.integers(1, 30))):
            out[place] ^= 1 << int(random.integers(8))
    elif how == 2:
        for place in random.integers(len(out), size=int(random.integers(1, 8))):
            out[place : place + 4] = [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x80\0\0\0"][random.integers(4)]
    elif how in (3, 4):
        low, high = sorted(random.integers(len(out), size=2).tolist())
        out[low : high if how == 3 else low] = b"" if how == 3 else out[low:high]
    else:
        for place in random.integers(min(len(out), 200), size=int(random.integers(1, 12))):
            out[place] = int(random.integers(256))
    return bytes(out)


def _films(folder: Path) -> list[tuple[str, bytes]]:
    made = []
    for name, codec in (("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.ts", "libx264"), ("a.avi", "mjpeg")):
        with av.open(str(folder / name), "w") as container:
            stream: Any = container.add_stream(codec, rate=5)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for step in range(12):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * step, np.uint8), format="rgb24")
                frame.pts, frame.time_base = step, Fraction(1, 5)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        made.append((name, (folder / name).read_bytes()))
    return made


def _pictures(folder: Path) -> list[tuple[str, bytes]]:
    image = np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)
    return [(f"2{end}", cv2.imencode(end, image)[1].tobytes()) for end in (".jpg", ".png", ".bmp", ".webp", ".tif")]


def _caches(folder: Path) -> list[tuple[str, bytes]]:
    random, made = np.random.default_rng(0), []
    for save in (np.savez, np.savez_compressed):
        stream, many = io.BytesIO(), 20
        boxes = random.uniform(0, 50, (many, 2))
        arrays: dict[str, Any] = {
            "frame": np.arange(1, many + 1, dtype=np.int32),
            "xyxy": np.hstack([boxes, boxes + 40]).astype(np.float32),
            "conf": np.ones(many, np.float32),
            "emb": random.normal(size=(many, 8)).astype(np.float16),
            "times": np.arange(many) / 10,
            "size": np.array([100, 100], np.int32),
        }
        save(stream, **arrays)
        made.append(("a.npz", stream.getvalue()))
    return made


def _texts(folder: Path) -> list[tuple[str, bytes]]:
    rows = b"".join(b"%d,%d,10.00,20.00,30.00,60.00,0.9,-1,-1,-1\n" % (1 + k // 3, k % 3) for k in range(60))
    truth = b"".join(b"%d,%d,10,20,30,60,1,1,1.0\n" % (1 + k // 3, 1 + k % 3) for k in range(60))
    return [("a.txt", rows), ("a.txt", truth), ("a.txt", rows.replace(b",", b" "))]


def _run_folder(folder: Path) -> Path:
    """The folder of a run that is complete as far as search and report go."""
    from relaytrack.pipeline.results.identities import CameraRecord, TrackRecord
    from relaytrack.pipeline.results.identities_writing import write_identities

    run = folder / "run"
    run.mkdir(exist_ok=True)
    records = [
        TrackRecord(c, n, 1.0 * n, 9.0, 9, [[1.0 * n, 9.0]], [{"time": 2.0, "quality": 9.0, "file": f"crops/{n}.jpg"}])
        for c in ("a", "b")
        for n in (1, 2)
    ]
    cameras = {name: CameraRecord(10, 0.0, 9.0, 10) for name in ("a", "b")}
    write_identities(run, cameras, [(record, record.track) for record in records], pictures=False)
    vectors = np.eye(4, 8, dtype=np.float32)
    names = np.array([record.camera for record in records])
    np.savez(run / "embeddings.npz", camera=names, track=np.array([r.track for r in records]), embedding=vectors)
    return run


def _runs(folder: Path) -> list[tuple[str, bytes]]:
    run = _run_folder(folder)
    return [(name, (run / name).read_bytes()) for name in ("identities.json", "embeddings.npz")]


def _onnx(folder: Path) -> list[tuple[str, bytes]]:

    weights = Path(__file__).resolve().parents[2] / "pipeline/perception/detectors/weights/nanodet_g_416_fp16.onnx"
    return [("a.onnx", weights.read_bytes())]


def _weights(folder: Path) -> list[tuple[str, bytes]]:
    weights = Path(__file__).resolve().parents[2] / "reid/weights/relaytrack_default.safetensors"
    return [("a.safetensors", weights.read_bytes())]


def _people(folder: Path) -> list[tuple[str, bytes]]:
    """The list of a data set of one's own; its pictures are there."""
    image = cv2.imencode(".jpg", np.zeros((40, 20, 3), np.uint8))[1].tobytes()
    rows = ["path,id,camera,split"]
    for number in range(12):
        (folder / f"p{number}.jpg").write_bytes(image)
        rows.append(f"p{number}.jpg,{number % 3},{number % 2},{('train', 'query', 'gallery')[number % 3]}")
    return [("a.csv", "\n".join(rows).encode()), ("a.csv", "\r\n".join(rows).encode("utf-8-sig"))]


def _main(arguments: Sequence[object]) -> str | None:
    """Run a command; what is wrong with how it ended, None if nothing."""
    from relaytrack.pipeline.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in arguments])
    errors = [line for line in err.getvalue().splitlines() if "error:" in line]
    if code not in (0, 2):
        return f"exit code {code}"
    if "Traceback" in err.getvalue():
        return "a traceback"
    if code == 2 and (len(errors) != 1 or not errors[0].startswith("relaytrack: error: ")):
        return f"exit code 2 with {len(errors)} lines: {errors}"
    return None


def _quietly(action: Callable[[], object]) -> str | None:
    from relaytrack.pipeline.errors import RelayTrackError
    from relaytrack.reid.errors import ReidError

    try:
        action()
    except (RelayTrackError, ReidError) as error:
        return "an error of several lines" if "\n" in str(error) else None
    return None


def _use(kind: str, path: Path) -> str | None:
    """Give one damaged file to what reads it."""
    folder = path.parent
    out = folder / "out.txt"
    detections = folder / "det.txt"
    detections.write_text("1,-1,1,1,20,40,0.9\n")
    if kind == "video":
        return _main(["track", "--video", path, "--detections", detections, "--motion-only", "--out", out])
    if kind == "picture":
        frames = folder / "frames"
        frames.mkdir(exist_ok=True)
        for old in frames.iterdir():
            old.unlink()
        good = cv2.imencode(".png", np.zeros((40, 30, 3), np.uint8))[1].tobytes()
        for name in ("1.png", "3.png"):
            (frames / name).write_bytes(good)
        (frames / path.name).write_bytes(path.read_bytes())
        return _main(["track", "--frames", frames, "--detections", detections, "--motion-only", "--out", out])
    if kind == "npz":
        return _main(["track", "--cache", path, "--out", out])
    if kind == "mot":
        good = folder / "good.txt"
        good.write_bytes(_texts(folder)[1][1])
        return _main(["eval", "--gt", path, "--result", good]) or _main(["eval", "--gt", good, "--result", path])
    if kind == "run":
        from relaytrack.pipeline.postprocess.search import search
        from relaytrack.pipeline.report import write_report

        run = _run_folder(folder)
        (run / path.name).write_bytes(path.read_bytes())
        picture = np.zeros((20, 10, 3), np.uint8)
        wrong = _quietly(lambda: write_report(run))
        return wrong or _quietly(lambda: search(run, picture, lambda crops: np.ones((1, 8), np.float32)))
    if kind == "weights":
        from relaytrack.reid.checkpoint import load_info, load_model

        return _quietly(lambda: load_info(path)) or _quietly(lambda: load_model(path))
    if kind == "csv":
        from relaytrack.reid.datasets.own import load_csv

        return _quietly(lambda: load_csv(path))
    from relaytrack.reid.embedder import Embedder

    return _quietly(lambda: Embedder(str(path), threads=1)([np.zeros((40, 20, 3), np.uint8)]))


SEEDS: dict[str, Callable[[Path], list[tuple[str, bytes]]]] = {
    "video": _films,
    "picture": _pictures,
    "npz": _caches,
    "mot": _texts,
    "run": _runs,
    "onnx": _onnx,
    "weights": _weights,
    "csv": _people,
}


def bomb(path: Path, gigabytes: int = 1) -> Path:
    """A .npz of a few megabytes that unpacks to gigabytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (gigabytes * 2**27,)}
    )
    block = bytes(2**24)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("frame.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for _ in range(gigabytes * 64):
            member.write(block)
    return path


class _TooSlow(BaseException):
    """A case took longer than `SLOW`; no handler of ordinary errors swallows it."""


def _alarm(number: int, frame: object) -> None:
    raise _TooSlow


def attempt(kind: str, path: Path) -> str | None:
    """What went wrong with one file, None if nothing."""
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(int(SLOW))
    begin = time.monotonic()
    try:
        wrong = _use(kind, path)
    except _TooSlow:
        wrong = "it hangs"
    except Exception:
        wrong = traceback.format_exc()
    finally:
        signal.alarm(0)
    return wrong or (f"{time.monotonic() - begin:.0f} s" if time.monotonic() - begin > SLOW else None)


def main(arguments: Sequence[str]) -> int:
    """See the module's text."""
    kind, count, seed, folder = arguments[0], int(arguments[1]), int(arguments[2]), Path(arguments[3])
    folder.mkdir(parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    for name in ("pipeline.cli.main", "reid.embedder", "trackers"):  # loading them is not part of the first case's time
        importlib.import_module(f"relaytrack.{name}")
    seeds, failed = SEEDS[kind](folder), 0
    for number in range(count):
        name, data = seeds[number % len(seeds)]
        path = folder / name
        path.write_bytes(mutate(data, np.random.default_rng((seed, number))))
        wrong = attempt(kind, path)
        if wrong is not None:
            failed += 1
            kept = folder / f"failed-{kind}-{number}{path.suffix}"
            kept.write_bytes(path.read_bytes())
            print(f"{kind} {number} ({kept}): {wrong}")
    print(f"{kind}: {count} cases, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
