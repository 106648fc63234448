"""Published claims about the information plane, held against a sweep.

Each claim comes down to one number with a 95 % interval over seeds and a criterion,
and the interval alone decides: the claim holds if all of it meets the criterion, does
not hold if none of it does, and is undecided otherwise. Informations come in as nats;
a :class:`Claim` gives them in bits and says so.
"""

from ibjax.claims.activations import activation_claims
from ibjax.claims.batches import SAME_BITS, batch_claims, transition_epochs
from ibjax.claims.claim import Claim, claims_json, claims_markdown, decide
from ibjax.claims.collection import VERDICTS, collect_claims, collection_markdown
from ibjax.claims.compression import compression_claims
from ibjax.claims.convolutional import convolutional_claims
from ibjax.claims.deep_linear import deep_linear_claims
from ibjax.claims.depth import (
    REACHED_BITS,
    compression_times,
    depth_claims,
    width_claims,
)
from ibjax.claims.ib_limit import CLOSE_BITS, ib_limit_claims
from ibjax.claims.intervals import (
    Estimate,
    compression_interval,
    compression_onsets,
    event_ratios,
    fraction_interval,
    mean_estimate,
    median_interval,
    rank_correlation,
    spread_ratio,
)
from ibjax.claims.loss_dynamics import loss_dynamics_claims
from ibjax.claims.mnist import mnist_claims
from ibjax.claims.noisy import noisy_claims
from ibjax.claims.stochastic_convolutional import stochastic_convolutional_claims
from ibjax.claims.szt import COINCIDENCE_FACTOR, szt_claims
from ibjax.claims.training_size import LOST_BITS, training_size_claims
from ibjax.claims.writing import conditions, write_claims

__all__ = [
    "CLOSE_BITS",
    "COINCIDENCE_FACTOR",
    "LOST_BITS",
    "REACHED_BITS",
    "SAME_BITS",
    "VERDICTS",
    "Claim",
    "Estimate",
    "activation_claims",
    "batch_claims",
    "claims_json",
    "claims_markdown",
    "collect_claims",
    "collection_markdown",
    "compression_claims",
    "compression_interval",
    "compression_onsets",
    "compression_times",
    "conditions",
    "convolutional_claims",
    "decide",
    "deep_linear_claims",
    "depth_claims",
    "event_ratios",
    "fraction_interval",
    "ib_limit_claims",
    "loss_dynamics_claims",
    "mean_estimate",
    "median_interval",
    "mnist_claims",
    "noisy_claims",
    "rank_correlation",
    "spread_ratio",
    "stochastic_convolutional_claims",
    "szt_claims",
    "training_size_claims",
    "transition_epochs",
    "width_claims",
    "write_claims",
]
