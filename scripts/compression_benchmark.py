"""Estimators after compression, on pairs of images of known mutual information.

Draws pairs of images (Gaussian blobs and rectangles) with a set mutual information,
compresses them by principal components and by an autoencoder, and estimates the
information between the codes. The same estimators on the latent numbers that the images
were drawn from tell the error of estimation from that of compression. One compressor
serves both sides and every information: it is fitted to other, single images.

    python scripts/compression_benchmark.py --output results/compression
    python scripts/compression_benchmark.py --quick --output results/compression-quick
    python scripts/compression_benchmark.py --from results/compression/estimates.json

The claims are about the estimator that does best up to 5 nats, chosen with the truth at
hand: they say what is possible, not what a choice made without it would give.

KDE, MINE and InfoNCE take long: they run on the first set of pairs only, and at a few
of the informations. ``--from`` takes several files and puts their estimates together.

Written into the output directory: ``compression_16`` and ``compression_32`` (the sizes)
as PNG and PDF, ``estimates.json`` with every estimate and the conditions, and
``claims.json`` and ``claims.md``. Everything is in nats.
"""

import argparse
import json
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from ibjax import claims
from ibjax.datasets import image_pairs
from ibjax.estimators import compression, density, knn, variational
from ibjax.estimators.variational.critics import SeparableCritic
from ibjax.estimators.whitening import whiten
from ibjax.experiments.compression.claims import compression_claims
from ibjax.plots.files import save_figure
from ibjax.plots.style import layer_colors, paper_style
from ibjax.results.files import write_atomically

TRAINING_IMAGES = 6000
MARKERS = ("o", "s", "^", "v", "D", "x", "+")
COMPRESSORS = {
    "latents": "true latents",
    "autoencoder": "autoencoder",
    "pca": "principal components",
}


class Family(NamedTuple):
    """One kind of images."""

    label: str
    draw: Callable[..., image_pairs.ImagePairs]
    dim: int


class Estimator(NamedTuple):
    """One estimator; one with ``only`` runs on the first seed and at these values."""

    label: str
    run: Callable[[jax.Array, jax.Array, jax.Array], Any]
    only: tuple[float, ...] | None = None


FAMILIES = {
    "gaussians": Family(
        "Gaussians", image_pairs.gaussian_images, image_pairs.GAUSSIAN_DIM
    ),
    "rectangles": Family(
        "rectangles", image_pairs.rectangle_images, image_pairs.RECTANGLE_DIM
    ),
}


