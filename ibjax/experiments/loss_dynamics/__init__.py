r"""The loss falls by the squared gradient: measured against predicted along training.

Trains the networks of the information plane by plain gradient descent, full batch and
with batches of 512, and holds what a step does to the training loss against
:math:`-\alpha |g|^2`, as a whole and layer by layer.

    ibjax reproduce loss-dynamics
    ibjax reproduce loss-dynamics --quick
    ibjax reproduce loss-dynamics --from ibjax-reproduce-loss-dynamics --output again

20 networks, step size 0.01. ``ibjax sweep loss-dynamics`` sweeps both, and other step
sizes, for as many epochs each.
"""

import xarray as xr
from matplotlib.figure import Figure

from ibjax.claims import Claim
from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.loss_dynamics.claims import loss_dynamics_claims
from ibjax.experiments.loss_dynamics.figures import loss_dynamics
from ibjax.experiments.loss_dynamics.setup import LossSetup
from ibjax.results.cells import cell_name, cells_of

__all__ = ["EXPERIMENT"]


def _claims(datasets: dict[str, xr.Dataset]) -> list[Claim]:
    return [
        claim._replace(claim=f"{name.replace('_', ' ').capitalize()}. {claim.claim}")
        for name, dataset in datasets.items()
        for claim in loss_dynamics_claims(dataset)
    ]


def _figures(datasets: dict[str, xr.Dataset]) -> dict[str, Figure]:
    return {
        f"loss_dynamics_{name}".rstrip("_"): loss_dynamics(dataset)
        for name, dataset in datasets.items()
    }


EXPERIMENT = Experiment(
    name="loss-dynamics",
    title="Loss dynamics (the loss falls by the squared gradient)",
    summary="The change of the loss in a step of gradient descent, measured against "
    "the squared gradient.",
    parts={
        # As many steps as with batches: an epoch of those has seven.
        "full_batch": Part(
            LossSetup(batch_size=("full",)), Scale(20, 7_000, 30), Scale(4, 700, 30)
        ),
        "batches": Part(
            LossSetup(batch_size=(512,)), Scale(20, 1_000, 30), Scale(4, 100, 30)
        ),
    },
    sweeps={
        "loss-dynamics": Part(
            LossSetup(),
            Scale(20, 1_000, 30),
            Scale(4, 100, 30),
            "What a step of gradient descent does to the loss, measured against what "
            "the gradient says.",
            figures=lambda dataset: _figures(
                {cell_name(place): cell for place, cell in cells_of(dataset)}
            ),
        ),
    },
    claims=_claims,
    figures=_figures,
)
