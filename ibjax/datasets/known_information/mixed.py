r"""Variables that repeat values, or are labels, and their mutual information.

ReLU and saturated units, rounded numbers and counts have atoms: single values with a
probability of their own. Information is then a sum over atoms and an integral over
what lies between them of the logarithm of :math:`dP_{XY} / d(P_X P_Y)`, which is taken
here by Gauss-Legendre quadrature in float64. Classes are two, equally likely, int32.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special, stats

from ibjax.datasets.known_information.families import KnownInformation
from ibjax.numerics import checks

__all__ = [
    "clipped_classes",
    "clipped_normal",
    "mixed_tasks",
    "poisson_classes",
    "poisson_sum",
    "rounded_classes",
    "rounded_normal",
    "uniform_steps",
    "zero_inflated_normal",
    "zero_inflated_poisson",
]

# A normal variable is beyond with a probability of 1e-23.
_FAR = 10.0
# Further out, or of more cells, a table has no room in memory.
_SHIFTS = "[-1000000, 1000000]"
_LARGEST_RATE = 1e6
_MOST_CELLS = 2**22
_NODES = 200
_NODES_OF_CELL = 16
_ROUNDING = 1e-14


def zero_inflated_normal(zeros: float, correlation: float) -> KnownInformation:
    r"""Correlated normal X and Y, each zero instead, independently, by chance.

    :math:`I = -\frac12 (1 - p)^2 \log (1 - \rho^2)`: a zero tells nothing.

    Args:
      zeros: Probability p of a zero, in [0, 1).
      correlation: Correlation of what is not zero, in (-1, 1).

    Example:
      >>> print(f"{zero_inflated_normal(0.5, 0.8).mutual_information:.4f} nats")
      0.1277 nats
    """
    checks.in_range("zeros", zeros, "[0, 1)")
    value = (1 - zeros) ** 2 * _normal(correlation)

    def sample(key, num_samples):
        key, key_zeros = jax.random.split(key)
        pair = _normal_pair(key, num_samples, correlation)
        kept = jax.random.uniform(key_zeros, (2 * num_samples,)) >= zeros
        return _columns(jnp.where(kept.reshape(2, -1), pair, 0.0))

    name = f"zero-inflated-normal-{zeros:g}-{correlation:g}"
    return KnownInformation(name, 1, 1, value, sample)


def clipped_normal(
    correlation: float, low: float = 0.0, high: float = math.inf
) -> KnownInformation:
    """Correlated normal X and Y, each cut off at both ends: a ReLU by default.

    Args:
      correlation: Correlation before the cut, in (-1, 1).
      low: Smallest value.
      high: Largest value.

    Example:
      >>> print(f"{clipped_normal(0.8).mutual_information:.4f} nats")
      0.3464 nats
    """
    _normal(correlation)
    _check_ends(low, high)
    value = _clipped_information(correlation, low, high)

    def sample(key, num_samples):
        pair = _normal_pair(key, num_samples, correlation)
        return _columns(jnp.clip(pair, low, high))

    name = f"clipped-normal-{correlation:g}-{low:g}-{high:g}"
    return KnownInformation(name, 1, 1, value, sample)


def rounded_normal(correlation: float, step: float) -> KnownInformation:
    """Correlated normal X and Y, each rounded to multiples of a step.

    Args:
      correlation: Correlation before rounding, in (-1, 1).
      step: The step, positive.

    Example:
      >>> print(f"{rounded_normal(0.8, 1.0).mutual_information:.4f} nats")
      0.3942 nats
    """
    _normal(correlation)
    edges = _cell_edges(step, _FAR)
    noise = math.sqrt(1 - correlation**2)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES_OF_CELL)
    x = (edges[:-1] + edges[1:])[:, None] / 2 + step / 2 * nodes[None]
    weights = weights[None] * step / 2 * stats.norm.pdf(x)
    cuts = (edges[None, None] - correlation * x[..., None]) / noise
    within = np.diff(special.ndtr(cuts), axis=-1)
    value = _table_information(np.einsum("ij,ijk->ik", weights, within))

    def sample(key, num_samples):
        pair = _normal_pair(key, num_samples, correlation)
        return _columns(jnp.round(pair / step) * step)

    name = f"rounded-normal-{correlation:g}-{step:g}"
    return KnownInformation(name, 1, 1, value, sample)


def poisson_sum(shared: float, own: float) -> KnownInformation:
    """Poisson counts X = A + C and Y = B + C, floating.

    Args:
      shared: Rate of C, positive.
      own: Rate of A and of B, positive.

    Example:
      >>> print(f"{poisson_sum(2.0, 1.0).mutual_information:.4f} nats")
      0.2913 nats
    """
    _check_rate("shared", shared)
    _check_rate("own", own)
    counts = _counts(shared + own)
    of_own = stats.poisson.pmf(counts[:, None] - counts[None], own)  # [x, c]
    joint = of_own * stats.poisson.pmf(counts, shared)[None] @ of_own.T
    value = _table_information(joint)

    def sample(key, num_samples):
        rates = jnp.asarray([own, own, shared])[:, None]
        a, b, c = jax.random.poisson(key, rates, (3, num_samples)).astype(float)
        return _columns((a + c, b + c))

    return KnownInformation(f"poisson-sum-{shared:g}-{own:g}", 1, 1, value, sample)


def zero_inflated_poisson(zeros: float) -> KnownInformation:
    """Exponential X and Poisson Y of rate X, zero instead by chance; both floating.

    Args:
      zeros: Probability that Y is zero whatever X is, in [0, 1).

    References:
      Gao, Kannan, Oh and Viswanath, `Estimating mutual information for
      discrete-continuous mixtures`, NeurIPS 2017, whose value holds without zeros.

    Example:
      >>> print(f"{zero_inflated_poisson(0.0).mutual_information:.4f} nats")
      0.3012 nats
    """
    checks.in_range("zeros", zeros, "[0, 1)")
    # In sqrt(x), of which nothing is singular.
    root, weights = _quadrature(0.0, 8.0)
    x, weights = root**2, weights * 2 * root * np.exp(-(root**2))
    counts = np.arange(200)
    given_x = (1 - zeros) * stats.poisson.pmf(counts[None], x[:, None])
    given_x[:, 0] += zeros
    value = _table_information(weights[:, None] * given_x)

    def sample(key, num_samples):
        key_x, key_y, key_zeros = jax.random.split(key, 3)
        x = jax.random.exponential(key_x, (num_samples,))
        y = jax.random.poisson(key_y, x).astype(x.dtype)
        kept = jax.random.uniform(key_zeros, (num_samples,)) >= zeros
        return _columns((x, jnp.where(kept, y, 0.0)))

    return KnownInformation(f"zero-inflated-poisson-{zeros:g}", 1, 1, value, sample)


def uniform_steps(num_steps: int) -> KnownInformation:
    r"""X one of 0, 1, ..., m - 1, floating, and Y uniform on [X, X + 2].

    :math:`I = \log m - \frac{m - 1}{m} \log 2`.

    Args:
      num_steps: Number m of values of X, at least 1.

    References:
      Gao et al., 2017; see :func:`zero_inflated_poisson`.

    Example:
      >>> print(f"{uniform_steps(5).mutual_information:.4f} nats")
      1.0549 nats
    """
    checks.count("num_steps", num_steps)
    value = math.log(num_steps) - (num_steps - 1) / num_steps * math.log(2)

    def sample(key, num_samples):
        key_x, key_y = jax.random.split(key)
        x = jax.random.randint(key_x, (num_samples,), 0, num_steps).astype(float)
        return _columns((x, x + 2 * jax.random.uniform(key_y, (num_samples,))))

    return KnownInformation(f"uniform-steps-{num_steps}", 1, 1, value, sample)


def clipped_classes(
    shift: float, low: float = 0.0, high: float = math.inf
) -> KnownInformation:
    """Normal X of mean -shift or shift by its class Y, cut off: a ReLU by default.

    Args:
      shift: Half the distance of the means, in standard deviations.
      low: Smallest value.
      high: Largest value.

    Example:
      >>> print(f"{clipped_classes(1.0).mutual_information:.4f} nats")
      0.2963 nats
    """
    _check_ends(low, high)
    checks.in_range("shift", shift, _SHIFTS)
    far = _FAR + abs(shift)
    x, weights = _quadrature(max(low, -far), min(high, far))
    means = np.asarray([-shift, shift])[:, None]
    parts = [
        weights[None] * stats.norm.pdf(x[None] - means),
        special.ndtr(low - means),
        special.ndtr(means - high),
    ]
    value = _table_information(np.concatenate(parts, axis=1) / 2)

    def sample(key, num_samples):
        normal, classes = _class_draws(key, num_samples)
        x = jnp.clip(normal + shift * (2 * classes - 1), low, high)
        return x[:, None], classes[:, None]

    name = f"clipped-classes-{shift:g}-{low:g}-{high:g}"
    return KnownInformation(name, 1, 1, value, sample)


def rounded_classes(shift: float, step: float) -> KnownInformation:
    """Normal X of mean -shift or shift by its class Y, rounded.

    Args:
      shift: Half the distance of the means, in standard deviations.
      step: X is a multiple of it, positive.

    Example:
      >>> print(f"{rounded_classes(1.0, 1.0).mutual_information:.4f} nats")
      0.3190 nats
    """
    checks.in_range("shift", shift, _SHIFTS)
    edges = _cell_edges(step, _FAR + abs(shift))
    means = np.asarray([-shift, shift])[:, None]
    value = _table_information(np.diff(special.ndtr(edges[None] - means), axis=1) / 2)

    def sample(key, num_samples):
        normal, classes = _class_draws(key, num_samples)
        x = normal + shift * (2 * classes - 1)
        return (jnp.round(x / step) * step)[:, None], classes[:, None]

    name = f"rounded-classes-{shift:g}-{step:g}"
    return KnownInformation(name, 1, 1, value, sample)


def poisson_classes(rates: Sequence[float]) -> KnownInformation:
    """Poisson count X, floating, whose rate is one of two by its class Y.

    Args:
      rates: The rates, positive, ``[2]``.

    Example:
      >>> print(f"{poisson_classes((2.0, 6.0)).mutual_information:.4f} nats")
      0.3522 nats
    """
    rates = checks.shape("rates", checks.real("rates", rates, np.asarray), [2])
    rates = np.asarray(rates, np.float64)
    for rate in rates:
        _check_rate("rates", float(rate))
    counts = _counts(rates.max())
    table = stats.poisson.pmf(counts[None], rates[:, None]) / 2
    value = _table_information(table)

    def sample(key, num_samples):
        key_y, key_x = jax.random.split(key)
        classes = jax.random.bernoulli(key_y, 0.5, (num_samples,)).astype(jnp.int32)
        x = jax.random.poisson(key_x, jnp.asarray(rates, float)[classes]).astype(float)
        return x[:, None], classes[:, None]

    name = f"poisson-classes-{rates[0]:g}-{rates[1]:g}"
    return KnownInformation(name, 1, 1, value, sample)


def mixed_tasks() -> tuple[KnownInformation, ...]:
    """Eighteen tasks with values that repeat, eight of them with classes.

    Example:
      >>> print(len(mixed_tasks()))
      18
    """
    return (
        zero_inflated_normal(0.1, 0.0),
        zero_inflated_normal(0.5, 0.8),
        clipped_normal(0.0),
        clipped_normal(0.8),
        clipped_normal(0.8, -0.5, 0.5),
        rounded_normal(0.0, 0.1),
        rounded_normal(0.8, 0.1),
        rounded_normal(0.8, 1.0),
        poisson_sum(2.0, 1.0),
        zero_inflated_poisson(0.15),
        clipped_classes(0.0),
        clipped_classes(1.0),
        clipped_classes(1.0, -0.5, 0.5),
        rounded_classes(0.0, 0.1),
        rounded_classes(1.0, 0.1),
        rounded_classes(1.0, 1.0),
        poisson_classes((2.0, 6.0)),
        uniform_steps(5),
    )


def _normal(correlation: float) -> float:
    checks.in_range("correlation", correlation, "(-1, 1)")
    return -0.5 * math.log1p(-(correlation**2))


def _check_ends(low: float, high: float) -> None:
    checks.number("low", low)
    checks.number("high", high)
    if not low < high:
        raise ValueError(f"low must be below high, got {low} and {high}")


def _check_rate(name: str, rate: float) -> None:
    checks.positive(name, rate)
    checks.in_range(name, rate, f"(0, {_LARGEST_RATE:.0f}]")


def _counts(rate: float) -> np.ndarray:
    """Counts of which all others together have a probability of about 1e-16."""
    return np.arange(math.ceil(rate + 12 * math.sqrt(rate) + 30))


def _cell_edges(step: float, far: float) -> np.ndarray:
    step = checks.positive("step", step)
    checks.in_range("step", step, f"[{far / _MOST_CELLS:.1e}, inf)")
    number = math.ceil(far / step)
    return (np.arange(-number, number + 2) - 0.5) * step


def _quadrature(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of an integral over [low, high], ``[num_nodes]``."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = max(high - low, 0.0) / 2
    return (low + high) / 2 + half * nodes, half * weights


def _table_information(joint: np.ndarray) -> float:
    """Information of probabilities, or of masses at nodes of a quadrature."""
    joint = joint / joint.sum()
    # Rows of no mass are there where both ends of an interval are beyond the last node.
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    ratio = joint / np.where(product > 0, product, 1.0)
    value = float(np.sum(joint * np.log(np.where(seen, ratio, 1.0))))
    # Of independent variables nothing but rounding is left.
    return value if value > _ROUNDING else 0.0


def _clipped_information(correlation: float, low: float, high: float) -> float:
    """Of two normal variables, each with atoms at both ends and a density between."""
    noise = math.sqrt(1 - correlation**2)
    ends = np.clip([-_FAR, low, high, _FAR], -_FAR, _FAR)
    segments = [_quadrature(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    x, weights = (np.concatenate(both) for both in zip(*segments, strict=True))
    weights = weights * stats.norm.pdf(x)
    # Y is below, at a node between, or above.
    y, y_weights = segments[1]
    scaled = (y[None] - correlation * x[:, None]) / noise
    parts = [
        special.ndtr((low - correlation * x) / noise)[:, None],
        y_weights[None] * stats.norm.pdf(scaled) / noise,
        special.ndtr((correlation * x - high) / noise)[:, None],
    ]
    joint = weights[:, None] * np.concatenate(parts, axis=1)
    below, between, above = np.split(joint, 3)
    ends = (half.sum(axis=0, keepdims=True) for half in (below, above))
    first, last = ends
    return _table_information(np.concatenate([first, between, last]))


def _normal_pair(key, num_samples, correlation):
    a, b = jax.random.normal(key, (2 * num_samples,)).reshape(2, num_samples)
    return jnp.stack([a, correlation * a + math.sqrt(1 - correlation**2) * b])


def _class_draws(key, num_samples):
    key_x, key_y = jax.random.split(key)
    classes = jax.random.bernoulli(key_y, 0.5, (num_samples,)).astype(jnp.int32)
    return jax.random.normal(key_x, (num_samples,)), classes


def _columns(pair):
    x, y = pair
    return x[:, None], y[:, None]
