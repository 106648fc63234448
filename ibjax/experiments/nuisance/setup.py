"""Set-up of networks with noisy weights on images with a nuisance."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ibjax import networks, probes, weights
from ibjax.datasets.images import image_side
from ibjax.datasets.task import Task, make_task
from ibjax.experiments.choices import Optimizer, hidden_widths, train_config
from ibjax.experiments.corruption.setup import led_up, small_images
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell

__all__ = ["NuisanceSetup", "decoded_information", "decodings", "occluded"]

# Its stream, apart from those of other probes.
_STREAM = 221
_STEPS, _RATE = 300, 0.05
# Of squared weights; what suits many noisy activities does not suit few clean ones.
_DECAYS = 1e-3, 1e-2, 1e-1, 1.0


@dataclass(frozen=True)
class NuisanceSetup(Setup):
    """Networks with noisy weights on images part of which is covered.

    Attributes:
      beta: Price of a nat in the weights, in nats of loss summed over the images;
        several are swept, in one program.
      hidden: Units of the hidden layers, as 100-100.
      side: Pixels along a side to which images that have more are averaged.
      places: Places along a side where the square that covers can be.
      square: Pixels of its side.
      initial_std: Deviation of the weights' noise where training starts.
      start: Price during the first sixth of the epochs, from which it is led to beta in
        the second and third.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
      noise_variance: Variance of the noise of the kernel-density bounds of what layers
        hold of the test images, in squared units of activity.
    """

    grid_fields = ("beta",)
    number_fields = ("beta",)
    positive_fields = ("initial_std", "start", "noise_variance")
    needs_images = True

    beta: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    hidden: str = "100-100"
    side: int = 14
    places: int = 3
    square: int = 4
    initial_std: float = 0.03
    start: float = 1e-3
    optimizer: Optimizer = "adam"
    learning_rate: float = 3e-3
    batch_size: int = 50
    noise_variance: float = 0.1

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        for name in ("side", "square"):
            checks.count(name, getattr(self, name))
        checks.count("places", self.places, 2)
        for beta in self.beta:
            checks.positive("beta", beta)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured with the terms of its objective, losses, and what can be
        decoded from its layers at the end.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> (cell,) = NuisanceSetup(side=8, square=2).cells(context)
          >>> cell.description["nuisance"]
          'one of 9 places'
        """
        self.check()
        epochs = context.snapshots[-1]
        plain = small_images(context.images(), side=self.side)
        task, nuisance = occluded(plain, places=self.places, square=self.square)
        num_train = len(task.train_rows)
        widths = (task.num_inputs, *hidden_widths(self.hidden), task.num_classes)
        network = weights.noisy_weights(
            networks.mlp(widths, "relu"), std=self.initial_std
        )
        measured = (
            probes.objective_terms,
            probes.losses,
            probes.kde_bounds(self.noise_variance),
            decodings(nuisance[-task.measured.num_samples :], self.places**2),
        )
        bottleneck = weights.weight_bottleneck(
            num_samples=num_train, prior_variance=None
        )
        config = train_config(self, context.random_seed)
        cells = []
        for chosen, place in self.combinations():
            fixed = self.fixed(chosen)
            own = {
                **fixed,
                "num_train": num_train,
                "hidden": list(hidden_widths(self.hidden)),
                "side": image_side(task),
                "nuisance": f"one of {self.places**2} places",
                "initial_std": self.initial_std,
                "noise_variance": self.noise_variance,
                "epochs": epochs,
            }
            objective = led_up(
                bottleneck, start=self.start, beta=chosen["beta"], epochs=epochs
            )
            cells.append(
                self.cell(
                    context,
                    place,
                    task,
                    network,
                    config,
                    measured,
                    own,
                    objective=objective,
                )
            )
        return cells


