"""Estimates from codes of pairs of images whose information is known."""

import dataclasses
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import claims
from ibjax.estimators import compression
from ibjax.experiments.choices import smaller
from ibjax.experiments.compression.claims import compression_claims
from ibjax.experiments.compression.figures import estimates_against_truth
from ibjax.experiments.compression.methods import ESTIMATORS, FAMILIES, Family
from ibjax.plots.files import save_figure
from ibjax.results.files import ResultsError, read_json, write_atomically

__all__ = ["CompressionOptions", "TITLE", "measure", "run"]

TITLE = "Estimators after compression (Butakov et al.)"

_TRAINING_IMAGES = 6000
_FAST = tuple(name for name, each in ESTIMATORS.items() if each.only is None)


@dataclass(frozen=True)
class CompressionOptions:
    """Pairs of images, and the estimators that are compared on their codes.

    Attributes:
      sizes: Pixels along a side of the images.
      information: True values of I(X;Y), in nats.
      families: Kinds of images.
      estimators: Estimators of the information between codes.
      seeds: Sets of pairs.
      pairs: Pairs of a set.
      steps: Training steps of an autoencoder.
    """

    sizes: tuple[int, ...] = (16, 32)
    information: tuple[float, ...] = (0, 1, 2, 3, 4, 5, 7.5, 10)
    families: tuple[Literal["gaussians", "rectangles"], ...] = tuple(FAMILIES)
    estimators: tuple[
        Literal["kde_ml", "kde_lse", "kl", "wkl", "ksg", "mine", "infonce"], ...
    ] = tuple(ESTIMATORS)
    seeds: int = 3
    pairs: int = 5000
    steps: int = 12_000

    def quick(self) -> "CompressionOptions":
        """The options of a small run; those that are not the defaults are kept."""
        found = smaller(self, information=(0, 5, 10), estimators=_FAST, steps=300)
        return dataclasses.replace(
            found, sizes=self.sizes[:1], pairs=min(self.pairs, 1000), seeds=2
        )


def run(
    options: CompressionOptions,
    output: Path,
    *,
    quick: bool = False,
    sources: Sequence[Path] = (),
    command: str = "",
) -> str:
    """Make the estimates or read them, draw them, and write them with their claims.

    Args:
      options: What is estimated.
      output: Directory to write to.
      quick: Whether to make a small run of it.
      sources: Files of estimates to put together instead of making any.
      command: The command that runs this.

    Returns:
      The claims, in Markdown.
    """
    if sources:
        # Estimates of several machines, of which each made some.
        content, *others = map(_read, sources)
        for other in others:
            content["estimates"] += other["estimates"]
            content["command"] += "; " + other["command"]
            content["wall_seconds"] += other["wall_seconds"]
    else:
        options = options.quick() if quick else options
        start = time.perf_counter()
        rows = list(measure(options))
        content = {
            "command": command,
            "devices": [str(device) for device in jax.devices()],
            "versions": {name: version(name) for name in ("jax", "jaxlib", "numpy")}
            | {"python": platform.python_version()},
            "configuration": {
                "pairs": options.pairs,
                "seeds": options.seeds,
                "steps": options.steps,
                "training_images": _TRAINING_IMAGES,
                "precision": "float32",
            },
            "wall_seconds": time.perf_counter() - start,
            "estimates": rows,
        }
    return _write(content, output)


def _read(path: Path) -> dict[str, Any]:
    """Estimates of an earlier run."""
    content = read_json(path)
    needed = {"command", "configuration", "estimates", "wall_seconds"}
    if not isinstance(content, dict) or not needed <= content.keys():
        raise ResultsError(f"{path} holds no estimates of this experiment")
    return content


def measure(options: CompressionOptions) -> Iterator[dict[str, Any]]:
    """Estimates, one dictionary each, in the order of computation."""
    for family_name in options.families:
        family = FAMILIES[family_name]
        for size in options.sizes:
            compressors = _fit_compressors(family, size, options.steps)
            # Latent numbers know no size: once is enough.
            first = size == options.sizes[0]
            for name, compressor in compressors.items():
                if name == "latents" and not first:
                    continue
                for seed in range(options.seeds):
                    for information in options.information:
                        row = {
                            "family": family_name,
                            "size": size if name != "latents" else None,
                            "compressor": name,
                            "information": information,
                            "seed": seed,
                        }
                        yield from _estimate(options, family, size, compressor, row)
                print(f"{family_name} {size} {name}: done", file=sys.stderr)


def _fit_compressors(family: Family, size: int, steps: int) -> dict[str, Any]:
    """Compressors of single images, by name; they serve both sides of a pair."""
    key_images, key_fit = jax.random.split(jax.random.key(1))
    single = family.draw(key_images, _TRAINING_IMAGES, information=0.0, size=size).x
    start = time.perf_counter()
    autoencoder = compression.autoencoder_fit(
        key_fit, single, dim=family.dim, num_steps=steps
    )
    # JAX returns before it is done; the time is that of the fit.
    jax.block_until_ready(autoencoder.losses)
    seconds = time.perf_counter() - start
    print(f"{family.label} {size}: autoencoder in {seconds:.0f} s", file=sys.stderr)
    return {
        "latents": None,
        "autoencoder": autoencoder,
        "pca": compression.pca_fit(single, family.dim),
    }


def _estimate(
    options: CompressionOptions,
    family: Family,
    size: int,
    compressor: Any,
    row: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """One set of pairs by every estimator."""
    # The same normal variables at every information: curves are smooth.
    key_pairs, key_estimator = jax.random.split(jax.random.key(1000 + row["seed"]))
    pairs = family.draw(
        key_pairs, options.pairs, information=row["information"], size=size
    )
    for name in options.estimators:
        estimator = ESTIMATORS[name]
        few = estimator.only is not None
        # Slow ones run on one seed and some values alone.
        if few and (row["seed"] > 0 or row["information"] not in estimator.only):
            continue
        start = time.perf_counter()
        if compressor is None:
            result = estimator.run(key_estimator, pairs.latents_x, pairs.latents_y)
            value, error_x, error_y = getattr(result, "value", result), 0.0, 0.0
        else:
            value, _, _, error_x, error_y, _, _ = compression.compressed_information(
                partial(estimator.run, key_estimator),
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


def _write(content: dict[str, Any], output: Path) -> str:
    """Write estimates, figures and claims, and return the claims in Markdown."""
    rows = content["estimates"]
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
    write_atomically(output / "estimates.json", text + "\n")
    for size in sorted({row["size"] for row in rows if row["size"] is not None}):
        save_figure(estimates_against_truth(rows, size), output / f"compression_{size}")
    found = compression_claims(
        rows,
        families={name: family.label for name, family in FAMILIES.items()},
        # Only what ran on all seeds and values is compared.
        estimators={name: ESTIMATORS[name].label for name in _FAST},
    )
    conditions = {k: v for k, v in content.items() if k != "estimates"}
    return claims.write_claims(output, found, title=TITLE, **conditions)


def _plain(value: Any) -> float | None:
    value = float(jnp.asarray(value))
    # JSON has neither NaN nor infinity.
    return value if np.isfinite(value) else None
