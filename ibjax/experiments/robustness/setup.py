"""Set-up of attacks on classifiers that pay for information."""

from dataclasses import dataclass

from ibjax import probes
from ibjax import representations as rep
from ibjax.experiments.choices import hidden_widths
from ibjax.experiments.mnist.setup import image_config
from ibjax.experiments.priced import Kind, priced_network
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell

__all__ = ["RobustnessSetup"]


@dataclass(frozen=True)
class RobustnessSetup(Setup):
    """Classifiers that pay for information, under attack.

    Attributes:
      kind: Through a Gaussian code (vib), or with information-dropout.
      beta: Nats of cross-entropy that a nat of information is worth; several are swept,
        in one program. All are compared with beta 0.
      hidden: Units of the hidden layers before the representation, as 128-128.
      dim: Dimensions of the code, which are independent, or units of the last noisy
        layer.
      initial_std: Deviation of a code where training starts, in units of the code.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
      optimizer: Optimizer.
      linf: Radii of the largest perturbation of a pixel, in units of the box [0, 1].
      l2: Radii of the Euclidean length of a perturbation, in the same units.
      attacked: Share of the test images that is attacked, the first ones.
      steps: Steps of an attack.
      tries: Starts of an attack, with noise and as many without.
      minimal_steps: Steps of the attack that looks for the nearest input of another
        class, for each of seven weights; 0 for no such attack.
    """

    grid_fields = ("beta",)
    number_fields = ("beta",)
    positive_fields = ("initial_std",)
    needs_images = True

    kind: Kind = "vib"
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
    minimal_steps: int = 150

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        checks.count("dim", self.dim)
        checks.in_range("attacked", self.attacked, "(0, 1]")
        checks.count("minimal-steps", self.minimal_steps, 0)
        for beta in self.beta:
            checks.not_negative("beta", beta)
        for name in rep.NORMS:
            for radius in getattr(self, name):
                checks.positive(name, radius)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured by what its code or its layers let through and by losses, and
        at the end under attack.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> (cell,) = RobustnessSetup().cells(context)
          >>> cell.vary["beta"]
          (0.0, 0.0001, 0.001, 0.01, 0.1)
        """
        self.check()
        task = context.images()
        priced = priced_network(
            self.kind,
            (task.num_inputs, *hidden_widths(self.hidden)),
            dim=self.dim,
            num_classes=task.num_classes,
            initial_std=self.initial_std,
        )
        num_inputs = max(2, round(self.attacked * task.measured.num_samples))
        measured = [priced.probe, probes.losses]
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
        if self.minimal_steps:
            nearest = probes.minimal_perturbations(
                num_inputs=num_inputs, num_steps=self.minimal_steps
            )
            measured.append(nearest)
        of_codes = {"initial_std": self.initial_std} if self.kind == "vib" else {}
        own = {
            "kind": self.kind,
            **of_codes,
            "hidden": list(hidden_widths(self.hidden)),
            "dim": self.dim,
            "attacked": num_inputs,
            "steps": self.steps,
            "tries": self.tries,
            "minimal_steps": self.minimal_steps,
            "epochs": context.snapshots[-1],
        }
        config = image_config(self, task, context.random_seed)
        return [
            self.cell(
                context,
                place,
                task,
                priced.network,
                config,
                tuple(measured),
                {**self.fixed(chosen), **own},
                objective=priced.objective(chosen["beta"]),
            )
            for chosen, place in self.combinations()
        ]
