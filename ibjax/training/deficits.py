"""Deficits for a part of the training: what a network sees, and in which epochs.

A deficit is a function of a batch and a key; :func:`with_deficit` makes it a part of an
objective in a window of epochs. It changes nothing that is measured: a sweep's
accuracies are on the task as it is. Windows are numbers, so that a sweep trains all of
them side by side in one program.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.datasets import deficits
from ibjax.datasets.task import Batch
from ibjax.numerics import checks
from ibjax.training.objectives import Change, Objective, ObjectiveFn, as_objective

__all__ = ["DEFICITS", "Deficit", "image_deficit", "label_deficit", "with_deficit"]

DEFICITS = ("blur", "flip", "noise")
"""Deficits of images, by name."""

Boundary = float | str | Sequence[float]
"""An epoch, the name of a number that a sweep varies, or an epoch of every window."""


class Deficit(NamedTuple):
    """What a network sees in place of a batch.

    Attributes:
      apply: ``apply(batch, key) -> batch``, of the same shapes.
      name: All that it depends on, in words.
      weighs: Whether it treats every row by itself, without anything random.
    """

    apply: Callable[[Batch, jax.Array], Batch]
    name: str
    weighs: bool = False


def image_deficit(
    name: str,
    image_shape: tuple[int, ...],
    *,
    factor: int = 4,
    mean: float = 0.5,
    std: float = 0.25,
) -> Deficit:
    """A deficit of images, by its name.

    Args:
      name: One of :data:`DEFICITS`: see :func:`ibjax.datasets.deficits.blurred`,
        ``flipped`` and ``noise_images``.
      image_shape: Height and width, or height, width and channels, of the images; a
        batch may hold them flat, row by row.
      factor: How strong blur is.
      mean: Mean of a pixel of noise.
      std: Its standard deviation.

    Returns:
      The deficit.

    Raises:
      ValueError: If the name is another one, the shape is none, the factor is not
        positive or larger than a side, or the deviation negative.

    Example:
      >>> from ibjax.datasets.images import image_task
      >>> batch = image_task("digits").batch(jnp.arange(5))
      >>> seen = image_deficit("flip", (8, 8)).apply(batch, jax.random.key(0))
      >>> bool((seen.x[:, :8] == batch.x[:, -8:]).all())
      True
    """
    checks.one_of("name", name, DEFICITS)
    image_shape = checks.counts("image_shape", image_shape, fewest=2, most=3)
    checks.count("factor", factor)
    mean = checks.number("mean", mean)
    std = checks.not_negative("std", std)
    if name == "blur":
        checks.in_range("factor", factor, f"[1, {min(image_shape[:2])}]")

    def change(key, images):
        if name == "blur":
            return deficits.blurred(images, factor=factor)
        if name == "flip":
            return deficits.flipped(images)
        return deficits.noise_images(key, images, mean=mean, std=std)

    def apply(batch, key):
        if math.prod(batch.x.shape[1:]) != math.prod(image_shape):
            raise ValueError(
                f"image_shape must be that of the task's inputs, of "
                f"{math.prod(batch.x.shape[1:])} numbers, got {image_shape}"
            )
        images = change(key, batch.x.reshape(-1, *image_shape))
        return replace(batch, x=images.reshape(batch.x.shape).astype(batch.x.dtype))

    words = {"blur": f"blur {factor}", "noise": f"noise {mean:g} +- {std:g}"}
    words = words.get(name, name)
    words = f"{words} of {'x'.join(map(str, image_shape))}"
    return Deficit(apply, words, name != "noise")


def label_deficit(permutation: Sequence[int]) -> Deficit:
    """Labels of which every class has another one's name.

    Args:
      permutation: New number of every class, ``[num_classes]``.

    Returns:
      The deficit, for tasks of classes.

    Raises:
      ValueError: If it is no permutation.
      TypeError: If it holds no integers.

    Example:
      >>> from ibjax import datasets
      >>> batch = datasets.szt().batch(jnp.arange(3))
      >>> seen = label_deficit([1, 0]).apply(batch, jax.random.key(0))
      >>> print(batch.targets[0], seen.targets[0])
      [1. 0.] [0. 1.]
    """
    permutation = np.asarray(checks.numeric("permutation", permutation, np.asarray))
    checks.integers("permutation", permutation)
    checks.shape("permutation", permutation, ("num_classes",))
    if sorted(permutation.tolist()) != list(range(len(permutation))):
        raise ValueError(
            f"permutation must name each class once, got {permutation.tolist()}"
        )

    def apply(batch, key):
        del key
        targets = deficits.permuted_targets(batch.targets, permutation)
        return replace(batch, targets=targets)

    words = ", ".join(map(str, permutation.tolist()))
    return Deficit(apply, f"labels permuted to {words}", True)


def with_deficit(
    objective: ObjectiveFn,
    deficit: Deficit,
    *,
    start: Boundary = "start",
    stop: Boundary = "stop",
) -> Objective:
    """An objective that sees its batches with a deficit, from one epoch to another.

    An epoch counts those done before: a deficit from 0 to 5 is in the first five, one
    from 5 to 5 in none. What a network keeps of batches, such as their statistics, is
    of what it sees.

    Args:
      objective: What training lowers.
      deficit: The deficit.
      start: First epoch with it: a number; the name of a number that the sweep varies;
        or several numbers, one of every window, of which the number ``window`` chooses
        where ``stop`` has as many.
      stop: First epoch without it, likewise.

    Returns:
      The objective, with the numbers that are not given.

    Raises:
      ValueError: If windows are not as many starts as stops, an epoch is negative, or
        the objective has a deficit already.
      TypeError: If the deficit is none, or an epoch is no number.

    References:
      Achille, Rovere and Soatto, `Critical learning periods in deep networks`, ICLR
      2019.

    Example:
      >>> from ibjax.training.objectives import cross_entropy
      >>> blur = image_deficit("blur", (8, 8))
      >>> blurred = with_deficit(cross_entropy(), blur, start=0)
      >>> print(blurred.name, sorted(blurred.required))
      cross_entropy, blur 4 of 8x8 from 0 to stop ['epoch', 'network', 'stop']
    """
    objective = as_objective(objective)
    checks.instance("deficit", deficit, Deficit)
    if objective.change is not None:
        raise ValueError(
            "objective must see its batches as they are, got one with "
            f"{objective.change.name}"
        )
    ends = {"start": _boundary("start", start), "stop": _boundary("stop", stop)}
    tables = {k: v for k, v in ends.items() if isinstance(v, tuple)}
    if len(tables) == 1 or len({len(table) for table in tables.values()}) > 1:
        raise ValueError(
            f"start and stop must be of as many windows, got {start} and {stop}"
        )
    named = [end for end in ends.values() if isinstance(end, str)]
    intervals = dict.fromkeys(named, "[0, inf)")
    if tables:
        intervals = {"window": f"[0, {len(ends['start']) - 1}]"}

    def apply(batch, key, *, epoch, **numbers):
        def epoch_of(end):
            if isinstance(end, tuple):
                return jnp.array(end)[jnp.asarray(numbers["window"]).astype(int)]
            return numbers[end] if isinstance(end, str) else end

        there = (epoch_of(ends["start"]) <= epoch) & (epoch < epoch_of(ends["stop"]))
        changed = deficit.apply(batch, key)
        return jax.tree.map(lambda a, b: jnp.where(there, a, b), changed, batch)

    words = f"{deficit.name} from {_words(ends['start'])} to {_words(ends['stop'])}"
    change = Change(
        apply, words, ("epoch", *intervals), deficit.weighs, (*intervals.items(),)
    )
    return replace(objective, change=change)


def _boundary(name: str, value: Boundary) -> float | str | tuple[float, ...]:
    if isinstance(value, str):
        return value
    is_array = isinstance(value, np.ndarray | jax.Array) and value.ndim
    if not (is_array or isinstance(value, Sequence)):
        return float(checks.not_negative(name, value))
    windows: Any = checks.not_empty(name, value, "window")
    return tuple(float(checks.not_negative(f"each of {name}", v)) for v in windows)


def _words(end: float | str | tuple[float, ...]) -> str:
    if isinstance(end, tuple):
        return ", ".join(f"{value:g}" for value in end)
    return end if isinstance(end, str) else f"{end:g}"
