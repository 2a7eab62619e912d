"""What the installed weights are: licence, size, cost and results, read from the files themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from relaytrack.reid.checkpoint import WeightsInfo, load_info, load_model
from relaytrack.reid.installed import DEFAULT, installed_weights, int8_form
from relaytrack.reid.onnx_weights import onnx_info, read_onnx, size_of
from relaytrack.reid.precision import cpu_has_int8


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One set of weights.

    Attributes:
        name: what settings call it.
        default: whether it is taken where settings name none.
        file: its file name in the package's weights folder.
        licence: of the weights.
        dataset: what they were trained on, as far as is known.
        bytes: size of the file.
        parameters: numbers in the network.
        multiplications: for one crop.
        threshold: cosine from which two crops are the same person, or None.
        scores: (data set or "validation people", rank-1, mAP), parts of 1.
        milliseconds: per crop in batches of 16 on this machine, or None where it was not measured.
        int8_form: the file of its 8-bit form, None where there is none or it is one itself.
        int8_taken: whether `embedder.precision: auto` takes that form on this machine's CPU.
    """

    name: str
    default: bool
    file: str
    licence: str
    dataset: str
    bytes: int
    parameters: int
    multiplications: int
    threshold: float | None
    scores: tuple[tuple[str, float, float], ...]
    milliseconds: float | None = None
    int8_form: str | None = None
    int8_taken: bool = False


def catalogue() -> list[Entry]:
    """All installed weights, the default ones first.

    Raises:
        WeightsError: a file of the package is damaged.
    """
    known = installed_weights()
    chosen = known.pop(DEFAULT, None)
    entries = [_entry(name, path, path == chosen) for name, path in known.items()]
    return sorted(entries, key=lambda entry: not entry.default)


def with_times(entries: Sequence[Entry], *, threads: int | None = None, rounds: int = 10) -> list[Entry]:
    """The entries with milliseconds per crop on this machine's CPU, all measured in turn.

    Args:
        entries: of `catalogue`.
        threads: CPU threads; None for all cores.
        rounds: timed runs of each.
    """
    from relaytrack.reid.embedder import Embedder
    from relaytrack.reid.latency import measure_latency

    embedders = [Embedder(entry.name, "cpu", threads=threads) for entry in entries]
    rows = measure_latency(embedders, batches=[16], rounds=rounds)
    return [dataclasses.replace(entry, milliseconds=row.median) for entry, row in zip(entries, rows, strict=True)]


def _entry(name: str, path: Path, default: bool) -> Entry:
    if path.suffix == ".onnx":
        proto = read_onnx(path)
        info, (parameters, multiplications) = onnx_info(proto), size_of(proto)
    else:
        from relaytrack.reid.cost import count_macs

        info, model = load_info(path), load_model(path)
        parameters, multiplications = sum(tensor.numel() for tensor in model.parameters()), count_macs(model)
    form = int8_form(path)
    return Entry(
        name,
        default,
        path.name,
        info.licence or "see LICENSE-WEIGHTS.txt",
        info.dataset,
        path.stat().st_size,
        parameters,
        multiplications,
        info.threshold,
        tuple(_scores(info)),
        int8_form=form.name if form is not None and form != path else None,
        int8_taken=form is not None and form != path and cpu_has_int8(),
    )


def _scores(info: WeightsInfo) -> list[tuple[str, float, float]]:
    """Each rank-1 with its mAP, by what stands before them in the results' names."""
    results: Mapping[str, float] = info.results
    found = []
    for key, rank1 in sorted(results.items()):
        people, _, figure = key.rpartition("/")
        mean_ap = results.get(f"{people}/mean_ap")
        if figure == "rank1" and mean_ap is not None:
            kind, _, dataset = people.partition("/")
            if kind == "validation":
                people = f"validation people of {dataset}" if dataset else "validation people"
            found.append((people, rank1, mean_ap))
    return found
