"""Datasets of a sweep, made by hand."""

import json

import numpy as np
import xarray as xr


def dataset_of(seeds=(0, 1), **configuration):
    rng = np.random.default_rng(sum(seeds))
    seeds = np.array(seeds)
    dims = ("seed", "epoch", "layer", "estimator")
    shape = (len(seeds), 3, 2, 1)
    dataset = xr.Dataset(
        {
            "i_xt": (dims, rng.random(shape), {"units": "nats"}),
            "i_ty": (dims, rng.random(shape), {"units": "nats"}),
            "train_loss": (("seed", "epoch"), rng.random(shape[:2])),
            "diverged": (("seed",), np.zeros(len(seeds), bool)),
        },
        coords={
            "seed": seeds,
            "epoch": [0, 1, 10],
            "layer": [1, 2],
            "layer_name": ("layer", np.array(["tanh 3", "softmax 2"], dtype=object)),
            "estimator": np.array(["binning"], dtype=object),
        },
    )
    configuration = {"learning_rate": 4e-4, "num_seeds": len(seeds)} | configuration
    return dataset.assign_attrs(
        configuration=json.dumps(configuration), h_y=0.69, num_samples=4096
    )
