"""Objectives: what training lowers, as pure functions of parameters and a batch.

An objective is any ``objective(params, batch, key) -> loss``, or ``-> (loss, terms)``
with named numbers that a sweep records. It may have keyword-only arguments: ``network``
is given the network, ``epoch`` the number of epochs done, every other one the number of
that name which a sweep varies, or its default.
Those here compose: ``cross_entropy() + 0.01 * orthonormal()``.
"""

import dataclasses
import inspect
import numbers as numbers_module
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import full_precision
from ibjax.datasets.task import TARGETS, Batch
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks

__all__ = [
    "GIVEN",
    "Change",
    "Objective",
    "ObjectiveFn",
    "as_objective",
    "check_objective",
    "cross_entropy",
    "default_objective",
    "evaluate",
    "mean_loss",
    "objective",
    "orthonormal",
    "orthonormality",
    "squared_error",
    "weight_decay",
]

ObjectiveFn = Callable[..., Any]
"""``objective(params, batch, key) -> loss`` or ``(loss, terms)``."""

GIVEN = frozenset({"epoch", "network"})
"""Keyword arguments of an objective that are no numbers to vary."""


class Change(NamedTuple):
    """What happens to every batch before the network sees it.

    Attributes:
      apply: ``apply(batch, key, **numbers) -> batch``.
      name: All that it depends on, in words.
      numbers: Names of its numbers, ``epoch`` or those that a sweep varies.
      weighs: Whether rows of weight zero change nothing in the others, for certain.
      intervals: Intervals of its numbers, pairs of a name and an interval.
    """

    apply: Callable[..., Batch]
    name: str
    numbers: tuple[str, ...] = ()
    weighs: bool = False
    intervals: tuple[tuple[str, str], ...] = ()


