r"""Bottleneck solution at one trade-off, by the self-consistent equations.

Among all representations T of X, the information bottleneck (Tishby, Pereira and
Bialek 1999) selects the one that minimises

.. math:: H(T) - \alpha H(T|X) - \beta I(T;Y),

which is :math:`I(X;T) - \beta I(T;Y)` for alpha = 1. For alpha = 0 it is the
deterministic bottleneck of Strouse and Schwab (2017), whose encoder is a map.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax import measures
from ibjax.bottleneck import iteration
from ibjax.bottleneck.agglomeration import greedy_partition
from ibjax.bottleneck.certificate import certify_encoder
from ibjax.bottleneck.tables import check_joint, is_joint, merge_inputs
from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = [
    "BottleneckSolution",
    "OptimalityGap",
    "best_of_restarts",
    "blahut_arimoto",
    "optimality_gap",
    "random_encoder",
]

MAX_STEPS = 10_000
_START_NOISE = 0.01
# Temperature of random encoders: nearly hard partitions, no entry zero.
_RESTART_SOFTNESS = 0.3


class BottleneckSolution(NamedTuple):
    r"""One point of the information curve; ``vmap`` adds a leading axis to each field.

    Attributes:
      p_t_given_x: Encoder, shape ``[num_x, num_t]``; rows sum to one. A superfluous
        cluster has a column of zeros or repeats another's decoder.
      i_xt: I(X;T) in nats, shape ``[]``.
      i_ty: I(T;Y) in nats, shape ``[]``.
      objective: :math:`H(T) - \alpha H(T|X) - \beta I(T;Y)` in nats, shape ``[]``.
      history: Upper bound on the objective at every step, which never rises, in nats,
        shape ``[max_steps]``; NaN after the last step that ran.
      num_steps: Steps that ran, int32, shape ``[]``.
      converged: Whether the clusters were within ``tol`` of their limit, extrapolated
        from the last steps, shape ``[]``. False if ``max_steps`` came first.
    """

    p_t_given_x: jax.Array
    i_xt: jax.Array
    i_ty: jax.Array
    objective: jax.Array
    history: jax.Array
    num_steps: jax.Array
    converged: jax.Array


def blahut_arimoto(
    p_xy: ArrayLike,
    beta: ArrayLike,
    *,
    p_t_given_x: ArrayLike | None = None,
    alpha: ArrayLike = 1.0,
    max_steps: int = MAX_STEPS,
    tol: float | None = None,
) -> BottleneckSolution:
    r"""Bottleneck solution at one trade-off beta, by Blahut-Arimoto iteration.

    Iterates :math:`p(t|x) \propto \exp([\log p(t) - \beta D(p(y|x) \| p(y|t))] /
    \alpha)` with the clusters' p(t) and p(y|t) to its fixed point, in logarithms, with
    squared extrapolation, since convergence is slow near a critical beta.

    Inputs with the same p(y|x) are merged first, exactly, unless ``p_xy`` is traced.
    Without ``p_t_given_x`` the iteration starts from one cluster per merged input, with
    1 % of noise: little is lost yet, and clusters not worth their price disappear. With
    alpha below one they disappear less and less, and near zero not at all: then it
    starts from the best partition that merging clusters two by two finds, too, and the
    better end is the solution. That most often is the global optimum, but need not be;
    for alpha = 1 :func:`optimality_gap` tells.

    If Y is a function of X, every beta above one has the same solution, T = Y, and
    every beta below one has the trivial one: the information curve is two straight
    lines, and beta = 1 is any point of the first of them (Kolchinsky, Tracey and Van
    Kuyk 2019). :func:`ibjax.bottleneck.squared_bottleneck` reaches all of its points.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``, floating. Cells and rows of
        zeros are allowed; an input of probability zero gets the encoder of an input
        with p(y|x) = p(y).
      beta: Trade-off, non-negative, shape ``[]``. In float32 divergences are exact to
        about 1e-7 nats: use float64 for a beta above 1e5.
      p_t_given_x: Encoder to start from, ``[num_x, num_t]``. A cluster of weight zero
        keeps weight zero.
      alpha: Weight of H(T|X) in [0, 1]: 1 the bottleneck, 0 the deterministic one.
      max_steps: Steps at most.
      tol: Distance from the limit at which to stop, in Fisher's metric (about the
        relative error of the clusters' probabilities); 1e-9 in float64 and 1e-5 in
        float32 by default.

    Returns:
      The solution. NaN and not converged if, under ``jit``, the values of ``p_xy`` are
      no distribution, beta is negative or not finite, or alpha is not in [0, 1].

    Raises:
      ValueError: If a shape or ``max_steps`` is wrong or, outside of ``jit``, a value.
      TypeError: If ``p_xy`` is not floating.

    References:
      Tishby, Pereira and Bialek, `The information bottleneck method`, 1999. Slonim and
      Tishby, `Agglomerative information bottleneck`, 1999. Strouse and Schwab, `The
      deterministic information bottleneck`, 2017. Varadhan and Roland,
      `Simple and globally convergent methods for accelerating the convergence of any
      EM algorithm`, 2008.

    Example:
      >>> noisy_bit = jnp.array([[0.45, 0.05], [0.05, 0.45]])
      >>> solution = blahut_arimoto(noisy_bit, 3.0)
      >>> print(f"{solution.i_xt:.4f} {solution.i_ty:.4f} {solution.converged}")
      0.6578 0.3581 True
    """
    p_xy = check_joint(p_xy)
    check_options(beta, alpha, max_steps, tol)
    beta = jnp.asarray(beta, p_xy.dtype)
    merged = merge_where_known(p_xy)

    def solve(start):
        return _solve(p_xy, merged, start, beta, alpha, max_steps=max_steps, tol=tol)

    if p_t_given_x is not None:
        return solve(_clusters_of(p_xy, _check_encoder(p_t_given_x, p_xy)))
    start = one_cluster_per_input(merged)
    if not checks.is_traced(alpha) and alpha == 1:
        return solve(start)
    other = _clusters_of(merged, greedy_partition(merged, beta))
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), start, other)
    # One alpha has one solution, traced or not.
    allowed = jnp.stack([True, jnp.asarray(alpha) < 1])
    return _best(jax.vmap(solve)(both), allowed)


def best_of_restarts(
    key: jax.Array,
    p_xy: ArrayLike,
    beta: ArrayLike,
    *,
    num_restarts: int = 16,
    num_t: int | None = None,
    alpha: ArrayLike = 1.0,
    max_steps: int = MAX_STEPS,
    tol: float | None = None,
) -> BottleneckSolution:
    """Best of several bottleneck solutions from random encoders, solved together.

    See :func:`blahut_arimoto` for the arguments.

    Args:
      key: Random key.
      p_xy: Joint probabilities, shape ``[num_x, num_y]``.
      beta: Trade-off, shape ``[]``.
      num_restarts: Number of random encoders.
      num_t: Clusters; as many as merged inputs by default, which are always enough.
      alpha: Weight of H(T|X).
      max_steps: Steps at most.
      tol: Distance from the limit at which to stop.

    Returns:
      The solution of least objective.

    Raises:
      ValueError: If an argument is out of range.

    Example:
      >>> noisy_bit = jnp.array([[0.45, 0.05], [0.05, 0.45]])
      >>> solution = best_of_restarts(jax.random.key(0), noisy_bit, 3.0)
      >>> print(f"{solution.i_xt:.4f} {solution.i_ty:.4f} {solution.converged}")
      0.6578 0.3581 True
    """
    checks.key("key", key)
    p_xy = check_joint(p_xy)
    check_options(beta, alpha, max_steps, tol)
    beta = jnp.asarray(beta, p_xy.dtype)
    checks.count("num_restarts", num_restarts)
    merged = merge_where_known(p_xy)
    num_x = merged.shape[0]
    num_t = num_x if num_t is None else num_t
    checks.count("num_t", num_t)

    def one_start(key):
        start = _clusters_of(merged, random_encoder(key, num_x, num_t, merged.dtype))
        return _solve(p_xy, merged, start, beta, alpha, max_steps=max_steps, tol=tol)

    return _best(jax.vmap(one_start)(jax.random.split(key, num_restarts)))


def _best(solutions: BottleneckSolution, allowed: ArrayLike = True):
    """The solution of least objective among those that are allowed."""
    finite = allowed & ~jnp.isnan(solutions.objective)
    best = jnp.argmin(jnp.where(finite, solutions.objective, jnp.inf))
    return jax.tree.map(lambda field: field[best], solutions)


def random_encoder(
    key: jax.Array, num_x: int, num_t: int, dtype: jnp.dtype = jnp.float32
) -> jax.Array:
    """Random, nearly hard partition of inputs, ``[num_x, num_t]``, entries positive."""
    preference = jax.random.gumbel(key, (num_x, num_t), dtype)
    return jax.nn.softmax(preference / _RESTART_SOFTNESS, axis=1)


class OptimalityGap(NamedTuple):
    """Distance of an encoder from the optimal objective; ``vmap`` adds a leading axis.

    Attributes:
      gap: In nats, shape ``[]``: a bound if it is certified, else an estimate, which
        may be too small.
      certified: Whether the gap is a bound, shape ``[]``. It is one for tables of up
        to four labels or four inputs of different p(y|x), for any table up to beta = 1,
        and for larger ones where one peak is all there is.
    """

    gap: jax.Array
    certified: jax.Array


def optimality_gap(
    p_xy: ArrayLike, beta: ArrayLike, p_t_given_x: ArrayLike
) -> OptimalityGap:
    r"""Upper bound on an encoder's distance from the optimal objective, in nats.

    For alpha = 1 the bottleneck is a rate-distortion problem whose reproductions are
    all distributions r of Y, with distortion :math:`D(p(y|x) \| r)` (Harremoes and
    Tishby 2007), and convex in that form. Its dual bounds the least objective from
    below by

    .. math:: -\sum_x p(x) \log Z(x) - \max_r \log \sum_x \frac{p(x)}{Z(x)}
       e^{-\beta D(p(y|x) \| r)} - \beta I(X;Y), \quad
       Z(x) = \sum_t p(t) e^{-\beta D(p(y|x) \| p(y|t))}.

    The maximum over r is not concave. A branch and bound over all of them finds it, to
    1e-10 (1 + beta) nats where its budget of cells lasts, and never below its value: a
    peak too flat, as at a critical beta, leaves the bound looser, not wrong. Its cost
    grows by the power of the labels, so that in tables of more than four of them, and
    of more than four different inputs, ascents from every p(y|x) estimate the maximum
    instead.

    It runs in NumPy in float64, whatever the precision of the table, also under
    ``jit`` and ``vmap``, and has no gradient.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``.
      beta: Trade-off, shape ``[]``.
      p_t_given_x: Encoder, shape ``[num_x, num_t]``.

    Returns:
      The encoder's objective less the bound, and whether it is proven; zero up to
      rounding at the global optimum. NaN and not certified if, under ``jit``, values
      are no distributions.

    Raises:
      ValueError: If shapes do not match or, outside of ``jit``, a value is wrong.
      TypeError: If ``p_xy`` is not floating.

    References:
      Harremoes and Tishby, `The information bottleneck revisited or how to choose a
      good distortion measure`, 2007. Csiszar, `On the computation of rate-distortion
      functions`, 1974. Horst and Tuy, `Global Optimization`, 1996 (branch and bound).

    Example:
      >>> noisy_bit = jnp.array([[0.45, 0.05], [0.05, 0.45]])
      >>> solution = blahut_arimoto(noisy_bit, 3.0)
      >>> gap, certified = optimality_gap(noisy_bit, 3.0, solution.p_t_given_x)
      >>> print(f"{gap:.4f} nats, {certified}")
      0.0000 nats, True
      >>> trivial = optimality_gap(noisy_bit, 3.0, jnp.ones((2, 1)))
      >>> print(f"{trivial.gap:.4f} nats")
      0.4165 nats
    """
    p_xy = check_joint(p_xy)
    check_options(beta, 1.0, MAX_STEPS)
    beta = jnp.asarray(beta, p_xy.dtype)
    encoder = _check_encoder(p_t_given_x, p_xy)
    shapes = OptimalityGap(
        jax.ShapeDtypeStruct((), p_xy.dtype), jax.ShapeDtypeStruct((), bool)
    )
    return jax.pure_callback(
        _gap_on_host, shapes, p_xy, beta, encoder, vmap_method="sequential"
    )


def _gap_on_host(p_xy, beta, encoder):
    dtype = np.asarray(p_xy).dtype
    p_xy, beta, encoder = (np.asarray(a, np.float64) for a in (p_xy, beta, encoder))
    valid = abs(p_xy.sum() - 1) < 1e-3 and 0 <= beta < np.inf
    valid &= (p_xy >= 0).all() and (encoder >= 0).all()
    valid &= (abs(encoder.sum(axis=1) - 1) < 1e-3).all()
    if not valid:
        return OptimalityGap(np.asarray(np.nan, dtype), np.asarray(False))
    found = certify_encoder(p_xy, float(beta), encoder)
    return OptimalityGap(round_up(found.gap[0], dtype), found.certified[0])


def round_up(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values in a shorter type, none of them below: bounds stay bounds."""
    short = np.asarray(values, dtype)
    return np.where(
        short < values, np.nextafter(short, np.asarray(np.inf, dtype)), short
    )


