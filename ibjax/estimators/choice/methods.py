"""Estimators of samples by name, each with what is to be known of it before its use.

A new one is its module and one row in :data:`METHODS`; what there is to be wary of is
asked of the row, nowhere of its name.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import special

from ibjax.estimators import density, discrete, gaussian, knn, variational

__all__ = ["METHODS", "Method", "default_weighted_neighbours"]


class Method(NamedTuple):
    """An estimator of I(X;Y).

    Attributes:
      variables: What it is for: "continuous", "label" or "either" (a continuous
        variable with another, with a label, or both) or "discrete".
      run: ``run(x, y, num_classes, options)``, or with a key before the others for
        critics, returns a number, or a tuple with ``value`` and ``standard_error``.
        ``y`` holds labels if ``num_classes`` is not None; with two labels it is a
        pair.
      error: Where its standard error comes from: "subsampling", "jackknife" or "own".
      trained: Whether it is a critic, which is not trained anew to find its error.
      counts_copies: Whether it is right where columns repeat values.
      needs_density: Whether its value means nothing for variables without a density.
      largest: ``largest(num_samples, options)``, the most that it shows of continuous
        variables, in nats, and what that is called; None where a result says so itself.
      weights: Kind of the weights of its neighbours, which can magnify errors.
      not_finite: Reason of a value that is not finite, if there is only one.
    """

    variables: str
    run: Callable[..., Any]
    error: str = "subsampling"
    trained: bool = False
    counts_copies: bool = False
    needs_density: bool = False
    largest: Callable[[int, dict[str, Any]], tuple[float, str]] | None = None
    weights: str | None = None
    not_finite: str = ""


def default_weighted_neighbours(x: np.ndarray, y: np.ndarray) -> int:
    """Neighbours for weighted entropies: N^(1/3), but several times the dimension."""
    dim = sum(a.shape[1] for a in (x, y) if a.ndim == 2)
    return min(max(round(len(x) ** (1 / 3)), 4 * dim), len(x) // 3)


# Estimators are looked up in their modules at every call: a program may replace them.


def _ksg(variant: int) -> Method:
    def run(x, y, num_classes, options):
        return knn.ksg(x, y, variant=variant, **options)

    def largest(num_samples, options):
        k = options.get("k", 3)
        most = float(special.digamma(num_samples) - special.digamma(k))
        return most, "psi(N) - psi(k), the most that KSG shows of distinct samples"

    return Method("continuous", run, counts_copies=True, largest=largest)


def _ross(x, y, num_classes, options):
    return knn.ross(x, y, num_classes=num_classes, **options)


def _neighbour_entropies(weights: str | None) -> Method:
    fixed = {} if weights is None else {"weights": weights}

    def run(x, y, num_classes, options):
        if fixed:
            # Chosen anew for every part of the samples that an error is found from.
            options = {"k": default_weighted_neighbours(x, y)} | options
        if num_classes is None:
            return knn.mutual_information(x, y, **fixed, **options)
        return knn.class_information(x, y, num_classes=num_classes, **fixed, **options)

    return Method(
        "either",
        run,
        counts_copies=True,
        needs_density=True,
        weights=weights,
        not_finite="repeated samples have no differential entropy",
    )


def _density(bandwidth: str) -> Method:
    def run(x, y, num_classes, options):
        if num_classes is None:
            return density.mutual_information(x, y, bandwidth=bandwidth, **options)
        return density.class_information(
            x, y, num_classes=num_classes, bandwidth=bandwidth, **options
        )

    return Method("either", run, "own", needs_density=True)


def _gaussian(x, y, num_classes, options):
    return gaussian.mutual_information(x, y, **options)


def _copula(x, y, num_classes, options):
    return gaussian.copula_information(x, y, **options)


def _discrete(x, y, num_classes, options):
    num_x, num_y = num_classes
    options = {"correction": "grassberger"} | options
    return discrete.mutual_information(x, y, num_x=num_x, num_y=num_y, **options)


def _critic(objective: str) -> Method:
    def run(key, x, y, num_classes, options):
        if num_classes is not None:
            y = jax.nn.one_hot(y, num_classes, dtype=x.dtype)
        return variational.fit(key, x, y, objective=objective, **options)

    return Method(
        "either",
        run,
        "own",
        trained=True,
        not_finite="training diverged; lower learning_rate",
    )


METHODS = {
    "ksg": _ksg(1),
    "ksg2": _ksg(2),
    "ross": Method("label", _ross, counts_copies=True),
    "kl": _neighbour_entropies(None),
    "wkl": _neighbour_entropies("bsy"),
    "wkl-butakov": _neighbour_entropies("butakov"),
    "kde-ml": _density("likelihood"),
    "kde-ls": _density("least_squares"),
    "gaussian": Method("continuous", _gaussian, "jackknife"),
    "copula": Method("continuous", _copula, "jackknife"),
    "discrete": Method("discrete", _discrete, "jackknife"),
    "infonce": _critic("infonce"),
    "dv": _critic("donsker_varadhan"),
    "mine": _critic("mine"),
    "nwj": _critic("nwj"),
    "smile": _critic("smile"),
    "club": _critic("club"),
}
"""Estimators by name: ``"ksg"`` and ``"ksg2"`` (both variants), ``"ross"`` (with a
label), ``"kl"``, ``"wkl"`` and ``"wkl-butakov"`` (entropies of neighbours' distances),
``"kde-ml"`` and ``"kde-ls"`` (entropies of kernel densities), ``"gaussian"`` and
``"copula"``, ``"discrete"`` (two labels), and the trained critics ``"infonce"``,
``"dv"``, ``"mine"``, ``"nwj"``, ``"smile"`` and ``"club"``."""
