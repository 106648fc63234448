"""Set-up of networks that learn images with true and with random labels."""

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np

from ibjax import networks, probes, weights
from ibjax.datasets.images import image_side
from ibjax.datasets.task import Task, make_task
from ibjax.experiments.choices import Optimizer, hidden_widths, train_config
from ibjax.experiments.setup import Context, Setup
from ibjax.networks.network import Network
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell
from ibjax.training.objectives import Objective

__all__ = ["CorruptionSetup", "Prior", "led_up", "small_images"]

Prior = Literal["gaussian", "log-uniform", "log-normal"]

# About the mean and deviation of pixels of digits, chosen without looking at any.
_MEAN, _STD = 0.13, 0.3


@dataclass(frozen=True)
class CorruptionSetup(Setup):
    """Networks with noisy weights on images, a share of whose labels is random.

    Attributes:
      prior: Prior of the weights: "gaussian", with the best variance for every array,
        or "log-uniform", which has no norm, of Gaussian weights; or "log-normal" for
        weights with log-normal factors and the log-uniform prior; several are swept.
      train_fraction: Part of the training images that is trained on; several are swept.
      label_noise: Share of the labels that is drawn anew from all classes; several are
        swept, in one program.
      beta: Price of a nat in the weights, in nats of loss summed over the images;
        several are swept, in one program.
      hidden: Units of the hidden layers, as 100-100.
      side: Pixels along a side to which images that have more are averaged.
      initial_std: Deviation of the weights' noise where training starts, that of
        log-normal factors relative to the weight.
      start: Price during the first sixth of the epochs, from which it is led to beta in
        the second and third.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
      noise_variance: Variance of the noise of the kernel-density bounds of what layers
        hold of the test images, in squared units of activity.
    """

    grid_fields = ("prior", "train_fraction", "label_noise", "beta")
    number_fields = ("label_noise", "beta")
    positive_fields = ("initial_std", "start", "noise_variance")
    needs_images = True

    prior: tuple[Prior, ...] = ("gaussian",)
    train_fraction: tuple[float, ...] = (0.25, 0.5, 1.0)
    label_noise: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    beta: tuple[float, ...] = (3e-3, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 1.0, 3.0, 30.0)
    hidden: str = "100"
    side: int = 14
    initial_std: float = 0.03
    start: float = 1e-3
    optimizer: Optimizer = "adam"
    learning_rate: float = 3e-3
    batch_size: int = 50
    noise_variance: float = 0.1

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        checks.count("side", self.side)
        for prior in self.prior:
            checks.one_of("prior", prior, get_args(Prior))
        for fraction in self.train_fraction:
            checks.in_range("train-fraction", fraction, "(0, 1]")
        for share in self.label_noise:
            checks.in_range("label-noise", share, "[0, 1]")
        for beta in self.beta:
            checks.positive("beta", beta)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured with the terms of its objective, losses, and kernel-density
        bounds, with weights at their means.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> cells = CorruptionSetup().cells(context)
          >>> [cell.description["num_train"] for cell in cells]
          [359, 718, 1437]
        """
        self.check()
        epochs = context.snapshots[-1]
        measured = (
            probes.objective_terms,
            probes.losses,
            probes.kde_bounds(self.noise_variance),
        )
        task_of = cache(
            lambda fraction: small_images(
                context.images(), fraction=fraction, side=self.side
            )
        )
        network_of = cache(self._network)
        cells = []
        for chosen, place in self.combinations():
            task = task_of(chosen["train_fraction"])
            num_train = len(task.train_rows)
            fixed = self.fixed(chosen)
            config = train_config(
                self,
                context.random_seed,
                batch_size=min(self.batch_size, num_train),
                label_noise=chosen["label_noise"],
            )
            own = {
                **fixed,
                "num_train": num_train,
                "hidden": list(hidden_widths(self.hidden)),
                "side": image_side(task),
                "initial_std": self.initial_std,
                "noise_variance": self.noise_variance,
                "epochs": epochs,
            }
            cells.append(
                self.cell(
                    context,
                    place,
                    task,
                    network_of(task.num_inputs, task.num_classes, chosen["prior"]),
                    config,
                    measured,
                    own,
                    objective=self._objective(chosen, num_train, epochs),
                )
            )
        return cells

    def _network(self, num_inputs: int, num_classes: int, prior: Prior) -> Network:
        widths = (num_inputs, *hidden_widths(self.hidden), num_classes)
        return weights.noisy_weights(
            networks.mlp(widths, "relu"),
            std=self.initial_std,
            noise="log-normal" if prior == "log-normal" else "gaussian",
        )

    def _objective(self, chosen, num_train: int, epochs: int) -> Objective:
        if chosen["prior"] == "gaussian":
            found = weights.weight_bottleneck(
                num_samples=num_train, prior_variance=None
            )
        else:
            found = weights.log_uniform_bottleneck(num_samples=num_train)
        return led_up(found, start=self.start, beta=chosen["beta"], epochs=epochs)


def led_up(
    bottleneck: Objective, *, start: float, beta: float, epochs: int
) -> Objective:
    """An objective whose price stays at its start for a sixth of the epochs.

    In the second and third sixth it is led to beta, where it stays.

    Example:
      >>> found = weights.weight_bottleneck(num_samples=10)
      >>> led_up(found, start=0.01, beta=1.0, epochs=60).name.rpartition(", ")[2]
      'beta from 0.01 in epochs 10 to 30'
    """
    return weights.annealed(
        bottleneck,
        start=start,
        num_epochs=max(1, epochs // 2),
        hold=epochs // 6,
        beta=beta,
    )


def small_images(task: Task, *, fraction: float = 1.0, side: int = 14) -> Task:
    """A part of the training images and all measured ones, averaged to fewer pixels.

    Args:
      task: Images to train on, then those to measure on.
      fraction: Part of the former, the first ones.
      side: Pixels along a side; images that have as many or fewer stay as they are.

    Returns:
      The task, of pixels less about their mean in units of about their deviation.

    Raises:
      ValueError: If pixels cannot be averaged in blocks.

    Example:
      >>> from ibjax.datasets.images import image_task
      >>> task = small_images(image_task("digits"), fraction=0.1, side=4)
      >>> print(task.x.shape, len(task.train_rows), task.num_measured)
      (504, 16) 144 360
    """
    before = image_side(task)
    block = max(1, before // side)
    if before > side and before % side:
        raise ValueError(
            f"side must divide the images' {before} pixels or be at least as many, got "
            f"{side}"
        )
    num_measured = task.measured.num_samples
    num_all = task.num_samples - num_measured
    num_train = max(1, round(fraction * num_all))
    rows = np.r_[:num_train, num_all : task.num_samples]
    x = np.asarray(task.x[jnp.asarray(rows)])
    shape = (len(rows), before // block, block, before // block, block)
    x = x.reshape(shape).mean((2, 4)).reshape(len(rows), -1)
    return make_task(
        (x - _MEAN) / _STD,
        np.asarray(task.labels)[rows],
        num_classes=task.num_classes,
        name=task.name,
        num_measured=num_measured,
        train_rows=np.arange(num_train),
    )
