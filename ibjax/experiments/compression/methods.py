"""Kinds of images, compressors and estimators that are compared."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.datasets import image_pairs
from ibjax.estimators import density, knn, variational
from ibjax.estimators.variational.critics import SeparableCritic
from ibjax.estimators.whitening import whiten

__all__ = ["COMPRESSORS", "ESTIMATORS", "FAMILIES", "Estimator", "Family"]

COMPRESSORS = {
    "latents": "true latents",
    "autoencoder": "autoencoder",
    "pca": "principal components",
}
"""Titles of what compresses the images, by name."""


class Family(NamedTuple):
    """One kind of images.

    Attributes:
      label: Its name in figures and claims.
      draw: Draws pairs, as :func:`ibjax.datasets.image_pairs.gaussian_images`.
      dim: Latent numbers of an image.
    """

    label: str
    draw: Callable[..., image_pairs.ImagePairs]
    dim: int


class Estimator(NamedTuple):
    """One estimator of the information between codes.

    Attributes:
      label: Its name in figures and claims.
      run: Estimate from a key and samples of both sides.
      only: Informations at which it runs, and then on the first seed alone; None for
        all and every seed.
    """

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
"""Kinds of images, by name."""


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
            whiten(x).white, whiten(y).white, k=1, metric="euclidean", ties=False
        ),
    ),
    "mine": Estimator("MINE", _variational("mine"), only=(2, 5, 10)),
    "infonce": Estimator("InfoNCE", _variational("infonce"), only=(2, 5, 10)),
}
"""Estimators, by name."""