def occluded(task: Task, *, places: int, square: int) -> tuple[Task, np.ndarray]:
    """Images of which a square as bright as a stroke is covered, and where it is.

    Places are on a grid over the image, each as frequent as any, whatever the class.

    Args:
      task: Square images with classes.
      places: Places along a side.
      square: Pixels of the square's side.

    Returns:
      The task, and the place of every image, ``[num_samples]``.

    Raises:
      ValueError: If squares do not fit next to each other.

    Example:
      >>> task = make_task(np.zeros((18, 16)), np.zeros(18, int), num_classes=2)
      >>> covered, nuisance = occluded(task, places=2, square=2)
      >>> print(covered.x.sum(), sorted(set(nuisance.tolist())))
      72.0 [0, 1, 2, 3]
    """
    side = image_side(task)
    checks.in_range("square", square, f"[1, {side // places}]")
    nuisance = np.random.default_rng(0).integers(0, places**2, task.num_samples)
    x = np.array(task.x).reshape(-1, side, side)
    bright = max(1.0, float(x.max()))
    starts = np.rint(np.linspace(0, side - square, places)).astype(int)
    for place in range(places**2):
        row, column = starts[place // places], starts[place % places]
        found = nuisance == place
        x[found, row : row + square, column : column + square] = bright
    covered = make_task(
        x.reshape(len(x), -1),
        np.asarray(task.labels),
        num_classes=task.num_classes,
        name=f"occluded {task.name}",
        num_measured=task.num_measured,
        train_rows=task.train_rows,
    )
    return covered, nuisance


def decoded_information(
    t: jax.Array, labels: jax.Array, *, num_classes: int
) -> jax.Array:
    r"""Nats that a linear decoder finds in activities: a lower bound on I(T; label).

    The entropy of the labels less the cross-entropy of a softmax regression that has
    not seen them: it is fitted to half of the samples, its decay of weights is chosen
    on a quarter, and the last quarter counts. It is not below zero, where guessing is.
    The bound holds on average over samples.

    Args:
      t: Activities, shape ``[num_samples, num_units]``.
      labels: Classes, ``[num_samples]``.
      num_classes: Number of classes.

    Returns:
      The information, nats, shape ``[]``.

    Example:
      >>> labels = jnp.arange(40) % 2
      >>> t = 2.0 * labels[:, None] - 1.0
      >>> found = decoded_information(t, labels, num_classes=2)
      >>> bool(0.6 < found < np.log(2))
      True
    """
    num, last = len(t) // 2, 3 * len(t) // 4
    mean, std = jnp.mean(t[:num], axis=0), jnp.std(t[:num], axis=0)
    # A unit that is dead tells nothing, whatever it is divided by.
    t = jnp.where(std[None] > 1e-6, (t - mean[None]) / (std[None] + 1e-6), 0.0)
    hot = jax.nn.one_hot(labels, num_classes, dtype=t.dtype)
    optimizer = optax.adam(_RATE)

    def cross_entropy(params, rows):
        w, b = params
        logits = jax.nn.log_softmax(t[rows] @ w + b[None])
        return -jnp.mean(jnp.sum(hot[rows] * logits, axis=1))

    def of_decay(decay):
        def loss(params):
            size = decay * jnp.sum(params[0] ** 2) / 2
            return cross_entropy(params, slice(num)) + size

        def step(_, state):
            params, kept = state
            changes, kept = optimizer.update(jax.grad(loss)(params), kept)
            return optax.apply_updates(params, changes), kept

        start = jnp.zeros((t.shape[1], num_classes)), jnp.zeros(num_classes)
        state = start, optimizer.init(start)
        params, _ = jax.lax.fori_loop(0, _STEPS, step, state)
        rows = slice(num, last), slice(last, None)
        return [cross_entropy(params, part) for part in rows]

    chosen, counted = jax.vmap(of_decay)(jnp.array(_DECAYS, t.dtype))
    share = jnp.mean(hot[last:], axis=0)
    entropy = -jnp.sum(jnp.where(share > 0, share * jnp.log(share + 1e-30), 0.0))
    return jnp.maximum(entropy - counted[jnp.argmin(chosen)], 0.0)


def decodings(nuisance: np.ndarray, num_places: int) -> probes.Probe:
    """What a linear decoder finds of classes and of a nuisance in drawn activities.

    Args:
      nuisance: Nuisance of the measured images, ``[num_measured]``.
      num_places: Number of its values.

    Returns:
      The probe of ``decoded_class`` and ``decoded_nuisance``, ``[num_layers]`` each,
      nats, at the last snapshot.

    Example:
      >>> sorted(decodings(np.zeros(4, int), 9).variables)
      ['decoded_class', 'decoded_nuisance']
    """
    nuisance = jnp.asarray(nuisance)

    def measure(snapshot: probes.Snapshot) -> dict[str, Any]:
        task, network = snapshot.measured, snapshot.network
        key = jax.random.fold_in(snapshot.key, _STREAM)
        layers = network.activations(snapshot.params, task.x, key=key)
        of_class = partial(decoded_information, num_classes=task.num_classes)
        of_place = partial(decoded_information, num_classes=num_places)
        return {
            "decoded_class": jnp.stack([of_class(t, task.labels) for t in layers]),
            "decoded_nuisance": jnp.stack([of_place(t, nuisance) for t in layers]),
        }

    return probes.Probe(
        measure,
        parameters={"decodings": num_places},
        variables={
            f"decoded_{name}": probes.Variable(
                ("layer",), "nats", f"what a linear decoder finds of the {name}"
            )
            for name in ("class", "nuisance")
        },
        last_only=True,
        usually_last=True,
    )
