"""Set-up of stochastic convolutional networks, measured through compression."""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from ibjax import datasets, probes, training
from ibjax.datasets.images import image_side
from ibjax.estimators import compression
from ibjax.experiments.choices import check_batch
from ibjax.experiments.setup import Context, Setup
from ibjax.networks.autoencoders import convolutional_autoencoder, dense_autoencoder
from ibjax.networks.stochastic_convolutional import NOISES, stochastic_convolutional
from ibjax.probes.compressed import compressed
from ibjax.sweeps.grid import Cell

__all__ = ["ImageCodes", "StochasticSetup", "image_codes"]

# Three convolutions with their poolings leave one pixel of this many along a side.
_LEAST_SIDE = 22


@dataclass(frozen=True)
class StochasticSetup(Setup):
    """Butakov et al.'s network, with noise before every layer; several are swept.

    Attributes:
      noise: Kinds of noise: additive as in the paper's theory, multiplicative as in its
        program.
      noise_std: Standard deviation of the noise.
      learning_rate: Step size of Adam; the authors' is 1e-5, for more and larger steps.
      batch_size: Rows of a batch; 1,024 in the authors' run.
      autoencoder: What compresses the images.
      autoencoder_steps: Its training steps, of 128 images each.
      code_dim: Numbers an image is compressed to.
      num_components: Principal components a layer is compressed to.
      neighbours: Neighbours of the entropies, see
        :func:`ibjax.probes.compressed.compressed`.
      weights: Of the neighbours' distances.
    """

    grid_fields = ("noise",)
    positive_fields = ("noise_std", "autoencoder_steps", "code_dim")
    needs_images = True

    noise: tuple[Literal["additive", "multiplicative"], ...] = NOISES
    noise_std: float = 1e-3
    learning_rate: float = 1e-4
    batch_size: int = 256
    autoencoder: Literal["convolutional", "dense"] = "convolutional"
    autoencoder_steps: int = 3000
    code_dim: int = 4
    num_components: int = 4
    neighbours: int = 5
    weights: Literal["butakov", "bsy"] = "butakov"

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Compresses the measured images first, which takes a minute or so, see
        :func:`image_codes`. Each cell is measured through compression, with losses.
        Images too small for three poolings are enlarged: a pixel becomes several, as
        digits of 8 by 8 become 24 by 24.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> setup = StochasticSetup(noise=("additive",), autoencoder_steps=2)
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> (cell,) = setup.cells(context)
          >>> cell.task.num_inputs
          576
        """
        self.check()
        task = _enlarged(context.images())
        config = training.TrainConfig(
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            train_fraction=1 - task.num_measured / task.num_samples,
            split="ordered",
            shuffle_seed=context.random_seed,
        )
        # Before the codes, which are trained on their part.
        check_batch(task, config)
        codes = image_codes(self, task)
        cells = []
        for chosen, place in self.combinations():
            network = stochastic_convolutional(
                (image_side(task), image_side(task)),
                num_classes=task.num_classes,
                noise=chosen["noise"],
                noise_std=self.noise_std,
                **_pixels(task),
            )
            measured = (
                compressed(
                    codes.codes,
                    num_components=self.num_components,
                    k=self.neighbours,
                    weights=self.weights,
                ),
                probes.losses,
            )
            own = {
                "noise": chosen["noise"],
                "noise_std": self.noise_std,
                "epochs": context.snapshots[-1],
                **codes.description,
            }
            cells.append(
                self.cell(context, place, task, network, config, measured, own)
            )
        return cells


class ImageCodes(NamedTuple):
    """Compressed images, and how well they are.

    Attributes:
      codes: Codes of a task's measured images, ``[num_measured, code_dim]``.
      description: Which autoencoder made them, and its errors: the absolute one a
        pixel, and the root mean square one over that of the images' mean.
    """

    codes: np.ndarray
    description: dict[str, Any]


def image_codes(setup: StochasticSetup, task: datasets.Task) -> ImageCodes:
    """Compress the measured images by an autoencoder fitted to the others.

    It is fitted on a CPU, where it comes out the same to the last bit on as many cores:
    an unfinished sweep can go on with it there, and is refused on fewer or more.

    Args:
      setup: The set-up.
      task: Square images.

    Returns:
      The codes.

    Raises:
      ValueError: If images are not square or too few to be fitted to.

    Example:
      >>> from ibjax.datasets.images import image_task
      >>> setup = StochasticSetup(autoencoder="dense", autoencoder_steps=2)
      >>> image_codes(setup, image_task("digits")).codes.shape
      (360, 4)
    """
    side = image_side(task)
    images = np.asarray(task.x).reshape(-1, side, side)
    fitted, measured = images[: -task.num_measured], images[-task.num_measured :]
    if setup.autoencoder == "dense":
        modules = dense_autoencoder((side, side), setup.code_dim)
    else:
        modules = convolutional_autoencoder(
            (side, side), setup.code_dim, channels=(8, 16)
        )
    # On an accelerator sums differ from run to run, and no run could be resumed.
    with jax.default_device(jax.devices("cpu")[0]):
        model = compression.autoencoder_fit(
            jax.random.key(0),
            fitted,
            dim=setup.code_dim,
            modules=modules,
            loss="l1",
            num_steps=setup.autoencoder_steps,
        )
        codes = compression.encode(model, measured)
        residual = measured - np.asarray(compression.decode(model, codes))
    spread = measured - np.mean(measured, axis=0, keepdims=True)
    description = {
        "autoencoder": setup.autoencoder,
        "autoencoder_steps": setup.autoencoder_steps,
        "autoencoder_images": len(fitted),
        "autoencoder_absolute_error": float(np.mean(np.abs(residual))),
        "autoencoder_relative_error": float(
            np.sqrt(np.mean(residual**2) / np.mean(spread**2))
        ),
    }
    return ImageCodes(np.asarray(codes), description)


def _pixels(task: datasets.Task) -> dict[str, float]:
    """Mean and deviation of the pixels, where they are not the network's defaults."""
    if task.name == "mnist":
        return {}
    return {"pixel_mean": float(np.mean(task.x)), "pixel_std": float(np.std(task.x))}


def _enlarged(task: datasets.Task) -> datasets.Task:
    side = image_side(task)
    factor = math.ceil(_LEAST_SIDE / side)
    if factor == 1:
        return task
    x = np.asarray(task.x, np.float32).reshape(-1, side, side)
    # Pixels repeated: as much information as before, and room for the convolutions.
    x = np.kron(x, np.ones((1, factor, factor), np.float32))
    return datasets.make_task(
        x.reshape(len(x), -1),
        np.asarray(task.labels),
        num_classes=task.num_classes,
        name=task.name,
        num_measured=task.num_measured,
    )
