"""What an objective is: a sum of losses, pure functions of parameters and a batch.

An objective is any ``objective(params, batch, key) -> loss``, or ``-> (loss, terms)``
with named numbers that a sweep records. It may have keyword-only arguments: ``network``
is given the network, ``epoch`` the number of epochs done, every other one the number of
that name which a sweep varies, or its default.
"""

import dataclasses
import inspect
import numbers as numbers_module
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ibjax.compilation import full_precision
from ibjax.datasets.task import TARGETS, Batch, Task
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks

__all__ = [
    "GIVEN",
    "Change",
    "Objective",
    "ObjectiveFn",
    "as_objective",
    "check_objective",
    "evaluate",
    "objective",
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
    # Interval of the targets' values or, where there are none, of the inputs'.
    values: str | None = None


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
        total: Any = None
        found: dict[str, jax.Array] = {}
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
        one, another = self.change, other.change
        if one is not None and another is not None and one != another:
            raise ValueError(
                "objectives must change batches in one way to be added, got "
                f"{one.name} and {another.name}"
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
    values: str | None = None,
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
      values: Interval of the values of real targets, or of inputs that are their own
        targets; None for any.

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
    checks.instance("targets", targets, list, tuple, set, frozenset)
    checks.instance("intervals", intervals, Mapping)
    checks.flag("weighs", weighs)
    known = (*intervals.items(),)
    return Objective(
        (_Term(1.0, loss, name, tuple(targets), output, weighs, known, values),)
    )


def as_objective(objective: ObjectiveFn) -> Objective:
    """Any objective as one that can be added and weighed.

    Example:
      >>> penalty = as_objective(lambda params, batch, key: jnp.sum(params**2))
      >>> from ibjax.training.objectives import cross_entropy
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


def check_objective(objective: Objective, task: Task, network: Network) -> None:
    """Check that an objective fits the task's targets and the network's output.

    Args:
      objective: The objective.
      task: The task.
      network: The network.

    Raises:
      ValueError: If a term is for other targets, values or another output.
    """
    for term in objective.terms:
        checks.one_of(f"the task's targets for {term.name}", task.kind, term.targets)
        if term.values is not None:
            own = task.vectors is not None
            name = f"the task's {'targets' if own else 'inputs'} for {term.name}"
            checks.within(name, task.vectors if own else task.x, term.values)
        if term.output is not None:
            output = f"the network's output for {term.name}"
            checks.one_of(output, network.output, [term.output])


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
