r"""Information that a representation keeps of a nuisance, of what no label depends on.

For a nuisance N that is independent of the label Y, and a representation Z of the input
X that is sufficient, so that I(Z;Y) = I(X;Y),

.. math:: I(Z;N) \le I(Z;X) - I(X;Y) :

a sufficient representation that holds less of the input is invariant to more.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen
from jax import lax
from jax.typing import ArrayLike

from ibjax import measures
from ibjax.compilation import exact_jit
from ibjax.estimators.variational import objectives
from ibjax.estimators.variational.critics import SeparableCritic, initial_params
from ibjax.estimators.variational.held_out import held_out_value
from ibjax.estimators.variational.samples import draw_batch, split_sizes, standardise
from ibjax.numerics import checks, descent

__all__ = [
    "NuisanceInequality",
    "NuisanceInformation",
    "nuisance_inequality",
    "nuisance_information",
]

# Decay per step of the mean of the weights, which are those of the discriminator.
_AVERAGING = 0.99


class NuisanceInformation(NamedTuple):
    """I(Z;N) by one discriminator, on samples that it was not trained on.

    Attributes:
      value: Mean of log D / (1 - D) over pairs that belong together, in nats. Not a
        bound.
      standard_error: Its standard error, for this discriminator.
      bound: The Donsker-Varadhan bound of the same discriminator in nats, below I(Z;N)
        up to its error and the bias of a logarithm of a mean.
      bound_error: Its standard error.
    """

    value: jax.Array
    standard_error: jax.Array
    bound: jax.Array
    bound_error: jax.Array


class NuisanceInequality(NamedTuple):
    r"""I(Z;N) against I(Z;X) - I(X;Y), in nats; shapes ``[]``.

    Attributes:
      i_zn: I(Z;N).
      i_zx: I(Z;X).
      i_xy: I(X;Y).
      residual: I(Z;X) - I(X;Y) - I(Z;N): the sum of the next two.
      of_input: I(Z;X|Y,N), not negative; zero where label and nuisance tell the input.
      of_label: I(Z;Y|N) - I(X;Y). It lies in [0, H(Y|X)] where Z is sufficient and N
        independent of Y, and is above -(``insufficiency`` + ``dependence``) always.
      insufficiency: I(X;Y) - I(Z;Y), zero where Z is sufficient.
      dependence: I(Y;N), zero where N is a nuisance.
    """

    i_zn: jax.Array
    i_zx: jax.Array
    i_xy: jax.Array
    residual: jax.Array
    of_input: jax.Array
    of_label: jax.Array
    insufficiency: jax.Array
    dependence: jax.Array


def nuisance_inequality(p_xyn: ArrayLike, p_z_given_x: ArrayLike) -> NuisanceInequality:
    r"""The terms of I(Z;N) <= I(Z;X) - I(X;Y), exact, for tables.

    Z depends on X alone. By the chain rule, for any such table,

    .. math::
        I(Z;X) - I(X;Y) - I(Z;N) = I(Z;X|Y,N) + [I(Z;Y|N) - I(X;Y)] .

    The first is not negative. The second is not where Z is sufficient and N is
    independent of Y, and then the inequality holds.

    Args:
      p_xyn: Joint probabilities of input, label and nuisance, shape ``[num_x, num_y,
        num_n]``.
      p_z_given_x: Encoder, shape ``[num_x, num_z]``; rows sum to one.

    Returns:
      The terms, which are not checked to be those of a nuisance or a sufficient Z.

    Raises:
      ValueError: If shapes do not fit.
      TypeError: If a table is not floating.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 2018, prop. 3.1.

    Example:
      >>> # The input is a label and a nuisance, a bit each; Z is the input.
      >>> p_xyn = jnp.eye(4).reshape(4, 2, 2) / 4
      >>> found = nuisance_inequality(p_xyn, jnp.eye(4))
      >>> print(f"{found.i_zn:.3f} <= {found.i_zx:.3f} - {found.i_xy:.3f}")
      0.693 <= 1.386 - 0.693
    """
    p_xyn = checks.floating("p_xyn", checks.jax_array("p_xyn", p_xyn))
    checks.shape("p_xyn", p_xyn, ("num_x", "num_y", "num_n"))
    encoder = checks.jax_array("p_z_given_x", p_z_given_x)
    checks.floating("p_z_given_x", encoder)
    axes = (len(p_xyn), "num_z")
    checks.shape("p_z_given_x", encoder, axes, why="to match p_xyn")
    return _nuisance_inequality(p_xyn, encoder)


@exact_jit
def _nuisance_inequality(p_xyn, p_z_given_x):
    joint = p_xyn[..., None] * p_z_given_x[:, None, None]
    information = measures.mutual_information
    i_zx = information(joint.sum((1, 2)))
    i_xy = information(p_xyn.sum(2))
    i_zn = information(joint.sum((0, 1)))
    i_zy = information(joint.sum((0, 2)))
    # Conditional information as one divergence, which rounding leaves not below zero.
    p_yn = joint.sum((0, 3), keepdims=True)
    p_yn = jnp.where(p_yn > 0, p_yn, 1.0)
    product = joint.sum(3, keepdims=True) / p_yn * joint.sum(0, keepdims=True)
    of_input = measures.kl_divergence(joint, product)
    p_yzn = joint.sum(0, keepdims=True)
    p_n = p_yzn.sum((1, 3), keepdims=True)
    p_n = jnp.where(p_n > 0, p_n, 1.0)
    product = p_yzn.sum(3, keepdims=True) / p_n * p_yzn.sum(1, keepdims=True)
    i_zy_given_n = measures.kl_divergence(p_yzn, product)
    return NuisanceInequality(
        i_zn=i_zn,
        i_zx=i_zx,
        i_xy=i_xy,
        residual=i_zx - i_xy - i_zn,
        of_input=of_input,
        of_label=i_zy_given_n - i_xy,
        insufficiency=i_xy - i_zy,
        dependence=information(p_xyn.sum(0)),
    )


def nuisance_information(
    key: jax.Array,
    z: ArrayLike,
    nuisance: ArrayLike,
    *,
    num_classes: int | None = None,
    critic: linen.Module | None = None,
    num_steps: int = 1000,
    batch_size: int | None = None,
    learning_rate: ArrayLike = 1e-3,
    weight_decay: ArrayLike = 1.0,
    held_out_fraction: float = 0.25,
) -> NuisanceInformation:
    r"""I(Z;N) by a discriminator of pairs that belong together and pairs that do not.

    A discriminator D, trained on both kinds in equal number, is best at D = p(z,n) /
    [p(z,n) + p(z)p(n)], where the mean of log D / (1 - D) over p(z,n) is I(Z;N). It is
    evaluated on held-out samples. **It is no bound**: a discriminator that is not the
    best errs on either side, one that is too certain upwards. A value well above
    ``bound`` says that it is.

    Representations of few dimensions are better served by neighbours:
    ``ibjax.estimators.mutual_information(z, nuisance)`` chooses among all estimators
    and says what to doubt. Z is to have noise: of one that is a function of N with
    densities, or tells every input apart, the information is infinite.

    Args:
      key: Decides the split, the first weights and the minibatches.
      z: Representations, a draw of each where they are random, ``[num_samples, dim]``,
        floating.
      nuisance: Classes, ``[num_samples]`` integers, or numbers, ``[num_samples,
        dim_n]`` floating, row by row with ``z``.
      num_classes: Number of classes; None for numbers.
      critic: The log odds of D, a flax module as in
        :mod:`ibjax.estimators.variational.critics`; ``SeparableCritic()`` by default.
      num_steps: Steps of AdamW.
      batch_size: Samples of a minibatch; see :func:`ibjax.estimators.variational.fit`.
      learning_rate: Adam's, positive.
      weight_decay: Part of the weights, in units of ``learning_rate``, that every step
        takes away.
      held_out_fraction: Part of the samples held out, in (0, 1).

    Returns:
      The estimate.

    Raises:
      ValueError: If shapes or lengths do not fit, a number is out of range, or, outside
        of ``jit``, a sample is not finite.
      TypeError: If the classes are no integers, or numbers not floating.

    References:
      Achille and Soatto, JMLR 2018, sec. 6.

    Example:
      >>> nuisance = jnp.arange(2000) % 2
      >>> noise = jax.random.normal(jax.random.key(0), (2000, 1))
      >>> z = 6.0 * nuisance[:, None] + noise  # Nearly told apart.
      >>> found = nuisance_information(
      ...     jax.random.key(1), z, nuisance, num_classes=2, num_steps=300
      ... )
      >>> bool(abs(found.value - jnp.log(2)) < 0.05)
      True
    """
    if critic is not None:
        checks.instance("critic", critic, linen.Module)
    checks.key("key", key)
    z = checks.floating("z", checks.jax_array("z", z))
    checks.finite("z", checks.shape("z", z, ("num_samples", "dim")))
    why = "to match z"
    if num_classes is None:
        hint = "num_classes says how many classes there are"
        nuisance = checks.jax_array("nuisance", nuisance)
        checks.floating("nuisance", nuisance, hint=hint)
        checks.shape("nuisance", nuisance, (len(z), "dim_n"), why=why)
        columns = checks.finite("nuisance", nuisance)
    else:
        checks.count("num_classes", num_classes)
        labels = checks.integers("nuisance", nuisance)
        checks.shape("nuisance", labels, (len(z),), why=why)
        checks.indices("nuisance", labels, num_classes)
        columns = jax.nn.one_hot(jnp.asarray(labels, int), num_classes, dtype=z.dtype)
    checks.count("num_steps", num_steps)
    learning_rate = checks.positive("learning_rate", learning_rate)
    weight_decay = checks.not_negative("weight_decay", weight_decay)
    num_held_out, batch_size = split_sizes(len(z), held_out_fraction, batch_size)
    return _fit(
        key,
        z,
        columns.astype(z.dtype),
        jnp.asarray(learning_rate, z.dtype),
        jnp.asarray(weight_decay, z.dtype),
        critic=SeparableCritic() if critic is None else critic,
        num_steps=num_steps,
        batch_size=batch_size,
        num_held_out=num_held_out,
    )


@exact_jit(static_argnames=("critic", "num_steps", "batch_size", "num_held_out"))
def _fit(
    key,
    z,
    nuisance,
    learning_rate,
    weight_decay,
    *,
    critic,
    num_steps,
    batch_size,
    num_held_out,
):
    num_train = len(z) - num_held_out
    key_split, key_init, key_batches = jax.random.split(key, 3)
    order = jnp.argsort(jax.random.bits(key_split, (len(z),)))
    both = jnp.concatenate([z, nuisance], axis=1)[order]
    both = standardise(both, num_train)
    parts = np.cumsum([z.shape[1]])
    z_train, n_train = jnp.split(both[:num_train], parts, axis=1)
    optimizer = optax.adamw(learning_rate, weight_decay=weight_decay)
    params = initial_params(critic, key_init, z_train[:2], n_train[:2])

    def loss(params, memory, number):
        rows, _ = draw_batch(
            jax.random.fold_in(key_batches, number), num_train, batch_size
        )
        value = objectives.js(critic.apply(params, z_train[rows], n_train[rows]))
        return -value, (memory, None)

    def step(carry, number):
        state, average = carry
        state, _ = descent.step(loss, state, number, optimizer)
        # The first steps' weights are not worth remembering.
        decay = jnp.minimum(_AVERAGING, number / (number + 10)).astype(z.dtype)
        average = jax.tree.map(
            lambda old, new: decay * old + (1 - decay) * new, average, state.params
        )
        return (state, average), None

    start = descent.init(params, optimizer), params
    (_, average), _ = lax.scan(step, start, jnp.arange(num_steps))
    num_used = num_held_out // batch_size * batch_size
    held_out = both[num_train : num_train + num_used]
    held_out = held_out.reshape(-1, batch_size, held_out.shape[1])
    scores = lax.map(
        lambda rows: critic.apply(average, *jnp.split(rows, parts, axis=1)), held_out
    )
    joint = jnp.diagonal(scores, axis1=1, axis2=2)
    bound, bound_error = held_out_value("donsker_varadhan", scores, math.inf)
    error = jnp.std(joint, ddof=1) / math.sqrt(joint.size)
    return NuisanceInformation(jnp.mean(joint), error, bound, bound_error)
