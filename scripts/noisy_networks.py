"""Noisy networks (Goldfeld et al., ICML 2019): compression is clustering.

    python scripts/noisy_networks.py --output results/noisy
    python scripts/noisy_networks.py --quick

Shwartz-Ziv and Tishby's network 12-10-7-5-4-3-2 of tanh units with Gaussian noise of
standard deviation 0.005 or 0.05 on every hidden layer, in training and when measured,
with and without a penalty that keeps the weights orthonormal. I(X;T) is a property of
such a network; sample propagation estimates it with a known error. Beside it are
measured H(bin(T)) for several widths of the bins, the clusters of the samples, and the
samples of the later layers.

10 networks, Adam, batches of 256, 10,000 epochs. Other noises are swept by ``ibjax
sweep noisy --noise-std 0.01 0.1``, whose output ``--from`` takes. Written: figures as
PNG and PDF, ``claims.json``, ``claims.md``, ``authors_run.json`` with the authors'
numbers beside ours, and the sweeps in ``noisy``; ``--from DIR`` takes them from there.
"""

import json
from pathlib import Path

import common
import numpy as np
import xarray as xr

from ibjax import datasets
from ibjax.experiments.noisy import figures as noisy
from ibjax.experiments.noisy.authors import authors_run
from ibjax.experiments.noisy.claims import noisy_claims
from ibjax.probes import noisy as noisy_probes
from ibjax.results.files import write_atomically

# Where the authors' saved run has its peaks, and an epoch on their way down.
ALSO = (509, 559, 1874)


def main(arguments: list[str] | None = None) -> None:
    args = common.options(__doc__, "noisy_networks").parse_args(arguments)
    write(common.preset_dataset("noisy", args, also=ALSO), args.output)


def write(dataset: xr.Dataset, output: Path) -> None:
    task = datasets.szt()
    figures = {
        "noisy_information": noisy.noisy_information(dataset),
        "noisy_bins": noisy.noisy_bins(dataset),
    }
    layers = noisy.sampled_layers(dataset)
    for layer in layers:
        num_inputs = dataset[noisy_probes.layer_samples_name(layer)].shape[-2]
        rows = noisy_probes.sample_rows(task.num_samples, num_inputs)
        name = "noisy_clusters" if layer == layers[-1] else f"noisy_clusters_{layer}"
        labels = np.asarray(task.labels)[rows]
        figures[name] = noisy.noisy_clusters(dataset, labels, layer=layer)
    common.write(
        output,
        noisy_claims(dataset),
        figures,
        title="Noisy networks (Goldfeld et al., ICML 2019)",
        datasets=[dataset],
    )
    compared = {"unit": "nats", "rows": authors_run(dataset)}
    text = json.dumps(compared, indent=2, allow_nan=False)
    write_atomically(output / "authors_run.json", text + "\n")


if __name__ == "__main__":
    main()
