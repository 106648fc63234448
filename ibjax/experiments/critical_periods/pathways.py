"""Two pathways of a deep linear network, trained: what exact dynamics are held to.

Both inputs carry one mode of strength one, and the second pathway sees nothing for a
while (Kleinman, Achille and Soatto, ICLR 2024). Weights start small and random, neither
balanced nor aligned, so that nothing but their size is taken from the theory.
"""

from dataclasses import replace
from functools import cache

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.typing import ArrayLike

from ibjax import networks
from ibjax.claims.claim import Claim, decide_mean
from ibjax.datasets.task import make_task
from ibjax.probes.probe import Probe
from ibjax.sweeps import sweep
from ibjax.training.config import TrainConfig
from ibjax.training.deep_linear import pathway_strengths
from ibjax.training.deficits import Deficit, with_deficit
from ibjax.training.objectives import squared_error
from ibjax.training.trainable import Variable

__all__ = ["LENGTH", "exact_strengths", "kept", "pathway_claims", "trained_pathways"]

LENGTH = 1.0
"""Length of the windows that are moved, in time constants of the mode."""

_WINDOWS = (
    (0.0, 0.0),
    *((0.0, stop) for stop in (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0)),
    *((start, start + LENGTH) for start in (1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 7.0)),
)
# Strength of either pathway where training starts.
_INITIAL = 1e-3
_HIDDEN, _SEEDS = 400, 5
_STEP, _TIME, _EVERY = 0.02, 20.0, 25
# Of 400 units strengths at the start have a deviation of 7 %, and the share of one of
# two of 0.025; the step adds as much of a time constant. Twice that.
_NEAR = 0.05


class _Pathways(nn.Module):
    """Sum of two linear networks of one hidden layer, each of its own input."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, ...]:
        def pathway(x, name):
            # Half a unit's squared sum of both weights grows with the mode.
            small = nn.initializers.normal((2 * _INITIAL / _HIDDEN) ** 0.5)
            layer = dict(use_bias=False, kernel_init=small)
            x = nn.Dense(_HIDDEN, name=f"{name}_in", **layer)(x)
            return nn.Dense(1, name=f"{name}_out", **layer)(x)

        first, second = jnp.split(x, 2, axis=1)
        return (pathway(first, "first") + pathway(second, "second"),)


def _strengths(snapshot) -> dict[str, jax.Array]:
    own = snapshot.params["params"]
    found = [
        jnp.sum(own[f"{name}_in"]["kernel"] @ own[f"{name}_out"]["kernel"])
        for name in ("first", "second")
    ]
    return {"pathway_strength": jnp.stack(found)}


@cache
def trained_pathways() -> xr.Dataset:
    """Strengths of both pathways over training, for all windows and seeds.

    Returns:
      A dataset with ``pathway_strength``, dims window, seed, epoch and pathway; its
      coordinate ``time`` along epoch is in time constants of the mode, and so are
      ``start`` and ``stop`` along window.
    """
    task = make_task(np.ones((1, 2)), targets=np.ones((1, 1)))
    network = networks.from_flax(_Pathways(), task.x, output="linear")
    blind = Deficit(
        lambda batch, key: replace(batch, x=batch.x * jnp.array([[1.0, 0.0]])),
        "second input gone",
        weighs=True,
    )
    start, stop = np.array(_WINDOWS).T
    found = sweep(
        jax.random.key(0),
        task,
        network,
        TrainConfig(
            optimizer="sgd", learning_rate=_STEP, batch_size=None, train_fraction=1.0
        ),
        # Half the squared error, as the dynamics have it.
        objective=with_deficit(
            0.5 * squared_error(), blind, start=start / _STEP, stop=stop / _STEP
        ),
        vary={"window": np.arange(len(_WINDOWS), dtype=float)},
        num_seeds=_SEEDS,
        snapshots=range(0, round(_TIME / _STEP) + 1, _EVERY),
        probes=[
            Probe(
                _strengths,
                variables={
                    "pathway_strength": Variable(
                        ("pathway",), "1", "strength of the mode in a pathway"
                    )
                },
                name="pathway_strengths",
            )
        ],
    )
    return found.assign_coords(
        time=("epoch", found["epoch"].values * _STEP),
        start=("window", start),
        stop=("window", stop),
    )


def exact_strengths(time: ArrayLike, *, start: ArrayLike, stop: ArrayLike):
    """Strengths of both pathways by the exact dynamics, see ``pathway_strengths``."""
    return pathway_strengths(
        time, strength=1.0, initial=_INITIAL, start=start, stop=stop
    )


def kept(dataset: xr.Dataset) -> np.ndarray:
    """What the second pathway keeps at the end, ``[num_windows, num_seeds]``."""
    last = dataset["pathway_strength"].isel(pathway=1, epoch=-1)
    return last.transpose("window", "seed").values.astype(np.float64)


def pathway_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about trained pathways.

    8. They keep what the exact dynamics say, though their weights start random.
    9. A deficit of one time constant costs more at the beginning than late.

    Args:
      dataset: That of :func:`trained_pathways`.

    Returns:
      The claims.

    References:
      Kleinman, Achille and Soatto, `Critical learning periods emerge even in deep
      linear networks`, ICLR 2024.
    """
    start, stop = dataset["start"].values, dataset["stop"].values
    trained = kept(dataset)
    _, exact = exact_strengths(_TIME, start=start, stop=stop)
    apart = trained - np.asarray(exact, np.float64)[:, None]
    (early,) = np.flatnonzero((start == 0) & (stop == LENGTH))
    late = int(np.argmax(start))
    return [
        decide_mean(
            "8. Two linear pathways, trained, keep what exact dynamics say",
            "root mean square of the difference over windows",
            np.sqrt(np.mean(apart**2, axis=0)),
            below=_NEAR,
            added=True,
        ),
        decide_mean(
            "9. A linear pathway keeps less after an early deficit than after a late "
            "one",
            "strength kept, early less late",
            trained[early] - trained[late],
            below=0.0,
            added=True,
        ),
    ]
