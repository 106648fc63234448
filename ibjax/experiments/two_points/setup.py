"""Set-up of autoencoders of two points."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm

from ibjax import networks, probes
from ibjax import representations as rep
from ibjax.datasets.task import Task, make_task
from ibjax.experiments.choices import hidden_widths, train_config
from ibjax.experiments.setup import Context, Setup
from ibjax.experiments.two_points.mixtures import (
    code_discrepancy,
    code_divergence,
    expected,
    log_code_density,
    standard_nodes,
)
from ibjax.networks.network import Network
from ibjax.numerics import checks
from ibjax.probes.representations import layer_of_code
from ibjax.sweeps.grid import Cell

__all__ = ["POINTS", "TwoPointsSetup", "floored", "two_points"]

POINTS = (-1.0, 1.0)
"""All the data there are."""

# Where densities of codes and of samples are kept.
_Z_GRID = np.linspace(-3.0, 3.0, 301)
_X_GRID = np.linspace(-4.0, 4.0, 801)
_LEAST_STD = 0.02
_ENCODER_UNITS = 16


@dataclass(frozen=True)
class TwoPointsSetup(Setup):
    """Autoencoders of two points; a field with several values is swept.

    Attributes:
      alpha: Share of the rate that is not paid; several are swept, in one program.
      lam: Weight of the code's own distribution, likewise. With alpha 0, lam 1 is the
        evidence bound.
      bandwidth: Bandwidth of the discrepancy's kernel, in units of the code.
      min_std: Least deviation of what the decoder returns, in units of the data.
      initial_std: Deviation of the code where training starts, in units of the code.
      hidden: Units of the decoder's hidden layers, as 32-32.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      rows: Rows of the only batch, half of them each point; as many draws make the
        discrepancy.
    """

    grid_fields = ("alpha", "lam")
    number_fields = ("alpha", "lam")
    positive_fields = ("bandwidth", "min_std", "initial_std")

    alpha: tuple[float, ...] = (0.0, 1.0)
    lam: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
    bandwidth: float = 0.5
    min_std: float = 0.05
    initial_std: float = 0.5
    hidden: str = "32-32"
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    rows: int = 256

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        for lam in self.lam:
            checks.not_negative("lam", lam)
        for alpha in self.alpha:
            checks.at_least("alpha", alpha, -np.inf)
        # Nearer to zero a density would fall between the points of the grid.
        checks.at_least("min-std", self.min_std, _LEAST_STD)
        checks.count("rows", self.rows, 4)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Example:
          >>> (cell,) = TwoPointsSetup().cells(Context(snapshots=[0, 1]))
          >>> list(cell.vary), cell.network.layer_names[-1]
          (['alpha', 'lam'], 'output 2')
        """
        self.check()
        task = two_points(self.rows)
        model = self._model()
        config = train_config(self, context.random_seed, batch_size=None)
        measured = (
            _numbers(model, self.bandwidth),
            _densities(model),
            probes.objective_terms,
        )
        cells = []
        for chosen, place in self.combinations():
            fixed = self.fixed(chosen)
            own = {
                **fixed,
                "bandwidth": self.bandwidth,
                "min_std": self.min_std,
                "initial_std": self.initial_std,
                "hidden": list(hidden_widths(self.hidden)),
                "epochs": context.snapshots[-1],
            }
            objective = rep.info_vae(
                model,
                bandwidth=self.bandwidth,
                likelihood="heteroscedastic",
                **chosen,
            )
            cells.append(
                self.cell(
                    context,
                    place,
                    task,
                    model.network,
                    config,
                    measured,
                    own,
                    objective=objective,
                )
            )
        return cells

    def _model(self) -> rep.Variational:
        decoder = [1, *hidden_widths(self.hidden), 2]
        return rep.variational(
            networks.mlp([1, _ENCODER_UNITS, 2], output="linear"),
            floored(networks.mlp(decoder, output="linear"), self.min_std),
            dim=1,
            initial_std=self.initial_std,
        )


def two_points(num_rows: int) -> Task:
    """The points, over and over, all of them to train on, with nothing to predict.

    Example:
      >>> task = two_points(6)
      >>> print(task.x[:, 0], task.kind)
      [-1.  1. -1.  1. -1.  1.] nothing
    """
    x = np.resize(POINTS, num_rows)[:, None]
    return make_task(
        x,
        name="two points",
        train_rows=np.arange(num_rows),
        num_measured=len(POINTS),
    )


def floored(decoder: Network, min_std: float) -> Network:
    """A decoder whose second half of outputs, log deviations, has a floor.

    The deviation is :math:`e^a + c` of a raw output a and the floor c.

    Args:
      decoder: The decoder, with means and then raw log deviations as its output.
      min_std: The floor c, in units of the data.

    Returns:
      The network.

    Example:
      >>> import jax
      >>> network = floored(networks.mlp([1, 2], output="linear"), 0.5)
      >>> params = jax.tree.map(jnp.zeros_like, network.init(jax.random.key(0)))
      >>> print(jnp.exp(network.activations(params, jnp.ones((1, 1)))[-1]))
      [[1.  1.5]]
    """

    def activations(params, x, *, key=None, training=False):
        *hidden, output = decoder.activations(params, x, key=key, training=training)
        mean, raw = jnp.split(output, 2, axis=1)
        log_std = jnp.logaddexp(raw, jnp.log(min_std))
        return (*hidden, jnp.concatenate([mean, log_std], axis=1))

    return decoder._replace(
        activations=activations,
        description=f"{decoder.description}, deviations above {min_std:g}",
        layer=None,
    )