def information_of(source, p_t_given_x):
    """I(X;T) and I(T;Y) of an encoder, ``[num_x, num_t]``, in nats."""
    chex.assert_shape(p_t_given_x, (*source.p_x.shape, None))
    p_xt = source.p_x[:, None] * p_t_given_x
    p_ty = p_xt.T @ source.p_y_given_x
    return tuple(jnp.maximum(measures.mutual_information(p), 0) for p in (p_xt, p_ty))


def default_tol(dtype: jnp.dtype) -> float:
    """Default distance from the limit at which the iteration stops."""
    return 1e-5 if jnp.finfo(dtype).bits == 32 else 1e-9


def merge_where_known(p_xy: jax.Array) -> jax.Array:
    """Table with equal inputs merged, or unchanged where its values are traced."""
    if checks.is_traced(p_xy):
        return p_xy
    return jnp.asarray(merge_inputs(p_xy)[0])


@exact_jit
def one_cluster_per_input(p_xy: jax.Array) -> iteration.Clusters:
    """Clusters of T = X with a little noise, ``[num_x]`` of them.

    Without the noise, clusters of inputs that share no y could never merge.
    """
    source = iteration.make_source(p_xy)
    p_y = source.p_x @ source.p_y_given_x
    decoder = (1 - _START_NOISE) * source.p_y_given_x + _START_NOISE * p_y[None, :]
    return iteration.Clusters(
        iteration.log_or_nothing(source.p_x), iteration.log_or_nothing(decoder)
    )


