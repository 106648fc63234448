"""Measures of every method on every network, as one dataset."""

import sys
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ibjax import attribution
from ibjax.experiments.attribution.methods import GRADIENTS, Method, make_methods
from ibjax.experiments.attribution.setup import AttributionOptions, TrainedNetworks

__all__ = ["DRAWN", "SIMILARITIES", "measure"]

DRAWN = 5
"""Images whose maps are kept."""

SIMILARITIES = ("rank", "absolute rank", "SSIM", "HOG")
"""What maps of new weights are compared by with those of the trained ones."""

_SUBSET_SIZES = 8
# Cells of a side of a map whose gradients are counted.
_CELLS = 4
# A point of a curve is two passes through the network for every image.
_MOST_POINTS = 33
_AT_ONCE = 32


def measure(options: AttributionOptions, trained: TrainedNetworks) -> xr.Dataset:
    """Explain the test images by all methods and evaluate the explanations.

    Args:
      options: What is measured.
      trained: The networks and the images.

    Returns:
      Dataset over ``seed``, ``explainer``, the method, ``image`` and so on. Scores and
      similarities have no unit; information is in bits, infidelity relative to that of
      a map of zeros.
    """
    networks = []
    for seed, params in enumerate(trained.params):
        networks.append(_of_network(options, trained, params, seed))
    dataset = xr.concat(networks, "seed").assign_coords(
        seed=np.arange(len(networks)), epoch=[options.epochs]
    )
    test = trained.test
    pixels = ("drawn", "row", "column")
    dataset["drawn_image"] = ((*pixels, "colour"), np.asarray(test.x[:DRAWN]))
    if test.digit is not None:
        dataset["drawn_digit"] = (pixels, np.asarray(test.digit[:DRAWN]))
        dataset["box_area"] = ("image", np.mean(np.asarray(test.digit), axis=(1, 2)))
    return dataset


def _of_network(options, trained, params, seed: int) -> xr.Dataset:
    test = trained.test
    model = attribution.output(trained.network)
    # Keys of all draws; the methods of one network are shown the same subsets.
    key_method, *keys = jax.random.split(jax.random.key(seed), 5)
    few = min(options.checked_images, len(test.x))
    loss_of_zeros = _infidelity(keys[0], model, params, test, jnp.zeros_like(test.x))
    methods = make_methods(options, trained, params)
    found = []
    for number, method in enumerate(methods):
        start = time.perf_counter()
        explain = partial(method.explain, jax.random.fold_in(key_method, number))
        attributions = explain(params, test.x, test.labels)
        jax.block_until_ready(attributions)
        seconds = time.perf_counter() - start
        maps = method.maps(attributions)
        heat = method.heat(attributions)
        own = {
            "seconds": seconds,
            "drawn_map": (("drawn", "row", "column"), heat[:DRAWN]),
            "information": ("image", _totals(maps, method)),
            "infidelity": (
                "image",
                _infidelity(keys[0], model, params, test, attributions) / loss_of_zeros
                if method.name in GRADIENTS
                else np.full(len(test.x), np.nan),
            ),
            **_degradation(options, keys[1], model, params, test, heat),
            **_sensitivity(options, keys[2], model, params, test, maps, few),
            **_sanity(keys[3], trained, params, method, explain, few),
        }
        if test.digit is not None:
            ratio = attribution.bounding_box_ratio(heat, test.digit)
            own["box_ratio"] = ("image", ratio)
        found.append(xr.Dataset(own, coords=_coordinates(options, trained)))
        print(
            f"network {seed}, {method.name}: {time.perf_counter() - start:.1f} s",
            file=sys.stderr,
        )
    names = xr.DataArray([m.name for m in methods], dims="explainer", name="explainer")
    dataset = xr.concat(found, names)
    wrong = np.argmax(model(params, test.x), axis=1) != np.asarray(test.labels)
    dataset["test_error"] = ((), np.mean(wrong))
    return dataset


def _coordinates(options, trained) -> dict:
    sizes = _subset_sizes(options)
    return {
        "tile": list(options.tiles),
        "num_hidden": sizes,
        "new_layer": _new_layers(trained),
        "similarity": list(SIMILARITIES),
    }


def _new_layers(trained: TrainedNetworks) -> list[str]:
    """Layers in the order in which they are drawn anew, without their sizes."""
    return [name.split(" ")[0] for name in reversed(trained.network.layer_names)]


def _totals(maps: jax.Array, method: Method) -> np.ndarray:
    if not method.in_bits:
        return np.full(len(maps), np.nan)
    return np.sum(np.asarray(maps, np.float64), axis=(1, 2))


def _degradation(options, key, model, params, test, heat) -> dict:
    """Scores of every tile, and the curves, with as many points as the least tile."""
    scores, curves = [], {}
    for tile in options.tiles:
        num_tiles = (options.side // tile) ** 2
        found = attribution.degradation(
            key,
            model,
            params,
            test.x,
            heat,
            test.labels,
            tile=tile,
            num_points=min(num_tiles + 1, _MOST_POINTS),
            batch_size=_AT_ONCE,
        )
        scores.append(found.scores)
        for name, values in (
            ("fraction", found.fractions),
            ("most_first", found.normalized_most),
            ("least_first", found.normalized_least),
        ):
            curves[f"{name}_{tile}"] = (f"point_{tile}", np.asarray(values))
    return {"degradation": (("tile", "image"), np.stack(scores)), **curves}


def _subset_sizes(options: AttributionOptions) -> list[int]:
    num_tiles = (options.side // options.tiles[0]) ** 2
    sizes = np.geomspace(1, max(1, int(0.8 * num_tiles)), _SUBSET_SIZES)
    return np.unique(np.round(sizes).astype(int)).tolist()


def _sensitivity(options, key, model, params, test, maps, few: int) -> dict:
    found = attribution.sensitivity_n(
        key,
        model,
        params,
        test.x[:few],
        maps[:few],
        test.labels[:few],
        tile=options.tiles[0],
        sizes=_subset_sizes(options),
        num_subsets=options.subsets,
        batch_size=_AT_ONCE,
    )
    return {"sensitivity": ("num_hidden", np.asarray(found.mean))}


def _infidelity(key, model, params, test, attributions) -> np.ndarray:
    found = attribution.infidelity(
        key, model, params, test.x, attributions, test.labels, batch_size=_AT_ONCE
    )
    return np.asarray(found)


def _sanity(key, trained, params, method, explain, few: int) -> dict:
    """Similarities to the maps of the trained network, a row for each layer."""
    layers = _new_layers(trained)
    dims = ("new_layer", "similarity")
    if method.retrained:
        return {"sanity": (dims, np.full((len(layers), len(SIMILARITIES)), np.nan))}
    test = trained.test
    cell = max(1, test.x.shape[1] // _CELLS)

    def attribute(params, x):
        return explain(params, x, test.labels[:few])

    def similarity(before, after):
        return attribution.structural_similarity(*map(method.heat, (before, after)))

    def histograms(before, after):
        maps = map(method.heat, (before, after))
        return attribution.histogram_correlation(*maps, cell=cell)

    found = attribution.randomization(
        key,
        trained.network,
        params,
        attribute,
        test.x[:few],
        similarities={"SSIM": similarity, "HOG": histograms},
    )
    all_similarities = (
        found.correlation,
        found.absolute_correlation,
        *found.similarities.values(),
    )
    means = [np.nanmean(np.asarray(values), axis=1) for values in all_similarities]
    return {"sanity": (dims, np.stack(means, axis=1))}
