"""Set-up of attacks on classifiers through a Gaussian code."""

from dataclasses import dataclass

from ibjax import networks, probes
from ibjax import representations as rep
from ibjax.experiments.choices import hidden_widths
from ibjax.experiments.mnist.setup import image_config
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell

__all__ = ["RobustnessSetup"]


@dataclass(frozen=True)
class RobustnessSetup(Setup):
    """Classifiers through a Gaussian code under attack.

    Attributes:
      beta: Nats of distortion that a nat of rate is worth; several are swept, in one
        program. All are compared with beta 0.
      hidden: Units of the encoder's hidden layers, as 128-128.
      dim: Dimensions of the code, which are independent.
      initial_std: Deviation of the code where training starts, in units of the code.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
      optimizer: Optimizer.
      linf: Radii of the largest perturbation of a pixel, in units of the box [0, 1].
      l2: Radii of the Euclidean length of a perturbation, in the same units.
      attacked: Share of the test images that is attacked, the first ones.
      steps: Steps of an attack.
      tries: Starts of an attack, with noise and as many without.
    """

    grid_fields = ("beta",)
    number_fields = ("beta",)
    positive_fields = ("initial_std",)
    needs_images = True

    beta: tuple[float, ...] = (0.0, 1e-4, 1e-3, 1e-2, 0.1)
    hidden: str = "128-128"
    dim: int = 32
    initial_std: float = 0.0067
    learning_rate: float = 1e-3
    batch_size: int = 100
    optimizer: str = "adam"
    linf: tuple[float, ...] = (0.02, 0.04, 0.06, 0.08, 0.12)
    l2: tuple[float, ...] = (0.4, 0.8, 1.2, 1.6, 2.2)
    attacked: float = 0.1
    steps: int = 20
    tries: int = 2

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        checks.count("dim", self.dim)
        checks.in_range("attacked", self.attacked, "(0, 1]")
        for beta in self.beta:
            checks.not_negative("beta", beta)
        for name in rep.NORMS:
            for radius in getattr(self, name):
                checks.positive(name, radius)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured by the bounds of the code and losses, and at the end under
        attack.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> (cell,) = RobustnessSetup().cells(context)
          >>> cell.vary["beta"]
          (0.0, 0.0001, 0.001, 0.01, 0.1)
        """
        self.check()
        task = context.images()
        width = rep.encoder_width(self.dim)
        widths = (task.num_inputs, *hidden_widths(self.hidden), width)
        model = rep.variational(
            networks.mlp(widths, "relu", output="linear"),
            networks.mlp([self.dim, task.num_classes]),
            dim=self.dim,
            initial_std=self.initial_std,
        )
        num_inputs = max(2, round(self.attacked * task.measured.num_samples))
        measured = [probes.code_bounds(model), probes.losses]
        for norm in rep.NORMS:
            radii = sorted(getattr(self, norm))
            attack = rep.Attack(
                norm=norm,
                loss="margin",
                num_steps=self.steps,
                num_tries=self.tries,
                num_evaluations=5,
            )
            options = {"attack": attack, "num_inputs": num_inputs}
            middle = radii[len(radii) // 2]
            measured += [
                probes.accuracy_under_attack(radii, **options),
                probes.attack_checks(middle, **options),
            ]
        own = {
            "hidden": list(hidden_widths(self.hidden)),
            "dim": self.dim,
            "initial_std": self.initial_std,
            "attacked": num_inputs,
            "steps": self.steps,
            "tries": self.tries,
            "epochs": context.snapshots[-1],
        }
        config = image_config(self, task, context.random_seed)
        return [
            self.cell(
                context,
                place,
                task,
                model.network,
                config,
                tuple(measured),
                {**self.fixed(chosen), **own},
                objective=rep.vib(model, beta=chosen["beta"]),
            )
            for chosen, place in self.combinations()
        ]
