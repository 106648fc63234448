"""Set-up of classifiers through a Gaussian code."""

import re
from dataclasses import dataclass
from functools import cache

import jax.numpy as jnp

from ibjax import networks, probes
from ibjax import representations as rep
from ibjax.experiments.choices import hidden_widths
from ibjax.experiments.mnist.setup import image_config
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell

__all__ = ["DRAWN", "VibSetup", "code_of"]

DRAWN = 500
"""Measured inputs whose codes are kept where they have two dimensions."""

_CODE = re.compile(r"([1-9]\d*)(-full)?")


@dataclass(frozen=True)
class VibSetup(Setup):
    """Classifiers through a Gaussian code; a field with several values is swept.

    Attributes:
      code: Dimensions of the code, which are independent, or "2-full" for two with any
        covariance; several are swept.
      beta: Nats of distortion that a nat of rate is worth; several are swept, in one
        program.
      hidden: Units of the encoder's hidden layers, as 1024-1024.
      components: Gaussians in the learned prior; 0 for the standard Gaussian.
      initial_std: Deviation of the code where training starts, in units of the code.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
      num_draws: Draws of the code whose probabilities are averaged for the error.
    """

    grid_fields = ("code", "beta")
    number_fields = ("beta",)
    positive_fields = ("initial_std",)
    needs_images = True

    code: tuple[str, ...] = ("64", "2-full")
    beta: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
    hidden: str = "256-256"
    components: int = 0
    initial_std: float = 0.0067
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 100
    num_draws: int = 12

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        checks.count("components", self.components, 0)
        for beta in self.beta:
            checks.not_negative("beta", beta)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured by the bounds of the code, at the end by its mixture, and with
        losses. Codes of two dimensions are kept, of the first :data:`DRAWN` inputs.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> cells = VibSetup().cells(context)
          >>> print([cell.place for cell in cells], len(cells[0].vary["beta"]))
          [{'code': '64'}, {'code': '2-full'}] 9
        """
        self.check()
        task = context.images()
        config = image_config(self, task, context.random_seed)
        model_of = cache(self._model)
        cells = []
        for chosen, place in self.combinations():
            dim, covariance = code_of(chosen["code"])
            model = model_of(task.num_inputs, task.num_classes, dim, covariance)
            measured = [
                probes.code_bounds(model, num_draws=self.num_draws),
                probes.code_mixture(model),
                probes.losses,
            ]
            if dim == 2:
                measured.append(_codes(model))
            own = {
                **self.fixed(chosen),
                "hidden": list(hidden_widths(self.hidden)),
                "components": self.components,
                "initial_std": self.initial_std,
                "epochs": context.snapshots[-1],
            }
            cells.append(
                self.cell(
                    context,
                    place,
                    task,
                    model.network,
                    config,
                    tuple(measured),
                    own,
                    objective=rep.vib(model, beta=chosen["beta"]),
                )
            )
        return cells

    def _model(self, num_inputs, num_classes, dim, covariance) -> rep.Variational:
        width = rep.encoder_width(dim, covariance)
        widths = (num_inputs, *hidden_widths(self.hidden), width)
        prior = rep.mixture_prior(dim, self.components) if self.components else None
        return rep.variational(
            networks.mlp(widths, "relu", output="linear"),
            networks.mlp([dim, num_classes]),
            dim=dim,
            covariance=covariance,
            prior=prior,
            initial_std=self.initial_std,
        )


def code_of(text: str) -> tuple[int, str]:
    """Dimensions and kind of covariance of a code.

    Example:
      >>> code_of("64"), code_of("2-full")
      ((64, 'diagonal'), (2, 'full'))
    """
    found = _CODE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"code must be a number of dimensions such as 64 or 2-full, got {text!r}"
        )
    return int(found[1]), "full" if found[2] else "diagonal"


def _codes(model: rep.Variational) -> probes.Probe:
    """The codes of some measured inputs, to draw them."""

    def measure(snapshot):
        posterior = model.encode(snapshot.params, snapshot.measured.x[:DRAWN])
        scale = posterior.scale
        if scale.ndim == 2:
            scale = scale[..., None] * jnp.eye(model.dim)[None]
        # As floats: before the last snapshot they are NaN.
        labels = snapshot.measured.labels[:DRAWN].astype(jnp.float32)
        return {"code_mean": posterior.mean, "code_scale": scale, "code_label": labels}

    dims = ("drawn", "dimension", "other_dimension")
    return probes.Probe(
        measure,
        variables={
            "code_mean": probes.Variable(dims[:2], "1", "means of codes", True),
            "code_scale": probes.Variable(
                dims, "1", "factors of the covariances of codes", True
            ),
            "code_label": probes.Variable(dims[:1], "1", "classes", True),
        },
        parameters={"codes": DRAWN},
        last_only=True,
        usually_last=True,
    )
