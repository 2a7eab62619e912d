"""`relaytrack reid eval`."""

from __future__ import annotations

import argparse

from relaytrack.reid.paths import file_path

HELP = "score weights on any data set: rank-1/5/10, mAP, mINP, re-ranked too"
EPILOG = """examples:
  relaytrack reid eval --dataset market1501 --root /data
  relaytrack reid eval --weights out/reid/weights.safetensors --dataset folder --root my_people --rerank --json

Any weights can be scored on any data set (cross-dataset evaluation); --validation scores and calibrates on the
identities that training holds out and leaves query and gallery alone."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--dataset, --root, --rerank, --validation, --json and the weights."""
    from relaytrack.reid.commands.common import add_weights

    add_weights(parser)
    parser.add_argument(
        "--dataset",
        default="market1501",
        metavar="NAME",
        help="data set (default: market1501; see relaytrack reid --help)",
    )
    parser.add_argument("--root", type=file_path, required=True, metavar="DIR", help="its folder (for csv: the file)")
    parser.add_argument("--rerank", action="store_true", help="k-reciprocal re-ranking as well")
    parser.add_argument(
        "--validation", action="store_true", help="the held-out training identities instead, and the threshold on them"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Print the scores."""
    import json

    from relaytrack.reid.commands.common import embedder_of
    from relaytrack.reid.datasets.factory import hold_out, load_tested, load_train
    from relaytrack.reid.file_embeddings import embed_paths

    if args.validation:
        train = load_train(args.dataset, args.root)
    else:
        made = load_tested(args.dataset, args.root)
    embedder = embedder_of(args)
    result: dict[str, object] = {
        "dataset": args.dataset,
        "weights": str(embedder.weights),
        "trained_on": embedder.info.dataset,
        "cross_dataset": args.dataset not in embedder.info.datasets,
        "flip": args.flip,
    }
    if args.validation:
        from relaytrack.reid.evaluation.embed import evaluate_split
        from relaytrack.reid.evaluation.threshold import calibrate
        from relaytrack.reid.training.held_out import need_scorable, readable

        held = readable(hold_out(args.dataset, train)[1])
        need_scorable(f"{args.dataset}, validation", held)
        embeddings = embed_paths(embedder, held.paths)
        result["validation"] = evaluate_split(held, embeddings).to_dict()
        result["calibration"] = calibrate(embeddings, held.ids, held.cameras).to_dict()
    else:
        from relaytrack.reid.evaluation.protocol import score

        scores = score(made, lambda paths: embed_paths(embedder, list(paths)), with_rerank=args.rerank)
        result |= {name: value.to_dict() for name, value in scores.items()}
    print(json.dumps(result) if args.json else _table(result))
    return 0


def _table(result: dict[str, object]) -> str:
    lines = [f"{result['dataset']} with {result['weights']}"]
    if result["cross_dataset"]:
        lines.append(f"cross-dataset: the weights learned from {result['trained_on'] or 'an unknown data set'}")
    for name in ("single_query", "reranked", "validation"):
        scores = result.get(name)
        if isinstance(scores, dict):
            figures = "  ".join(f"{key} {scores[key]:.2%}" for key in ("rank1", "rank5", "rank10"))
            lines.append(
                f"{name.replace('_', ' '):13s} {figures}  mAP {scores['mean_ap']:.2%}  mINP {scores['mean_inp']:.2%}"
                f"  ({scores['queries']:,} queries)"
            )
    calibration = result.get("calibration")
    if isinstance(calibration, dict):
        for name in ("equal_error", "strict"):
            point = calibration[name]
            lines.append(
                f"{name.replace('_', ' '):13s} cosine >= {point['threshold']:.4f}: false accepts "
                f"{point['false_accept']:.3%}, false rejects {point['false_reject']:.3%}"
            )
    return "\n".join(lines)
