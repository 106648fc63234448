"""Options of attribution, the images, and the trained networks."""

import abc
import sys
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self

import jax
import jax.numpy as jnp
from flax import linen

from ibjax import datasets, networks
from ibjax.datasets.images import first_measured, image_task
from ibjax.experiments.choices import hidden_widths, smaller
from ibjax.experiments.trained import trained_parameters
from ibjax.networks.convolutional import convolve
from ibjax.networks.network import Network
from ibjax.numerics import checks

__all__ = [
    "AttributionOptions",
    "Classifier",
    "ClutteredOptions",
    "PhotographOptions",
    "TestImages",
    "TrainedNetworks",
    "train_networks",
]


@dataclass(frozen=True)
class AttributionOptions(abc.ABC):
    """Networks of images, and how they are explained.

    Attributes:
      channels: Channels of the convolutions; their places halve from one to the next,
        and the largest activity of a channel is what is left of the last.
      hidden: Units of the hidden layer after them.
      seeds: Networks.
      epochs: Passes over the training images.
      train_images: Training images.
      test_images: Test images to explain.
      checked_images: How many of them are explained anew for the sanity checks, and
        shown without random tiles for sensitivity-n.
      learning_rate: Step size of Adam.
      batch_size: Images of a batch.
      beta: Prices of information of the bottleneck, times the number of features; the
        readout bottleneck has the second one.
      tiles: Pixels of a side of the tiles that are replaced.
      readout_steps: Training steps of the readout network.
      subsets: Random subsets of every size for sensitivity-n.
    """

    title: ClassVar[str]

    channels: str = "8-16-64"
    hidden: int = 64
    seeds: int = 5
    epochs: int = 10
    train_images: int = 20_000
    test_images: int = 1000
    checked_images: int = 200
    learning_rate: float = 3e-3
    batch_size: int = 50
    beta: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0)
    tiles: tuple[int, ...] = (4, 7)
    readout_steps: int = 2000
    subsets: int = 50

    @property
    @abc.abstractmethod
    def side(self) -> int:
        """Pixels of a side of the images."""

    @abc.abstractmethod
    def load(self) -> tuple[datasets.Task, jax.Array | None]:
        """The task, and which pixels a network should look at, if that is known."""

    def quick(self) -> Self:
        """The options of a small run; those that are not the defaults are kept."""
        return smaller(
            self,
            seeds=3,
            epochs=4,
            train_images=8000,
            test_images=64,
            checked_images=24,
            readout_steps=200,
            subsets=10,
            beta=(1.0, 10.0),
        )

    def check(self) -> None:
        """Check that every number is in range."""
        for name in (
            *("hidden", "seeds", "epochs", "train_images", "test_images"),
            *("checked_images", "readout_steps", "batch_size"),
        ):
            checks.count(name.replace("_", "-"), getattr(self, name))
        checks.count("subsets", self.subsets, 2)
        checks.positive("learning-rate", self.learning_rate)
        for name in ("beta", "tiles"):
            checks.not_empty(name, getattr(self, name))
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(
                    f"{name} must name each value once, got {getattr(self, name)}"
                )
        for beta in self.beta:
            checks.not_negative("beta", beta)
        for tile in self.tiles:
            checks.in_range("tiles", tile, f"[1, {self.side // 2}]")
        halvings = len(hidden_widths(self.channels)) - 1
        if self.side % 2**halvings:
            raise ValueError(
                f"canvas must be a multiple of {2**halvings} for {halvings + 1} "
                f"convolutions, got {self.side}"
            )


@dataclass(frozen=True)
class ClutteredOptions(AttributionOptions):
    """Networks of digits among fragments of others, and how they are explained.

    Attributes:
      images: MNIST, or scikit-learn's digits.
      download: Whether to download MNIST where it is missing.
      canvas: Pixels of a side of the images.
      digit: Most pixels of a digit's side.
      fragments: Fragments of other digits in each image.
      fragment: Pixels of a side of a fragment.
    """

    title: ClassVar[str] = "Attribution on cluttered digits (Schulz et al., ICLR 2020)"

    images: Literal["mnist", "digits"] = "mnist"
    download: bool = False
    canvas: int = 28
    digit: int = 14
    fragments: int = 4
    fragment: int = 5

    @property
    def side(self) -> int:
        """Pixels of a side of the images."""
        return self.canvas

    def load(self) -> tuple[datasets.Task, jax.Array | None]:
        """The task, and which pixels are the digit's square, ``[num, canvas, canvas]``.

        The test images are those that are measured on.
        """
        try:
            task = image_task(
                self.images, num_train=self.train_images, download=self.download
            )
        except FileNotFoundError as error:
            print(
                f"{error}\nNetworks learn scikit-learn's digits of 8 by 8 pixels in "
                "place of MNIST; --download fetches it.",
                file=sys.stderr,
            )
            task = image_task("digits")
        task, found = datasets.cluttered_task(
            jax.random.key(0),
            first_measured(task, self.test_images),
            size=self.canvas,
            digit_size=self.digit,
            num_distractors=self.fragments,
            fragment_size=self.fragment,
        )
        return task, found.digit


