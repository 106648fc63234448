"""Functions of random arrays against NumPy, SciPy and scikit-learn, in float64.

Arrays have few shapes, so that few programs are compiled. The tolerance is that of
rounding: so many float64 roundings, of the size of the numbers that are summed.
"""

import argparse
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from scipy import spatial, special, stats
from sklearn import metrics
from sklearn.feature_selection import _mutual_info as sklearn_information

from fault_campaigns.tally import Tally
from ibjax import measures
from ibjax.bottleneck import gaussian as gaussian_bottleneck
from ibjax.estimators import binning, discrete, gaussian, kde, knn, partitions

__all__ = ["case_differential"]

_EPS = np.finfo(np.float64).eps
# Sums of up to a few hundred terms of up to ten: 1e-12 would be ten times that.
_ROUNDINGS = 1e4
_TABLES = ((2, 2), (3, 5), (7, 2), (16, 16))
_SAMPLES = ((30, 1), (30, 3), (100, 1), (100, 2), (257, 4))
_CLASSES = (2, 3)


def case_differential(args: argparse.Namespace) -> dict[str, Any]:
    """Compares functions with independent ones."""
    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(args.seed)
    tally = Tally()
    names = list(_COMPARISONS)
    for _ in range(args.differential):
        name = names[rng.integers(len(names))]
        with tally.timed():
            found, expected = (
                np.asarray(value, np.float64) for value in _COMPARISONS[name](rng)
            )
            scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
            error = float(np.max(np.abs(found - expected), initial=0.0)) / scale
            # Written so that NaN is wrong too.
            right = found.shape == expected.shape and error <= _ROUNDINGS * _EPS
            tally.add("answered" if right else "silently wrong", f"{name}: {error:.1e}")
    return tally.row(f"{len(names)} functions in float64")


def _table(rng) -> np.ndarray:
    """A joint distribution, a third of its cells zero half of the time."""
    p = rng.dirichlet(np.full(math.prod(shape := _pick(rng, _TABLES)), 0.5))
    p = p.reshape(shape)
    if rng.random() < 0.5:
        p = np.where(rng.random(shape) < 1 / 3, 0.0, p)
        p[0, 0] += 1e-3
    return p / p.sum()


def _pick(rng, choices):
    return choices[int(rng.integers(len(choices)))]


def _samples(rng) -> np.ndarray:
    """Samples in one of several scales, of one of several distributions."""
    shape = _pick(rng, _SAMPLES)
    kind = rng.integers(3)
    x = rng.normal(size=shape) if kind == 0 else rng.standard_t(3, size=shape)
    x = rng.uniform(size=shape) if kind == 2 else x
    return x * _pick(rng, (1e-3, 1.0, 50.0)) + _pick(rng, (0.0, 7.0))


def _pair(rng) -> tuple[np.ndarray, np.ndarray]:
    x = _samples(rng)
    return x, x @ rng.normal(size=(x.shape[1], 2)) + x.std() * rng.normal(
        size=(len(x), 2)
    )


def _labels(rng, x) -> tuple[np.ndarray, int]:
    """Classes of which each has at least six samples."""
    num = _pick(rng, _CLASSES)
    labels = np.concatenate([np.arange(6 * num) % num, rng.integers(num, size=len(x))])
    return rng.permutation(labels[: len(x)]), num


def _information(p) -> float:
    product = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    return float(special.rel_entr(p, product).sum())


def _entropy(rng):
    p = _table(rng)
    return measures.entropy(p), special.entr(p).sum()


def _table_information(rng):
    p = _table(rng)
    return measures.mutual_information(p), _information(p)


def _conditional_entropy(rng):
    p = _table(rng)
    expected = special.entr(p).sum() - special.entr(p.sum(1)).sum()
    return measures.conditional_entropy(p), expected


def _divergence(rng):
    p = _table(rng).ravel()
    q = rng.dirichlet(np.ones(len(p)))
    return measures.kl_divergence(p, q), stats.entropy(p, q)


def _count_entropy(rng):
    counts = rng.integers(0, 50, size=_pick(rng, (2, 5, 40)))
    counts[0] += 1
    return discrete.entropy(counts), stats.entropy(counts)


def _miller_madow(rng):
    counts = rng.integers(0, 9, size=_pick(rng, (2, 5, 40)))
    counts[0] += 1
    expected = stats.entropy(counts) + (np.sum(counts > 0) - 1) / (2 * counts.sum())
    return discrete.entropy(counts, correction="miller_madow"), expected


def _cell_information(rng):
    num, size = 5, _pick(rng, (20, 100))
    x, y = rng.integers(num, size=(2, size))
    y = np.where(rng.random(size) < 0.5, x, y)
    found = discrete.mutual_information(x, y, num_x=num, num_y=num)
    return found, metrics.mutual_info_score(x, y)


def _same_rows(bins, found):
    """Clusters as sets: whether every pair of samples is in one."""
    same = (bins[:, None] == bins[None]).all(axis=2)
    found = np.asarray(found)
    return found[:, None] == found[None], same


def _clusters_by_edges(rng):
    x = _samples(rng)
    edges = np.sort(rng.uniform(x.min(), x.max(), size=_pick(rng, (3, 9))))
    bins = np.digitize(x, edges[1:])
    return _same_rows(bins, binning.clusters(x, edges=edges))


def _clusters_by_width(rng):
    x = _samples(rng)
    width = float(x.std() * rng.uniform(0.2, 2))
    return _same_rows(np.floor(x / width), binning.clusters(x, bin_width=width))


