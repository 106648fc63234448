"""Attribution: the parts of an input that a trained network uses, and their bits.

Methods take plain functions of parameters and inputs ``[num, ...]``: see :func:`split`
and :func:`output`, which make them of a network. Where they take a ``batch_size``,
:func:`ibjax.estimators.over_devices` divides their inputs among devices, such as the
cores of a CPU: each takes a batch at a time.
"""

from ibjax.attribution.bottleneck import (
    PerSample,
    capacity,
    noisy_features,
    per_sample,
)
from ibjax.attribution.class_activation import grad_cam, guided_grad_cam
from ibjax.attribution.cutting import layers_of, output, split
from ibjax.attribution.evaluation import (
    Degradation,
    Randomization,
    SensitivityN,
    bounding_box_ratio,
    degradation,
    histogram_correlation,
    infidelity,
    randomization,
    rank_correlation,
    sensitivity_n,
    structural_similarity,
)
from ibjax.attribution.gradients import (
    IntegratedGradients,
    gradient,
    gradient_times_input,
    integrated_gradients,
    random_attribution,
    smooth_grad,
)
from ibjax.attribution.heatmaps import heatmap, resize
from ibjax.attribution.readout import (
    Readout,
    ReadoutAttribution,
    ReadoutFit,
    ReadoutNetwork,
    make_readout,
    read_out,
    train_readout,
)
from ibjax.attribution.rectifiers import guided, guided_backpropagation, guided_relu
from ibjax.attribution.statistics import FeatureStatistics, feature_statistics
from ibjax.attribution.windows import occlusion
from ibjax.attribution.words import (
    WordNoise,
    linear_noise,
    word_entropy,
    word_noise,
)

__all__ = [
    "Degradation",
    "FeatureStatistics",
    "IntegratedGradients",
    "PerSample",
    "Randomization",
    "Readout",
    "ReadoutAttribution",
    "ReadoutFit",
    "ReadoutNetwork",
    "SensitivityN",
    "WordNoise",
    "bounding_box_ratio",
    "capacity",
    "degradation",
    "feature_statistics",
    "grad_cam",
    "gradient",
    "gradient_times_input",
    "guided",
    "guided_backpropagation",
    "guided_grad_cam",
    "guided_relu",
    "heatmap",
    "histogram_correlation",
    "infidelity",
    "integrated_gradients",
    "layers_of",
    "linear_noise",
    "make_readout",
    "noisy_features",
    "occlusion",
    "output",
    "per_sample",
    "random_attribution",
    "randomization",
    "rank_correlation",
    "read_out",
    "resize",
    "sensitivity_n",
    "smooth_grad",
    "split",
    "structural_similarity",
    "train_readout",
    "word_entropy",
    "word_noise",
]
