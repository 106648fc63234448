"""Figures 3, 4, 6, 18 and 21 of Saxe et al. (2018): deep linear students of a teacher.

Trains linear networks on a noisy linear teacher, with the exact I(X;T) and I(T;Y) of
every layer along the way: with fewer and more samples than inputs, with one and five
hidden layers, with overtraining, and with inputs that are irrelevant to the task; and
networks of one unit a layer, whose gradient goes over from signal to noise although
nothing can be compressed. The paper does not say their batches: 5 samples are those of
its other experiments, and with 20 the ratio is twice as high.

    ibjax reproduce deep-linear
    ibjax reproduce deep-linear --quick
    ibjax reproduce deep-linear --from ibjax-reproduce-deep-linear --output again

45 seconds on two cores. Written are figures of the students, of relevant and irrelevant
inputs, of the same under less noise and of the gradient, and every dataset in a
directory of its own.
"""

from ibjax.experiments.deep_linear.claims import deep_linear_claims
from ibjax.experiments.deep_linear.figures import deep_linear_figures, student_figures
from ibjax.experiments.deep_linear.setup import LinearSetup
from ibjax.experiments.experiment import Experiment, Part, Scale

__all__ = ["EXPERIMENT"]

_SEEDS, _QUICK_SEEDS = 20, 8
# Networks of one unit a layer are many times as fast.
_SEEDS_OF_ONE_UNIT = 50
_IRRELEVANT = {"num_relevant": 30, "batch_size": (5,)}
_ONE_UNIT = {"hidden": ("1",), "num_inputs": 1, "learning_rate": (0.001,)}


def _part(epochs: int, seeds: int = _SEEDS, **fields) -> Part:
    return Part(
        LinearSetup(**fields),
        Scale(seeds, epochs, 50),
        Scale(_QUICK_SEEDS, epochs, 15),
    )


_PARTS = {
    "generalization": _part(2_000),
    "generalization_50": _part(2_000, num_samples=(50,)),
    "generalization_400": _part(2_000, num_samples=(400,)),
    "generalization_deep": _part(
        4_000, hidden=("50-50-50-50-50",), init_scale=0.6, learning_rate=(0.05,)
    ),
    "overtraining": _part(1_000, batch_size=(5,), learning_rate=(0.05,)),
    "relevance": _part(
        300, **_IRRELEVANT, num_samples=(200,), snr=(10.0,), learning_rate=(0.01,)
    ),
    "relevance_400": _part(
        150, **_IRRELEVANT, num_samples=(400,), snr=(10.0,), learning_rate=(0.01,)
    ),
    "low_snr": _part(
        300, **_IRRELEVANT, num_samples=(200,), snr=(1.0,), learning_rate=(0.02,)
    ),
    "gradient_snr": _part(1_000, _SEEDS_OF_ONE_UNIT, **_ONE_UNIT, batch_size=(5,)),
    "gradient_snr_20": _part(4_000, _SEEDS_OF_ONE_UNIT, **_ONE_UNIT, batch_size=(20,)),
}


EXPERIMENT = Experiment(
    name="deep-linear",
    title="Deep linear networks (Saxe et al., Figs. 3, 4, 6, 18 and 21)",
    summary="Deep linear students of a noisy linear teacher, all informations exact "
    "(Saxe et al., Figs. 3, 4, 6, 18 and 21).",
    parts=_PARTS,
    sweeps={
        "deep-linear": Part(
            LinearSetup(num_samples=(50, 100, 400)),
            Scale(20, 2_000, 50),
            Scale(8, 2_000, 15),
            "Deep linear students of a noisy linear teacher, with fewer and more "
            "samples than inputs, all informations exact (Saxe et al., Fig. 3).",
            figures=student_figures,
        ),
        "relevance": Part(
            LinearSetup(
                num_samples=(200,),
                snr=(10.0,),
                batch_size=(5,),
                learning_rate=(0.01,),
                num_relevant=30,
                noise_variances=(0.01, 1.0),
            ),
            Scale(20, 300, 50),
            Scale(8, 300, 15),
            "The same with 30 inputs that matter and 70 that do not (Saxe et al., Fig. "
            "6).",
            figures=student_figures,
        ),
    },
    claims=deep_linear_claims,
    figures=deep_linear_figures,
)