# Folded into a step's key: losses draw from the key itself or fold small numbers in.
_CHANGE_STREAM = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class _Term:
    """One summand: a weight (a number, or the name of one), and a loss."""

    weight: float | str
    loss: ObjectiveFn
    name: str
    targets: tuple[str, ...] = TARGETS
    output: str | None = None
    # Whether a row of weight zero changes nothing; not known of a caller's function.
    weighs: bool = True
    # Intervals of its numbers, by name.
    intervals: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Objective:
    """A weighted sum of losses, which can be called as an objective.

    ``+`` adds two; ``*`` weighs by a number, or by the name of one that a sweep varies:
    ``cross_entropy() + "penalty" * orthonormal()``.

    Attributes:
      terms: The summands.
      change: What happens to a batch before any of them; None for nothing.
    """

    terms: tuple[_Term, ...]
    change: Change | None = None

    @property
    def name(self) -> str:
        """The sum in words."""
        total = " + ".join(
            term.name if term.weight == 1.0 else f"{term.weight} {term.name}"
            for term in self.terms
        )
        return total if self.change is None else f"{total}, {self.change.name}"

    @property
    def weighs(self) -> bool:
        """True if rows of weight zero change nothing, for certain."""
        changes = () if self.change is None else (self.change,)
        return all(part.weighs for part in (*self.terms, *changes))

    @property
    def keywords(self) -> frozenset[str]:
        """Names of the keyword arguments that it takes."""
        return self._names(_keywords)

    @property
    def required(self) -> frozenset[str]:
        """Names of those without a default."""
        return self._names(_required)

    @property
    def intervals(self) -> dict[str, str]:
        """Intervals that its numbers must lie in, by name, where there are any."""
        found = {k: v for term in self.terms for k, v in term.intervals}
        return found if self.change is None else found | dict(self.change.intervals)

    def _names(self, names_of: Callable[[Callable], set[str]]) -> frozenset[str]:
        names = {term.weight for term in self.terms if isinstance(term.weight, str)}
        names |= set() if self.change is None else set(self.change.numbers)
        return frozenset(names.union(*(names_of(term.loss) for term in self.terms)))

    def seen(self, batch: Batch, key: jax.Array, **chosen: Any) -> Batch:
        """A batch as the network sees it in training, with the numbers of the step."""
        if self.change is None:
            return batch
        key = jax.random.fold_in(key, _CHANGE_STREAM)
        numbers = {name: chosen[name] for name in self.change.numbers}
        return self.change.apply(batch, key, **numbers)

    def __call__(
        self, params: Params, batch: Batch, key: jax.Array, **chosen: Any
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The sum, and every summand by name where there are several."""
        batch = self.seen(batch, key, **chosen)
        total, found = None, {}
        for term in self.terms:
            wanted = {k: v for k, v in chosen.items() if k in _keywords(term.loss)}
            value, own = _value_and_terms(term.loss(params, batch, key, **wanted))
            named = {term.name: value, **own} if len(self.terms) > 1 else own
            twice = sorted(named.keys() & (found.keys() | {"objective"}))
            if twice:
                raise ValueError(
                    f"objective must name its terms apart, and none of them objective, "
                    f"got {', '.join(twice)} twice"
                )
            found |= named
            weight = term.weight
            if isinstance(weight, str):
                value = chosen[weight] * value
            elif weight != 1.0:
                value = weight * value
            total = value if total is None else total + value
        return total, found

    def __add__(self, other: "Objective") -> "Objective":
        """The sum of two objectives, on batches changed as either of them has it."""
        if not isinstance(other, Objective):
            return NotImplemented
        both = self.change is not None and other.change is not None
        if both and self.change != other.change:
            raise ValueError(
                "objectives must change batches in one way to be added, got "
                f"{self.change.name} and {other.change.name}"
            )
        return Objective(self.terms + other.terms, self.change or other.change)

    def __mul__(self, weight: float | str) -> "Objective":
        """The objective times a number, or times the number of a name."""
        if not isinstance(weight, str | numbers_module.Real):
            return NotImplemented
        if any(isinstance(term.weight, str) for term in self.terms):
            raise ValueError(f"{self.name} is weighed by a name already")
        if isinstance(weight, str):
            if any(term.weight != 1.0 for term in self.terms):
                raise ValueError(f"{self.name} is weighed by a number already")
            terms = (dataclasses.replace(t, weight=weight) for t in self.terms)
        else:
            terms = (
                dataclasses.replace(t, weight=float(weight) * t.weight)
                for t in self.terms
            )
        return dataclasses.replace(self, terms=tuple(terms))

    __rmul__ = __mul__


def objective(
    loss: ObjectiveFn,
    name: str,
    *,
    targets: Sequence[str] = TARGETS,
    output: str | None = None,
    weighs: bool = False,
    intervals: Mapping[str, str] = MappingProxyType({}),
) -> Objective:
    """An objective of a loss, with what it is for.

    Args:
      loss: ``loss(params, batch, key) -> loss`` or ``(loss, terms)``, with keyword-only
        arguments.
      name: All that it depends on, in words: a resumed run compares it.
      targets: Kinds of targets that it takes, of ``ibjax.datasets.task.TARGETS``.
      output: Meaning of the network's output that it needs; None for any.
      weighs: Whether rows of weight zero change nothing, for certain.
      intervals: Intervals of its numbers by name, such as ``{"beta": "[0, inf)"}``.

    Returns:
      The objective.

    Example:
      >>> sparse = objective(
      ...     lambda params, batch, key, *, strength: strength * jnp.sum(abs(params)),
      ...     "absolute values",
      ...     intervals={"strength": "[0, inf)"},
      ... )
      >>> sparse.name, sparse.intervals
      ('absolute values', {'strength': '[0, inf)'})
    """
    checks.instance("intervals", intervals, Mapping)
    return Objective(
        (_Term(1.0, loss, name, tuple(targets), output, weighs, (*intervals.items(),)),)
    )


def as_objective(objective: ObjectiveFn) -> Objective:
    """Any objective as one that can be added and weighed.

    Example:
      >>> penalty = as_objective(lambda params, batch, key: jnp.sum(params**2))
      >>> total = cross_entropy() + 0.5 * penalty
      >>> print(total.name)
      cross_entropy + 0.5 <lambda>
    """
    if isinstance(objective, Objective):
        return objective
    if not callable(objective):
        raise TypeError(
            "objective must be a function (params, batch, key) -> loss, got "
            f"{type(objective).__name__}"
        )
    name = getattr(objective, "__name__", type(objective).__name__)
    return Objective((_Term(1.0, objective, name, weighs=False),))


def default_objective(kind: str) -> Objective:
    """Cross-entropy where targets are classes, the squared error where vectors.

    Args:
      kind: One of ``ibjax.datasets.task.TARGETS``.

    Raises:
      ValueError: If there are no targets.
    """
    checks.one_of("kind", kind, TARGETS)
    if kind == "nothing":
        raise ValueError("objective must be given for a task without targets, got None")
    return squared_error() if kind == "vectors" else cross_entropy()


def cross_entropy() -> Objective:
    """Mean cross-entropy of the network's logits against p(y|x), in nats.

    The network is drawn with its noise, as it trains.

    Example:
      >>> from ibjax import datasets, networks
      >>> network = networks.mlp([12, 2])
      >>> params, key = network.init(jax.random.key(0)), jax.random.key(1)
      >>> params = jax.tree.map(jnp.zeros_like, params)
      >>> batch = datasets.szt().batch(jnp.arange(8))
      >>> loss, _ = cross_entropy()(params, batch, key, network=network)
      >>> print(f"{loss:.3f}")  # The logarithm of two.
      0.693
    """

    def loss(params, batch, key, *, network):
        logits = network.activations(params, batch.x, key=key, training=True)[-1]
        return mean_loss(logits, batch.targets, batch.weights)

    kinds = ("classes", "distributions")
    return Objective((_Term(1.0, loss, "cross_entropy", kinds, "softmax"),))


def squared_error() -> Objective:
    """Mean squared error of the network's output, summed over its dimensions.

    Example:
      >>> from ibjax import datasets, networks
      >>> network = networks.mlp([1, 1], output="linear")
      >>> task = datasets.make_task([[0.0], [1.0]], targets=[1.0, -2.0])
      >>> params = jax.tree.map(jnp.zeros_like, network.init(jax.random.key(0)))
      >>> batch, key = task.batch(jnp.arange(2)), jax.random.key(0)
      >>> print(squared_error()(params, batch, key, network=network)[0])
      2.5
    """

    def loss(params, batch, key, *, network):
        output = network.activations(params, batch.x, key=key, training=True)[-1]
        errors = jnp.sum((output - batch.targets) ** 2, axis=1)
        return jnp.sum(errors * batch.weights) / jnp.sum(batch.weights)

    return Objective((_Term(1.0, loss, "squared_error", ("vectors",), "linear"),))


def orthonormal() -> Objective:
    """Penalty on weight arrays without orthonormal rows or columns.

    See :func:`orthonormality`; Goldfeld et al. (2019) train with one.
    """

    def loss(params, batch, key, *, network):
        del batch, key
        return orthonormality(params, network)

    return Objective((_Term(1.0, loss, "orthonormal"),))


def weight_decay() -> Objective:
    """Sum of the squares of all weights, without biases."""

    def loss(params, batch, key, *, network):
        del batch, key
        leaves = jax.tree.leaves(network.kernels(params))
        return sum(jnp.sum(w**2) for w in leaves)

    return Objective((_Term(1.0, loss, "weight_decay"),))


@full_precision
def evaluate(
    objective: Objective,
    params: Params,
    batch: Batch,
    key: jax.Array,
    network: Network,
    numbers: dict[str, jax.Array],
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Loss and named terms of one batch, given all that the objective may ask for."""
    known = {"network": network, **numbers}
    unknown = sorted(objective.required - known.keys())
    if unknown:
        raise ValueError(
            f"objective takes {', '.join(unknown)}, which vary must name beside "
            f"{', '.join(sorted(numbers)) or 'nothing'}"
        )
    chosen = {k: v for k, v in known.items() if k in objective.keywords}
    return objective(params, batch, key, **chosen)


def check_objective(objective: Objective, kind: str, network: Network) -> None:
    """Check that an objective fits the task's targets and the network's output.

    Args:
      objective: The objective.
      kind: Kind of the targets, one of ``ibjax.datasets.task.TARGETS``.
      network: The network.

    Raises:
      ValueError: If a term is for other targets or another output.
    """
    for term in objective.terms:
        checks.one_of(f"the task's targets for {term.name}", kind, term.targets)
        if term.output is not None:
            output = f"the network's output for {term.name}"
            checks.one_of(output, network.output, [term.output])


@full_precision
def orthonormality(params: Params, network: Network) -> jax.Array:
    r"""Distance of weight arrays from orthonormal rows or columns.

    :math:`\sum_l \|G_l - I\|_F^2`, where :math:`G_l` is the smaller of
    :math:`W_l W_l^T` and :math:`W_l^T W_l`: zero is within reach then, whether a layer
    widens or narrows.

    Args:
      params: Parameters of the network.
      network: The network; all its weight arrays must be matrices.

    Returns:
      The sum, shape ``[]``.

    Raises:
      ValueError: If a weight array is no matrix.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> from ibjax import networks
      >>> params = ((2 * jnp.eye(2, 3), jnp.zeros(2)),)
      >>> print(orthonormality(params, networks.mlp([3, 2])))
      18.0
    """
    total = jnp.zeros(())
    for w in jax.tree.leaves(network.kernels(params)):
        if w.ndim != 2:
            raise ValueError(
                f"orthonormality is of weight matrices, got an array of shape {w.shape}"
            )
        # Only the fewer of rows and columns can all be orthonormal.
        gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        total += jnp.sum((gram - jnp.eye(len(gram), dtype=w.dtype)) ** 2)
    return total


def mean_loss(logits: jax.Array, targets: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted mean cross-entropy, in nats.

    Args:
      logits: Shape ``[num_samples, num_classes]``.
      targets: Distribution of the label, shape ``[num_samples, num_classes]``.
      weights: Weight of every sample, shape ``[num_samples]``.

    Returns:
      Mean loss, shape ``[]``.

    Raises:
      ValueError: If logits and targets differ in shape.

    Example:
      >>> weights = jnp.array([1.0, 1.0, 0.0])
      >>> value = mean_loss(jnp.zeros((3, 2)), jnp.eye(3, 2), weights)
      >>> print(f"{value:.3f}")  # The logarithm of two.
      0.693
    """
    checks.same_shape(logits=logits, targets=targets)
    # With the samples in the last axis, as the networks keep them: in the other
    # layout these few lines cost a CPU more than a whole layer.
    logits, targets = logits.T, targets.T
    # The shift leaves the loss as it is, and so has no gradient.
    logits = logits - lax.stop_gradient(jnp.max(logits, axis=0, keepdims=True))
    log_normalizer = jnp.log(jnp.sum(jnp.exp(logits), axis=0))
    losses = log_normalizer - jnp.sum(targets * logits, axis=0)
    return jnp.sum(losses * weights) / jnp.sum(weights)


def _keywords(function: Callable) -> set[str]:
    """Keyword-only arguments of a loss."""
    if isinstance(function, Objective):
        return set(function.keywords)
    return {
        name
        for name, argument in inspect.signature(function).parameters.items()
        if argument.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _required(function: Callable) -> set[str]:
    """Keyword-only arguments of a loss that have no default."""
    if isinstance(function, Objective):
        return set(function.required)
    arguments = inspect.signature(function).parameters
    return {
        k
        for k in _keywords(function)
        if arguments[k].default is inspect.Parameter.empty
    }


def _value_and_terms(returned: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Loss and terms of what an objective returned."""
    value, terms = returned if isinstance(returned, tuple) else (returned, {})
    if not isinstance(terms, dict):
        raise TypeError(
            "objective must return its loss, or its loss and a dict of named numbers, "
            f"got {type(terms).__name__} in second place"
        )
    for name, number in (("loss", value), *terms.items()):
        shape = jnp.shape(number)
        if shape != ():
            raise ValueError(
                f"objective must return one number as its {name}, got an array of "
                f"shape {shape}"
            )
    return jnp.asarray(value), {k: jnp.asarray(v) for k, v in terms.items()}