@exact_jit
def _clusters_of(p_xy, p_t_given_x):
    return iteration.clusters_of(iteration.make_source(p_xy), p_t_given_x)


@exact_jit(static_argnames=("max_steps", "tol"))
def _solve(p_xy, merged, start, beta, alpha, *, max_steps, tol):
    beta, alpha = jnp.asarray(beta, p_xy.dtype), jnp.asarray(alpha, p_xy.dtype)
    fixed = iteration.iterate(
        iteration.make_source(merged),
        start,
        beta,
        alpha,
        max_steps=max_steps,
        tol=default_tol(p_xy.dtype) if tol is None else float(tol),
        keep_history=True,
    )
    # The clusters of the merged table give every input of the table its encoder.
    source = iteration.make_source(p_xy)
    encoder = iteration.best_encoder(source, fixed.clusters, beta, alpha)
    i_xt, i_ty = information_of(source, encoder)
    h_t = measures.entropy(source.p_x @ encoder)
    objective = (1 - alpha) * h_t + alpha * i_xt - beta * i_ty
    valid = is_joint(p_xy) & (beta >= 0) & jnp.isfinite(beta)
    valid &= (alpha >= 0) & (alpha <= 1)
    numbers = (encoder, i_xt, i_ty, objective, fixed.history)
    numbers = jax.tree.map(lambda number: jnp.where(valid, number, jnp.nan), numbers)
    return BottleneckSolution(*numbers, fixed.num_steps, fixed.converged & valid)