class _Exact:
    """What is known of one network, as functions of the code."""

    def __init__(self, model, params):
        points = jnp.asarray(POINTS)
        posterior = model.encode(params, points[:, None])
        self.mean, self.std = posterior.mean[:, 0], posterior.scale[:, 0]

        def log_likelihood(x, z):
            """Log density of data given codes, ``[num_x, num_z]``."""
            output = model.decode(params, z[:, None])
            mean, std = output[:, 0], jnp.exp(output[:, 1])
            return norm.logpdf(x[:, None], mean[None], std[None])

        self.log_likelihood = log_likelihood

    def log_evidence(self, x):
        """Log density of data with codes from the prior, ``[num_x]``."""
        nodes, weights = (jnp.asarray(a, x.dtype) for a in standard_nodes())
        logs = self.log_likelihood(x, nodes) + jnp.log(weights)[None]
        return logsumexp(logs, axis=1)


def _numbers(model: rep.Variational, bandwidth: float) -> probes.Probe:
    """How far q(z) is from N(0, 1), and what the code tells, by quadrature."""

    def measure(snapshot):
        exact = _Exact(model, snapshot.params)
        mean, std = exact.mean, exact.std
        points = jnp.asarray(POINTS)
        at_zero = jnp.zeros(1)
        hole = jnp.exp(log_code_density(at_zero, mean, std) - norm.logpdf(at_zero))[0]
        each = expected(lambda z: exact.log_likelihood(points, z), mean, std)
        rates = rep.gaussian_kl(mean[:, None], std[:, None])
        evidence = exact.log_evidence(points)
        divergence = code_divergence(mean, std)
        # What the rate is more than the information; and the input is its own label.
        information = jnp.mean(rates) - divergence
        return {
            "exact": layer_of_code(model, information, information),
            "density_at_zero": hole,
            "code_divergence": divergence,
            "code_discrepancy": code_discrepancy(mean, std, bandwidth),
            "exact_rate": jnp.mean(rates),
            "exact_distortion": -jnp.mean(each),
            "log_evidence": jnp.mean(evidence),
            "posterior_gap": jnp.mean(evidence - each + rates),
        }

    variables = {
        "density_at_zero": ((), "1", "q(0) over the density of N(0, 1) there"),
        "code_divergence": ((), "nats", "KL of q(z) from N(0, 1)"),
        "code_discrepancy": ((), "1", "squared mean discrepancy of q(z) from N(0, 1)"),
        "exact_rate": ((), "nats", "rate"),
        "exact_distortion": ((), "nats", "distortion"),
        "log_evidence": ((), "nats", "mean log density of the points"),
        "posterior_gap": ((), "nats", "KL of q(z|x) from p(z|x)"),
    }
    return probes.Probe(
        measure,
        {"exact": "the code as a mixture of two Gaussians, exactly"},
        variables={k: probes.Variable(*v) for k, v in variables.items()},
        parameters={"two_points": bandwidth},
    )


def _densities(model: rep.Variational) -> probes.Probe:
    """Densities of codes and of samples, and how far the latter are apart."""

    def measure(snapshot):
        exact = _Exact(model, snapshot.params)
        z, x = jnp.asarray(_Z_GRID, jnp.float32), jnp.asarray(_X_GRID, jnp.float32)
        codes = norm.pdf(z[None], exact.mean[:, None], exact.std[:, None])

        nodes, weights = (jnp.asarray(a, x.dtype) for a in standard_nodes())

        def decoded(mean, std):
            likelihood = jnp.exp(exact.log_likelihood(x, mean + std * nodes))
            return jnp.sum(likelihood * weights[None], axis=1)

        reconstructions = jnp.stack(
            [decoded(exact.mean[n], exact.std[n]) for n in range(len(POINTS))]
        )
        samples = jnp.exp(exact.log_evidence(x))
        apart = jnp.abs(samples - jnp.mean(reconstructions, axis=0))
        return {
            "code_density": codes,
            "reconstruction_density": reconstructions,
            "sample_density": samples,
            "sample_distance": 0.5 * jnp.sum(apart) * (_X_GRID[1] - _X_GRID[0]),
        }

    variables = {
        "code_density": (("point", "z"), "1", "density of every point's code"),
        "reconstruction_density": (("point", "x"), "1", "density of reconstructions"),
        "sample_density": (("x",), "1", "density of samples, codes from N(0, 1)"),
        "sample_distance": ((), "1", "total variation of samples, reconstructions"),
    }
    return probes.Probe(
        measure,
        variables={k: probes.Variable(*v, True) for k, v in variables.items()},
        constants={
            "z_grid": ("z", _Z_GRID),
            "x_grid": ("x", _X_GRID),
        },
        parameters={"two_points_densities": [len(_Z_GRID), len(_X_GRID)]},
        last_only=True,
        usually_last=True,
    )
