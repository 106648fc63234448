"""Trainable: what a sweep trains many of, as pure functions of a key.

Networks are one kind, deep linear students another; whatever is written as a
:class:`Trainable` gets seeds, numbers, blocks, devices, saving and resuming.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from ibjax.networks.network import Layer

__all__ = ["LOSS_UNITS", "Trainable", "Variable"]

LOSS_UNITS = "units of the objective"
"""Unit of a variable that has the one of what training lowers, whichever that is.

In sweeps it is nats where that is the cross-entropy, and none for squared errors.
"""


class Variable(NamedTuple):
    """Dims, unit and name of a recorded quantity.

    Attributes:
      dims: Names of its axes for one seed at one epoch, e.g. ``("layer",)``.
      units: Its unit; ``"1"`` for none.
      long_name: The quantity in words.
      of_seed: Whether it belongs to the seed as a whole: the last snapshot's value is
        kept, without the dim ``epoch``.
    """

    dims: tuple[str, ...] = ()
    units: str = "1"
    long_name: str = ""
    of_seed: bool = False


def _nothing(data: Any, epoch: jax.Array) -> None:
    del data, epoch


def _state_itself(state: Any) -> Any:
    return state


class Trainable(NamedTuple):
    """Something to be trained from a key, as pure functions of one seed.

    Attributes:
      init: ``init(key, data, numbers) -> (state, own)``: the state before any step, and
        what the seed keeps as it is (its key, its order of rows, its problem).
        ``numbers`` are scalars by name, those that a sweep varies.
      run_epoch: ``run_epoch(state, own, data, drawn, epoch) -> state``.
      measure: ``measure(state, own, data, drawn, epoch, is_last) -> record``: arrays by
        name. ``is_last``, a traced boolean, says whether the training ends here.
      data: Arrays that all seeds share, a pytree; an argument of the compiled program,
        not a constant in it.
      draw: ``draw(data, epoch) -> drawn``: what all seeds share in an epoch, such as
        its shuffle.
      draw_measured: The same for a snapshot after this epoch.
      params: ``params(state)``: arrays that tell by not being finite that a seed
        diverged.
      layers: Its layers.
      variables: What is known of the recorded quantities, by name.
      estimators: What each entry of the dim ``estimator`` is, in words, by name.
      constants: Arrays that are kept with the results, by name: dims and values.
      configuration: All that decides the numbers, for JSON.
      attributes: More to say of the results, by name.
      title: Title of the results; ``{num}`` stands for the number of seeds.
      numbers: Names of the numbers that ``init`` takes.
    """

    init: Callable[[jax.Array, Any, dict[str, jax.Array]], tuple[Any, Any]]
    run_epoch: Callable[[Any, Any, Any, Any, jax.Array], Any]
    measure: Callable[..., dict[str, Any]]
    data: Any = None
    draw: Callable[[Any, jax.Array], Any] = _nothing
    draw_measured: Callable[[Any, jax.Array], Any] = _nothing
    params: Callable[[Any], Any] = _state_itself
    layers: tuple[Layer, ...] = ()
    variables: dict[str, Variable] = {}
    estimators: dict[str, str] = {}
    constants: dict[str, tuple[str, np.ndarray]] = {}
    configuration: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    title: str = "ibjax sweep of {num}"
    numbers: tuple[str, ...] = ()