def _check_encoder(p_t_given_x, p_xy):
    encoder = checks.jax_array("p_t_given_x", p_t_given_x, p_xy.dtype)
    checks.shape("p_t_given_x", encoder, [len(p_xy), "num_t"], why="to match p_xy")
    if not checks.is_traced(encoder):
        rows = np.asarray(encoder, np.float64)
        if not (rows >= 0).all():
            raise ValueError(
                "p_t_given_x must hold probabilities, got a negative or NaN"
            )
        tolerance = jnp.finfo(encoder.dtype).eps * (8 + np.sqrt(rows.shape[1]))
        if np.abs(rows.sum(axis=1) - 1).max() > tolerance:
            worst = rows.sum(axis=1)[np.abs(rows.sum(axis=1) - 1).argmax()]
            raise ValueError(
                f"p_t_given_x must have rows that sum to one, got one of {worst:.9g}"
            )
    return encoder


def check_options(
    beta: ArrayLike, alpha: ArrayLike, max_steps: int, tol: float | None = None
) -> None:
    """Check beta and alpha, where their values are known, ``max_steps`` and ``tol``."""
    checks.not_negative("beta", beta)
    checks.in_range("alpha", alpha, "[0, 1]")
    checks.count("max_steps", max_steps, 3)
    if tol is not None:
        checks.not_negative("tol", tol)