def _binned_layer(rng):
    x = _samples(rng)
    labels, num = _labels(rng, x)
    width = float(x.std() * rng.uniform(0.2, 2))
    _, rows = np.unique(np.floor(x / width), axis=0, return_inverse=True)
    found = binning.layer_information(x, labels, num_classes=num, bin_width=width)
    expected = stats.entropy(np.bincount(rows.ravel()))
    return found, (expected, metrics.mutual_info_score(rows.ravel(), labels))


def _range_edges(rng):
    x = _samples(rng)
    edges = np.linspace(x.min(), x.max(), 11)[:-1]
    return partitions.data_range_edges(x, num_bins=10), edges


def _distances(x, metric):
    return spatial.distance.cdist(x, x, metric)


def _kl_entropy(rng):
    x, k = _samples(rng), _pick(rng, (1, 3))
    n, d = x.shape
    nearest = np.sort(_distances(x, "euclidean"), axis=1)[:, k]
    ball = d / 2 * math.log(math.pi) - special.gammaln(d / 2 + 1)
    # With the logarithm for the digamma function of the number of samples.
    expected = math.log(n - 1) - special.digamma(k) + ball
    return knn.entropy(x, k=k), expected + d * np.log(nearest).mean()


def _ksg(rng):
    (x, y), k = _pair(rng), _pick(rng, (1, 3))
    dx, dy = (_distances(v, "chebyshev") for v in (x, y))
    radius = np.sort(np.maximum(dx, dy), axis=1)[:, k][:, None]
    # The sample itself is among those that are closer.
    counts = [special.digamma((d < radius).sum(axis=1)) for d in (dx, dy)]
    expected = special.digamma(k) + special.digamma(len(x)) - sum(counts).mean()
    return knn.ksg(x, y, k=k, ties=False), expected


def _ksg_of_sklearn(rng):
    (x, y), k = _pair(rng), _pick(rng, (1, 3))
    expected = sklearn_information._compute_mi_cc(x[:, 0], y[:, 0], k)
    # scikit-learn cuts off what is below zero.
    return np.maximum(knn.ksg(x[:, :1], y[:, :1], k=k, ties=False), 0), expected


def _ross(rng):
    x, k = _samples(rng)[:, :1], _pick(rng, (1, 3))
    labels, num = _labels(rng, x)
    expected = sklearn_information._compute_mi_cd(x[:, 0], labels, k)
    found = knn.ross(x, labels, num_classes=num, k=k, ties=False)
    return np.maximum(found, 0), expected


def _log_determinant(cov) -> float:
    return np.linalg.slogdet(cov)[1]


def _gaussian_entropy(rng):
    x = _samples(rng)
    cov = np.atleast_2d(np.cov(x.T))
    expected = (x.shape[1] * math.log(2 * math.pi * math.e) + _log_determinant(cov)) / 2
    return gaussian.entropy(x, bias_correction=False).value, expected


def _gaussian_information(rng):
    x, y = _pair(rng)
    dim = x.shape[1]
    cov = np.cov(np.hstack([x, y]).T)
    blocks = _log_determinant(cov[:dim, :dim]) + _log_determinant(cov[dim:, dim:])
    found = gaussian.mutual_information(x, y, bias_correction=False).value
    return found, (blocks - _log_determinant(cov)) / 2


def _normal_scores(rng):
    x = _samples(rng)
    ranks = stats.rankdata(x, axis=0)
    return gaussian.normal_scores(x), special.ndtri(ranks / (len(x) + 1))


def _covariance_information(rng):
    dim = _pick(rng, (1, 2, 4))
    a = rng.normal(size=(2 * dim, 4 * dim))
    cov = a @ a.T / (4 * dim)
    x, y, xy = cov[:dim, :dim], cov[dim:, dim:], cov[:dim, dim:]
    expected = _log_determinant(x) + _log_determinant(y) - _log_determinant(cov)
    return gaussian_bottleneck.mutual_information(x, y, xy), expected / 2


def _kde(rng):
    x = _samples(rng)
    labels, num = _labels(rng, x)
    variance = float(x.var() * rng.uniform(0.01, 1))
    squares = spatial.distance.cdist(x, x, "sqeuclidean")

    def bound(factor):
        def entropy(d):
            log_sums = special.logsumexp(-d / (factor * variance), axis=1)
            return math.log(len(d)) - log_sums.mean()

        whole = entropy(squares)
        parts = [
            (labels == y).mean() * entropy(squares[labels == y][:, labels == y])
            for y in range(num)
        ]
        return whole, whole - sum(parts)

    found = kde.layer_information(x, labels, num_classes=num, noise_variance=variance)
    return jax.tree.leaves(found), [*bound(8), *bound(2)]


_COMPARISONS: dict[str, Callable[[np.random.Generator], tuple[Any, Any]]] = {
    "measures.entropy": _entropy,
    "measures.mutual_information": _table_information,
    "measures.conditional_entropy": _conditional_entropy,
    "measures.kl_divergence": _divergence,
    "discrete.entropy": _count_entropy,
    "discrete.entropy, Miller and Madow": _miller_madow,
    "discrete.mutual_information": _cell_information,
    "binning.clusters by edges": _clusters_by_edges,
    "binning.clusters by width": _clusters_by_width,
    "binning.layer_information": _binned_layer,
    "partitions.data_range_edges": _range_edges,
    "knn.entropy": _kl_entropy,
    "knn.ksg": _ksg,
    "knn.ksg of one column": _ksg_of_sklearn,
    "knn.ross": _ross,
    "gaussian.entropy": _gaussian_entropy,
    "gaussian.mutual_information": _gaussian_information,
    "gaussian.normal_scores": _normal_scores,
    "bottleneck.gaussian.mutual_information": _covariance_information,
    "kde.layer_information": _kde,
}