def _variational(objective: str) -> Callable[[jax.Array, jax.Array, jax.Array], Any]:
    def run(key, x, y):
        return variational.fit(
            key,
            x,
            y,
            objective=objective,
            critic=SeparableCritic(),
            num_steps=2000,
            batch_size=min(512, len(x) // 4),
        )

    return run


def _entropies(
    x: jax.Array, y: jax.Array, entropy: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """I(X;Y) from three entropies, each of whitened samples."""

    def of(samples):
        white, log_determinant, *_ = whiten(samples)
        return entropy(white) + log_determinant / 2

    return of(x) + of(y) - of(jnp.concatenate([x, y], axis=1))


# Nearest neighbours: the first alone, as at high information any further one is too
# far; the norm of whitened codes is Euclidean, whose balls no rotation changes.
ESTIMATORS = {
    "kde_ml": Estimator(
        "KDE, likelihood",
        lambda key, x, y: density.mutual_information(x, y, bandwidth="likelihood"),
        only=(0, 2, 5, 7.5, 10),
    ),
    "kde_lse": Estimator(
        "KDE, least squares",
        lambda key, x, y: density.mutual_information(x, y, bandwidth="least_squares"),
        only=(0, 2, 5, 7.5, 10),
    ),
    "kl": Estimator(
        "KL",
        lambda key, x, y: _entropies(x, y, partial(knn.entropy, k=1)),
    ),
    "wkl": Estimator(
        "WKL",
        lambda key, x, y: _entropies(
            x, y, partial(knn.weighted_entropy, k=5, weights="butakov")
        ),
    ),
    "ksg": Estimator(
        "KSG",
        lambda key, x, y: knn.ksg(
            whiten(x).white, whiten(y).white, k=1, metric="euclidean"
        ),
    ),
    "mine": Estimator("MINE", _variational("mine"), only=(2, 5, 10)),
    "infonce": Estimator("InfoNCE", _variational("infonce"), only=(2, 5, 10)),
}


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    if args.estimates is not None:
        content, *others = (json.loads(file.read_text()) for file in args.estimates)
        for other in others:
            content["estimates"] += other["estimates"]
            content["command"] += "; " + other["command"]
            content["wall_seconds"] += other["wall_seconds"]
    else:
        start = time.perf_counter()
        rows = list(measure(args))
        content = {
            "command": shlex.join(["python", *sys.argv]),
            "devices": [str(device) for device in jax.devices()],
            "versions": {name: version(name) for name in ("jax", "jaxlib", "numpy")}
            | {"python": platform.python_version()},
            "configuration": {
                "pairs": args.pairs,
                "seeds": args.seeds,
                "steps": args.steps,
                "training_images": TRAINING_IMAGES,
                "precision": "float32",
            },
            "wall_seconds": time.perf_counter() - start,
            "estimates": rows,
        }
    write(content, args.output)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[16, 32], help="pixels along a side"
    )
    parser.add_argument(
        "--information", type=float, nargs="+", help="true values, nats (0 to 10)"
    )
    parser.add_argument(
        "--families", nargs="+", choices=FAMILIES, default=list(FAMILIES)
    )
    parser.add_argument(
        "--estimators", nargs="+", choices=ESTIMATORS, help="all (quick: the fast ones)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="sets of pairs (3)")
    parser.add_argument("--pairs", type=int, default=5000, help="pairs of a set (5000)")
    parser.add_argument(
        "--steps",
        type=int,
        help="training steps of an autoencoder (12000; 300 with --quick)",
    )
    parser.add_argument("--quick", action="store_true", help="a small run, to try it")
    parser.add_argument("--output", type=Path, default=Path("compression_benchmark"))
    parser.add_argument(
        "--from",
        dest="estimates",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="draw the estimates in these files instead of making them",
    )
    args = parser.parse_args(arguments)
    if args.quick:
        args.sizes, args.pairs, args.seeds = args.sizes[:1], min(args.pairs, 1000), 2
        args.steps = args.steps or 300
    args.steps = args.steps or 12000
    if args.estimators is None:
        fast = [name for name, each in ESTIMATORS.items() if each.only is None]
        args.estimators = fast if args.quick else list(ESTIMATORS)
    if args.information is None:
        args.information = [0, 5, 10] if args.quick else [0, 1, 2, 3, 4, 5, 7.5, 10]
    return args


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every estimate, one dictionary each, in the order of computation."""
    for family_name in args.families:
        family = FAMILIES[family_name]
        for size in args.sizes:
            compressors = fit_compressors(family, size, args.steps)
            # Latent numbers know no size: once is enough.
            first = size == args.sizes[0]
            for name, compressor in compressors.items():
                if name == "latents" and not first:
                    continue
                for seed in range(args.seeds):
                    for information in args.information:
                        row = {
                            "family": family_name,
                            "size": size if name != "latents" else None,
                            "compressor": name,
                            "information": information,
                            "seed": seed,
                        }
                        yield from estimate(args, family, size, compressor, row)
                print(f"{family_name} {size} {name}: done", file=sys.stderr)


def fit_compressors(family: Family, size: int, steps: int) -> dict[str, Any]:
    key_images, key_fit = jax.random.split(jax.random.key(1))
    single = family.draw(key_images, TRAINING_IMAGES, information=0.0, size=size).x
    start = time.perf_counter()
    autoencoder = compression.autoencoder_fit(
        key_fit, single, dim=family.dim, num_steps=steps
    )
    jax.block_until_ready(autoencoder.losses)
    seconds = time.perf_counter() - start
    print(f"{family.label} {size}: autoencoder in {seconds:.0f} s", file=sys.stderr)
    return {
        "latents": None,
        "autoencoder": autoencoder,
        "pca": compression.pca_fit(single, family.dim),
    }


def estimate(
    args: argparse.Namespace,
    family: Family,
    size: int,
    compressor: Any,
    row: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    # The same normal variables at every information: curves are smooth.
    key_pairs, key_estimator = jax.random.split(jax.random.key(1000 + row["seed"]))
    pairs = family.draw(
        key_pairs, args.pairs, information=row["information"], size=size
    )
    for name in args.estimators:
        estimator = ESTIMATORS[name]
        few = estimator.only is not None
        if few and (row["seed"] > 0 or row["information"] not in estimator.only):
            continue
        start = time.perf_counter()
        if compressor is None:
            result = estimator.run(key_estimator, pairs.latents_x, pairs.latents_y)
            value, error_x, error_y = getattr(result, "value", result), 0.0, 0.0
        else:
            value, _, _, error_x, error_y, _, _ = compression.compressed_information(
                lambda x, y, run=estimator.run: run(key_estimator, x, y),
                compressor,
                pairs.x,
                compressor,
                pairs.y,
            )
        yield row | {
            "estimator": name,
            "value": _plain(value),
            "relative_error_x": _plain(error_x),
            "relative_error_y": _plain(error_y),
            "seconds": time.perf_counter() - start,
        }


def write(content: dict[str, Any], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    rows = content["estimates"]
    write_atomically(output / "estimates.json", _json(content))
    for size in sorted({row["size"] for row in rows if row["size"] is not None}):
        figure = draw(rows, size)
        save_figure(figure, output / f"compression_{size}")
    found = compression_claims(
        rows,
        families={name: family.label for name, family in FAMILIES.items()},
        # Only what ran on all seeds and values is compared.
        estimators={
            name: each.label for name, each in ESTIMATORS.items() if each.only is None
        },
    )
    conditions = {k: v for k, v in content.items() if k != "estimates"}
    title = "Estimators after compression (Butakov et al.)"
    print(claims.write_claims(output, found, title=title, **conditions))
    print(f"Written to {output}", file=sys.stderr)


def draw(rows: list[dict[str, Any]], size: int) -> Figure:
    """Estimates against the truth: families down, compressors across."""
    names = [name for name in ESTIMATORS if any(r["estimator"] == name for r in rows)]
    colors = dict(zip(ESTIMATORS, layer_colors(len(ESTIMATORS)), strict=True))
    markers = dict(zip(ESTIMATORS, MARKERS, strict=True))
    families = [name for name in FAMILIES if any(r["family"] == name for r in rows)]
    end = max(row["information"] for row in rows) or 1.0
    with paper_style():
        figure = Figure(figsize=(7.0, 0.7 + 2.1 * len(families)), layout="constrained")
        panels = figure.subplots(
            len(families), len(COMPRESSORS), sharex=True, sharey=True, squeeze=False
        )
        for line, family in enumerate(families):
            for axes, (compressor, title) in zip(
                panels[line], COMPRESSORS.items(), strict=True
            ):
                axes.fill_between(
                    [0, end], [-0.5, end - 0.5], [0.5, end + 0.5], color="0.92", lw=0
                )
                axes.plot([0, end], [0, end], color="0.5", lw=0.8, ls=(0, (4, 2)))
                for name in names:
                    values = mean_values(rows, family, size, compressor, name)
                    axes.plot(
                        list(values),
                        list(values.values()),
                        color=colors[name],
                        marker=markers[name],
                        markersize=3.5,
                        linewidth=1.0,
                        # In four joint dimensions it is KL: both are to be seen.
                        linestyle="--" if name == "wkl" else "-",
                        label=ESTIMATORS[name].label,
                    )
                axes.set_xlim(-0.02 * end, 1.02 * end)
                # KL of components reaches further down; the diagonal is what matters.
                axes.set_ylim(-1.0, 1.02 * end)
                axes.set_xticks(np.linspace(0, end, 6))
                if line == 0:
                    axes.set_title(title)
                if line == len(families) - 1:
                    axes.set_xlabel("true I(X;Y), nats")
            panels[line][0].set_ylabel(f"{FAMILIES[family].label}\nestimate, nats")
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def mean_values(
    rows: list[dict[str, Any]], family: str, size: int, compressor: str, name: str
) -> dict[float, float]:
    """Mean over seeds at every information, in order."""
    values: dict[float, list[float]] = {}
    for row in rows:
        if (row["family"], row["compressor"], row["estimator"]) == (
            family,
            compressor,
            name,
        ) and row["size"] in (None, size):
            value = np.nan if row["value"] is None else row["value"]
            values.setdefault(row["information"], []).append(value)
    return {key: float(np.mean(values[key])) for key in sorted(values)}


def _plain(value: Any) -> float | None:
    value = float(jnp.asarray(value))
    return value if np.isfinite(value) else None


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
