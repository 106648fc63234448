r"""Mutual information by training a critic, in one compiled program.

The samples are split at random: a critic is trained by AdamW on minibatches of one part
(:func:`fit`), and the value reported is that of the last critic on the other, held-out
part. A critic is always the better on samples it was trained on, and the best of many
checkpoints is the better for luck: neither is ever reported.

A minibatch takes one sample from each of as many strata, which are equal parts of the
training samples in their random order. So no sample is twice in a batch (where it would
pass for an independent pair), every sample is as likely as any other, and nothing is
sorted or shuffled while training.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.samples import check_pair
from ibjax.estimators.variational import objectives
from ibjax.estimators.variational.critics import (
    GaussianConditional,
    JointCritic,
    SeparableCritic,
    initial_params,
)
from ibjax.estimators.variational.held_out import held_out_value, objective_value
from ibjax.estimators.variational.samples import (
    draw_batch,
    other_places,
    split_sizes,
    standardise,
)
from ibjax.numerics import checks, descent
from ibjax.numerics.memory import check_fits

__all__ = ["OBJECTIVES", "VariationalEstimate", "fit"]

OBJECTIVES = ("infonce", "donsker_varadhan", "mine", "nwj", "smile", "club")
"""Objectives by name: the functions of :mod:`objectives`."""


class VariationalEstimate(NamedTuple):
    r"""Estimate of I(X;Y) by a trained critic; ``vmap`` adds a leading axis to each.

    Attributes:
      value: Estimate in nats, from held-out samples; NaN if training diverged. Not cut
        off at zero: it is about zero, on either side, where x and y are independent.
      standard_error: Standard error of the value in nats, for this critic, over draws
        of the held-out samples. It says nothing of how far the critic is from the best
        one, nor of how critics differ between keys: both can be larger.
      cap: What the value cannot exceed, in nats: the log of the batch size for InfoNCE,
        infinite for the others.
      train_history: Objective on every step's minibatch in nats, ``[num_steps]``,
        before the step; too large as an estimate once the critic overfits.
      held_out_history: Value after every one of ``num_checkpoints`` equal parts of the
        training, ``[num_checkpoints]``; the last is ``value``.
      num_steps: Steps with a finite objective before the first without, int32.
      diverged: Whether the value is not a finite number, for a critic's weights or
        scores overflowed or the samples are not finite.
    """

    value: jax.Array
    standard_error: jax.Array
    cap: jax.Array
    train_history: jax.Array
    held_out_history: jax.Array
    num_steps: jax.Array
    diverged: jax.Array


def fit(
    key: jax.Array,
    x: ArrayLike,
    y: ArrayLike,
    *,
    objective: str = "infonce",
    critic: linen.Module | None = None,
    num_steps: int = 1000,
    batch_size: int | None = None,
    learning_rate: ArrayLike = 1e-3,
    weight_decay: ArrayLike = 1.0,
    held_out_fraction: float = 0.25,
    num_negatives: int | None = None,
    num_checkpoints: int = 1,
    averaging: float = 0.99,
    clip: float = 5.0,
    mine_rate: float = 0.01,
) -> VariationalEstimate:
    r"""Train a critic on a bound on I(X;Y) and evaluate it on held-out samples.

    Assumes independent, identically distributed samples (neighbouring samples of a time
    series would leak from training into the held-out part). Every column is brought to
    mean zero and variance one by the training samples' moments, which leaves I(X;Y) as
    it is; a column that is constant there is set to zero.

    Held-out values of InfoNCE, Donsker-Varadhan, MINE and NWJ are on average below
    I(X;Y), the more so the fewer the samples, the higher the dimension and the
    information; Donsker-Varadhan's and MINE's up to the bias of a logarithm of an
    average, upwards, which is that of all pairs within the held-out batches.
    InfoNCE is also below its ``cap``. SMILE is on either side. CLUB is above where its
    Gaussian q(y|x) fits, and says little where it does not.

    One program does everything, so that ``jax.vmap`` over keys (many seeds) or over x
    and y (many pairs) trains all critics at once; one that diverges is NaN alone.
    Memory is O(batch_size^2) for the scores of a batch, times the widest hidden layer
    for a joint critic, and O(num_samples * batch_size) for all the held-out scores.

    Args:
      key: A typed key; decides the split, the first weights and the minibatches.
      x: Samples of the first variable, ``[num_samples, dim_x]``, floating.
      y: Samples of the second, ``[num_samples, dim_y]``, row by row with ``x``.
      objective: One of :data:`OBJECTIVES`. SMILE trains on :func:`objectives.js`, CLUB
        on the likelihood.
      critic: A flax linen module as in :mod:`critics`: called with x and y it returns
        scores of all pairs, and its method ``pairs`` scores given pairs. None stands
        for ``GaussianConditional()`` with CLUB, ``SeparableCritic()`` otherwise.
      num_steps: Steps of AdamW, a multiple of ``num_checkpoints``.
      batch_size: Samples of a minibatch and of a held-out batch. None divides the
        held-out samples into as few equal batches as can be, of at most 256. Held-out
        samples that fill no batch are not used.
      learning_rate: Adam's, positive.
      weight_decay: Part of the weights, in units of ``learning_rate``, that every step
        takes away (AdamW), not negative. It is what keeps the critics of few samples
        from overfitting.
      held_out_fraction: Part of the samples held out, in (0, 1).
      num_negatives: Independent pairs of each sample while training; None takes all of
        the batch. For joint critics, whose cost grows with it. CLUB trains on joint
        samples alone.
      num_checkpoints: How often to evaluate on held-out samples, evenly over training.
      averaging: Decay per step of the running average of the weights, in [0, 1), which
        is the critic that is evaluated; 0 evaluates the last step's.
      clip: Where SMILE clips scores.
      mine_rate: Weight of a batch in MINE's running average.

    Returns:
      The estimate. Under ``jit`` and ``vmap``, where values are not checked, samples
      that are not finite give NaN.

    Raises:
      ValueError: If lengths or shapes do not match, an option is out of its range, or,
        outside of ``jit``, a sample is not finite.
      TypeError: If samples are not floating or the critic is no linen module.

    References:
      Poole et al., `On variational bounds of mutual information`, ICML 2019. Song and
      Ermon, `Understanding the limitations of variational mutual information
      estimators`, ICLR 2020. McAllester and Stratos, `Formal limitations on the
      measurement of mutual information`, AISTATS 2020.

    Example:
      >>> x, noise = jax.random.normal(jax.random.key(0), (2, 2000, 1))
      >>> y = 0.75 * x + 0.4375**0.5 * noise
      >>> estimate = fit(jax.random.key(1), x, y, num_steps=300)
      >>> print(f"{estimate.value:.1f} nats, at most {estimate.cap:.1f}")
      0.4 nats, at most 5.5
    """
    checks.key("key", key)
    x, y = check_pair(x, y)
    checks.one_of("objective", objective, OBJECTIVES)
    critic = _check_critic(critic, objective, num_negatives)
    num_held_out, batch_size = split_sizes(len(x), held_out_fraction, batch_size)
    check_fits(
        f"every pair of the {batch_size:,} samples of a batch (batch_size)",
        batch_size**2 * x.dtype.itemsize,
        x,
        hint="lower batch_size",
    )
    if num_negatives is not None:
        checks.whole("num_negatives", num_negatives, f"[1, {batch_size})")
    checks.whole("num_steps", num_steps)
    checks.whole("num_checkpoints", num_checkpoints)
    if num_checkpoints < 1 or num_steps < 1 or num_steps % num_checkpoints:
        raise ValueError(
            "num_steps must be a positive multiple of num_checkpoints, got "
            f"{num_steps} and {num_checkpoints}"
        )
    checks.in_range("averaging", averaging, "[0, 1)")
    clip = checks.number("clip", clip)
    checks.in_range("mine_rate", mine_rate, "(0, 1]")
    learning_rate = checks.positive("learning_rate", learning_rate)
    weight_decay = checks.not_negative("weight_decay", weight_decay)
    return _fit(
        key,
        x,
        y,
        jnp.asarray(learning_rate, x.dtype),
        jnp.asarray(weight_decay, x.dtype),
        objective=objective,
        critic=critic,
        num_steps=num_steps,
        batch_size=batch_size,
        num_held_out=num_held_out,
        num_negatives=num_negatives,
        num_checkpoints=num_checkpoints,
        averaging=averaging,
        clip=clip,
        mine_rate=mine_rate,
    )


def _check_critic(
    critic: linen.Module | None, objective: str, num_negatives: int | None
) -> linen.Module:
    if critic is None:
        return GaussianConditional() if objective == "club" else SeparableCritic()
    if not isinstance(critic, linen.Module):
        raise TypeError(
            f"critic must be a flax linen module, got {type(critic).__name__}"
        )
    try:
        hash(critic)
    except TypeError as error:
        raise TypeError(
            f"critic must be hashable, with tuples in place of lists, got {critic}"
        ) from error
    if objective == "club" and isinstance(critic, JointCritic | SeparableCritic):
        raise ValueError(
            "critic must return the log of a density q(y|x) for club, as "
            f"GaussianConditional does, got {type(critic).__name__}"
        )
    needs_pairs = objective == "club" or num_negatives is not None
    if needs_pairs and not hasattr(critic, "pairs"):
        raise ValueError(
            "critic must have a method pairs for club or num_negatives, which "
            f"{type(critic).__name__} has not"
        )
    return critic


@exact_jit(
    static_argnames=(
        "objective",
        "critic",
        "num_steps",
        "batch_size",
        "num_held_out",
        "num_negatives",
        "num_checkpoints",
        "averaging",
        "clip",
        "mine_rate",
    )
)
def _fit(
    key: jax.Array,
    x: jax.Array,
    y: jax.Array,
    learning_rate: jax.Array,
    weight_decay: jax.Array,
    *,
    objective: str,
    critic: linen.Module,
    num_steps: int,
    batch_size: int,
    num_held_out: int,
    num_negatives: int | None,
    num_checkpoints: int,
    averaging: float,
    clip: float,
    mine_rate: float,
) -> VariationalEstimate:
    num_train = len(x) - num_held_out
    split_key, init_key, batch_key = jax.random.split(key, 3)
    # A random order by one sort, where jax.random.permutation takes several.
    order = jnp.argsort(jax.random.bits(split_key, (len(x),)))
    both = standardise(jnp.concatenate([x, y], axis=1)[order], num_train)
    x, y = both[:, : x.shape[1]], both[:, x.shape[1] :]
    num_used = num_held_out // batch_size * batch_size
    held_out = tuple(
        samples[num_train : num_train + num_used].reshape(-1, batch_size, dim)
        for samples, dim in ((x, x.shape[1]), (y, y.shape[1]))
    )
    x_train, y_train = x[:num_train], y[:num_train]

    optimizer = optax.adamw(learning_rate, weight_decay=weight_decay)
    params = initial_params(critic, init_key, x[:batch_size], y[:batch_size])

    def batch_scores(params, number):
        rows, start = draw_batch(
            jax.random.fold_in(batch_key, number), num_train, batch_size
        )
        x_batch, y_batch = x_train[rows], y_train[rows]
        if objective != "club" and num_negatives is None:
            return (critic.apply(params, x_batch, y_batch),)
        # CLUB's other pairs are only for the history.
        places = other_places(start, num_negatives or 1, batch_size)
        pairs = critic.apply(params, x_batch[:, None], y_batch[places], method="pairs")
        return pairs[:, 0], pairs[:, 1:]

    def loss(params, log_average, number):
        scores = batch_scores(params, number)
        # What is trained on is not always what is reported.
        if objective == "mine":
            target, log_average = objectives.mine(
                *scores, log_average=log_average, rate=mine_rate
            )
            value = target
        else:
            target = value = objective_value(objective, scores, clip)
        if objective == "smile":
            target = objectives.js(*scores)
        elif objective == "club":
            target = jnp.mean(scores[0])
        return -target, (log_average, value)

    def step(state, number):
        state, average = state
        state, value = descent.step(loss, state, number, optimizer)
        # The first steps' weights are not worth remembering.
        decay = jnp.minimum(averaging, number / (number + 10)).astype(x.dtype)
        average = jax.tree.map(
            lambda old, new: decay * old + (1 - decay) * new, average, state.params
        )
        return (state, average), value

    def checkpoint(state, numbers):
        state, history = lax.scan(step, state, numbers)
        _, average = state
        # A batch at a time: the hidden layers of a joint critic hold all pairs.
        scores = lax.map(lambda pair: critic.apply(average, *pair), held_out)
        return state, (history, *held_out_value(objective, scores, clip))

    # MINE's running average of no batches.
    log_average = jnp.asarray(-jnp.inf, x.dtype)
    state = (descent.init(params, optimizer, memory=log_average), params)
    numbers = jnp.arange(num_steps).reshape(num_checkpoints, -1)
    _, (history, values, errors) = lax.scan(checkpoint, state, numbers)
    history = history.reshape(-1)
    # Infinite scores are a failure too, of which nothing is to be reported.
    values = jnp.where(jnp.isfinite(values), values, jnp.nan)
    diverged = jnp.isnan(values[-1])
    cap = math.log(batch_size) if objective == "infonce" else math.inf
    return VariationalEstimate(
        value=values[-1],
        standard_error=jnp.where(diverged, jnp.nan, errors[-1]),
        cap=jnp.asarray(cap, x.dtype),
        train_history=history,
        held_out_history=values,
        num_steps=jnp.argmin(jnp.append(jnp.isfinite(history), False)).astype(
            jnp.int32
        ),
        diverged=diverged,
    )