@dataclass(frozen=True)
class PhotographOptions(AttributionOptions):
    """Networks of CIFAR-10's photographs, as JPEG, and how they are explained."""

    title: ClassVar[str] = "Attribution on CIFAR-10 as JPEG (Schulz et al., ICLR 2020)"

    channels: str = "16-32-64"
    seeds: int = 3
    learning_rate: float = 1e-3
    tiles: tuple[int, ...] = (4, 8)

    @property
    def side(self) -> int:
        """Pixels of a side of the images."""
        return 32

    def quick(self) -> Self:
        """The options of a small run; those that are not the defaults are kept."""
        return smaller(super().quick(), channels="8-16-32")

    def load(self) -> tuple[datasets.Task, jax.Array | None]:
        """The task, and None: where in a photograph its class is, nobody has said."""
        task = datasets.cifar10(num_train=self.train_images, num_test=self.test_images)
        return task, None


class TestImages(NamedTuple):
    """Images to explain.

    Attributes:
      x: Images, ``[num, canvas, canvas, channels]``.
      labels: Their classes, ``[num]``.
      digit: Whether a pixel is of the digit's square, bool, ``[num, canvas, canvas]``;
        None where there is none.
    """

    x: jax.Array
    labels: jax.Array
    digit: jax.Array | None


class TrainedNetworks(NamedTuple):
    """Networks of one kind, the images they learned and those to explain.

    Attributes:
      network: The kind.
      params: Parameters of each.
      train_x: Training images, ``[num, canvas, canvas, channels]``.
      train_labels: Their classes, ``[num]``.
      test: Images to explain.
    """

    network: Network
    params: list[Any]
    train_x: jax.Array
    train_labels: jax.Array
    test: TestImages


class Convolution(linen.Module):
    """Pooling where there are more places than the first has, 3 x 3 pixels, a ReLU.

    It is written as a product of patches, which stays fast within compiled loops.

    Attributes:
      channels: Channels of the result.
      pool: Whether places halve before.
    """

    channels: int
    pool: bool

    @linen.compact
    def __call__(self, t: jax.Array) -> jax.Array:
        """Activities ``[num, height, width, channels]``."""
        if self.pool:
            # Maxima of two, not one of four: the derivative of that looks for its value
            # again, and is NaN where the compiler rounds it in another way.
            t = jnp.maximum(t[:, ::2], t[:, 1::2])
            t = jnp.maximum(t[:, :, ::2], t[:, :, 1::2])
        shape = (3, 3, t.shape[-1], self.channels)
        kernel = self.param("kernel", linen.initializers.he_normal(), shape)
        bias = self.param("bias", linen.initializers.zeros, (self.channels,))
        padded = jnp.pad(t, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return linen.relu(convolve(padded, kernel) + bias[None, None, None])


class Hidden(linen.Module):
    """The largest activity of every channel, a fully connected layer and a ReLU.

    Attributes:
      units: Units.
    """

    units: int

    @linen.compact
    def __call__(self, t: jax.Array) -> jax.Array:
        """Activities ``[num, units]``."""
        t = t.reshape(t.shape[0], -1, t.shape[-1])
        # By its place, for the reason that pooling has.
        place = jnp.argmax(t, axis=1, keepdims=True)
        largest = jnp.take_along_axis(t, place, axis=1)[:, 0]
        return linen.relu(linen.Dense(self.units)(largest))


class Classifier(linen.Module):
    """Convolutions, a hidden layer and the output.

    Its layers are ``conv_1`` and so on and ``hidden``, each after its ReLU.

    Attributes:
      side: Pixels of a side of the images, which may be flat.
      colours: Numbers of a pixel.
      channels: Channels of the convolutions.
      hidden: Units of the hidden layer.
      num_classes: Classes.
    """

    side: int
    colours: int
    channels: tuple[int, ...]
    hidden: int
    num_classes: int

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits ``[num, num_classes]``."""
        t = x.reshape(-1, self.side, self.side, self.colours)
        for number, channels in enumerate(self.channels):
            t = Convolution(channels, number > 0, name=f"conv_{number + 1}")(t)
        t = Hidden(self.hidden, name="hidden")(t)
        return linen.Dense(self.num_classes, name="logits")(t)


def train_networks(options: AttributionOptions) -> TrainedNetworks:
    """Draw the images and train the networks.

    Args:
      options: How many of both, and what they are.

    Returns:
      The networks, and the images.

    Raises:
      ValueError: If an option is out of range.
    """
    options.check()
    task, digit = options.load()
    channels = hidden_widths(options.channels)
    side, colours = options.side, task.num_inputs // options.side**2
    network = networks.from_flax(
        Classifier(side, colours, channels, options.hidden, task.num_classes),
        jnp.zeros((1, task.num_inputs)),
        layers=[*(f"conv_{n + 1}" for n in range(len(channels))), "hidden"],
    )
    images = task.x.reshape(-1, side, side, colours)
    first = task.num_samples - task.num_measured
    return TrainedNetworks(
        network,
        trained_parameters(task, network, options),
        images[:first],
        task.labels[:first],
        TestImages(
            images[first:],
            task.labels[first:],
            None if digit is None else digit[first:],
        ),
    )
