"""What does a GPU make of it: answers first, then times beside plain JAX and PyTorch.

Every case runs in a fresh process on whatever JAX finds, and says what that is; with
``--small`` the sizes are those of a CPU, so that the script can be tried anywhere.
The command's cases start with no compiled program kept, and then with those of the
first run.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import harness
import jax
import jax.numpy as jnp
import numpy as np
import training
import training_peers
import untrained
from jax import lax
from neighbours import gaussian_pair, scipy_ksg

K = 3
NOISE_VARIANCE = 1e-3
# The largest error that rounding explains, in nats: 1e-4 bits.
KDE_BAND = 1e-4 * math.log(2)
# Weights and biases of the network that is trained, and float32 operations a second.
NUM_WEIGHTS, BATCH_SIZE, H100_OPERATIONS = 294, 512, 67e12
PRESETS = ("szt", "deep-linear", "cnn", "noisy", "stochastic", "mnist")


def case_precision(args: argparse.Namespace) -> dict[str, Any]:
    """Holds networks and the solver against float64."""
    from ibjax import bottleneck, datasets, networks

    task = datasets.szt()
    network = networks.mlp([12, *untrained.LAYER_WIDTHS])
    params = network.init(jax.random.key(0))
    activities = jax.jit(network.activations)(params, task.x)[:-1]
    t, error = np.float64(task.x), 0.0
    for (w, b), layer in zip(params[:-1], activities, strict=True):
        t = np.tanh(t @ np.float64(w).T + np.float64(b))
        error = max(error, float(np.abs(t - np.float64(layer)).max()))
    table = np.random.default_rng(0).dirichlet(np.ones(256 * 16)).reshape(256, 16)
    betas = jnp.asarray([2.0, 5.0, 10.0, 20.0, 50.0])
    start = time.perf_counter()
    curve = bottleneck.information_curve(jnp.float32(table), betas)
    gaps = [float(gap) for gap in np.asarray(curve.gap)]
    return {
        "rows": [
            ["largest error of the layers' activities", error, None],
            ["largest gap of five points of a 256 x 16 table's curve, nats",
             max(gaps), time.perf_counter() - start],
        ],
        **harness.device(),
    }  # fmt: skip


def case_kde(args: argparse.Namespace) -> dict[str, Any]:
    """Times the kernel-density bounds of many networks' layers, and of a wide one."""
    from ibjax.estimators import kde

    rng = np.random.default_rng(0)
    many, samples, wide, images = (3, 512, 128, 500) if args.small else (
        50, 4096, 1024, 10_000
    )  # fmt: skip
    cases = [
        (f"{many} networks, {samples} x 10, 2 classes", (many, samples, 10), 2, 0.3),
        (f"one network, {images} x {wide}, 10 classes", (1, images, wide), 10, 3.0),
    ]
    rows = []
    for name, shape, num_classes, spread in cases:
        t = np.float32(np.tanh(rng.normal(size=shape)) * spread)
        labels = rng.integers(0, num_classes, shape[:2])
        one_hot = np.float32(np.eye(num_classes)[labels])
        arrays = jnp.asarray(t), jnp.asarray(labels)

        def ours(t, labels, num_classes=num_classes):
            return kde.layer_information(
                t, labels, num_classes=num_classes, noise_variance=NOISE_VARIANCE
            )

        row = _timed(jax.vmap(ours), arrays, args.repeats)
        truth = _float64_bounds(t[0], one_hot[0])
        found = [float(x[0]) for bound in row.pop("result") for x in bound]
        error = float(np.max(np.abs(np.array(found) - truth)))
        if error > KDE_BAND * (1 if shape[2] < 100 else 10):
            raise SystemExit(f"kde, {name}: {error} nats from float64")

        def plain(t, one_hot):  # One network after another: all would not fit.
            square = jnp.sum(t**2, axis=1)
            gram = jnp.matmul(t, t.T, precision="highest")
            distance = square[:, None] + square - 2 * gram
            kernels = jnp.exp(-distance / jnp.array([8, 2])[:, None, None] / 1e-3)
            return jnp.matmul(kernels, one_hot, precision="highest")

        plain_row = _timed(
            lambda t, w, plain=plain: lax.map(lambda pair: plain(*pair), (t, w)),
            (arrays[0], jnp.asarray(one_hot)),
            args.repeats,
        )
        torch_row = _torch_row(_torch_kde, (t, one_hot), args.repeats)
        rows.append([name, error, row["ms"], plain_row["ms"], torch_row])
    return {"rows": rows, **harness.device()}


def _float64_bounds(t: np.ndarray, one_hot: np.ndarray) -> np.ndarray:
    """Returns the four quantities of a layer in float64, block by block."""
    t = np.float64(t) - t.mean(axis=0, dtype=np.float64)
    square, values = np.sum(t**2, axis=1), []
    sums = np.zeros((2, *one_hot.shape))
    for start in range(0, len(t), 1000):
        rows = slice(start, start + 1000)
        distance = square[rows, None] + square - 2 * t[rows] @ t.T
        wide = np.exp(-np.maximum(distance, 0) / (8 * NOISE_VARIANCE))
        sums[:, rows] = wide @ one_hot, wide**4 @ one_hot
    for kernel in sums:
        i_xt = math.log(len(t)) - np.mean(np.log(kernel.sum(axis=1)))
        own = np.sum(kernel * one_hot, axis=1) / (one_hot @ one_hot.sum(axis=0))
        values += [i_xt, i_xt + np.mean(np.log(own))]
    return np.array(values)


def case_neighbours(args: argparse.Namespace) -> dict[str, Any]:
    """Times KSG of one pair, small and large, and of many pairs at once."""
    from ibjax.estimators import knn

    def ours(x, y):
        return knn.ksg(x, y, k=K, ties=False)  # Inside a program none can be seen.

    def plain(x, y):
        d_x, d_y = (jnp.max(jnp.abs(z[:, None] - z[None]), axis=2) for z in (x, y))
        joint = jnp.maximum(d_x, d_y)
        radius = -lax.top_k(-joint, K + 1)[0][:, -1:]
        psi = jax.scipy.special.digamma
        counts = sum(jnp.mean(psi(jnp.sum(d < radius, axis=1))) for d in (d_x, d_y))
        return psi(float(K)) + psi(float(len(x))) - counts

    small = [(500, 1), (500, 3)] if args.small else [(5000, 1), (5000, 5)]
    large = [] if args.small else [(100_000, 1), (100_000, 5)]
    rows = []
    for num_samples, dim in small + large:
        pair = gaussian_pair(dim, num_samples)
        arrays = tuple(jnp.asarray(z) for z in pair)
        row = _timed(ours, arrays, args.repeats)
        estimate = float(row["result"])
        error = abs(estimate - scipy_ksg(*map(np.float64, pair), workers=-1))
        if error > 1e-4:
            raise SystemExit(f"ksg of {num_samples}: {error} nats from k-d trees")
        name = f"KSG, {num_samples:,} x ({dim}+{dim})"
        times = [None, None]
        if (num_samples, dim) in small:
            times = [
                _timed(plain, arrays, args.repeats)["ms"],
                _torch_row(_torch_ksg, pair, args.repeats),
            ]
        rows.append([name, error, row["ms"], *times])
    for dim in (1, 3):
        pairs = [gaussian_pair(dim, 500, seed) for seed in range(100)]
        arrays = tuple(jnp.asarray(np.stack(each)) for each in zip(*pairs, strict=True))
        row = _timed(jax.vmap(ours), arrays, args.repeats)
        truth = [scipy_ksg(*map(np.float64, pair)) for pair in pairs[:10]]
        error = float(np.max(np.abs(np.asarray(row["result"])[:10] - truth)))
        plain_row = _timed(jax.vmap(plain), arrays, args.repeats)
        name = f"KSG, 100 pairs of 500 x ({dim}+{dim})"
        rows.append([name, error, row["ms"], plain_row["ms"], None])
    return {"rows": rows, **harness.device()}


def case_training(args: argparse.Namespace) -> dict[str, Any]:
    """Times steps of few and of many networks, beside flax and vmap."""
    harness.set_host_devices(harness.host_cores())
    rows = []
    args.our_epochs, args.check_epochs, args.epochs = (
        (20, 20, 2) if args.small else (200, 100, 3)
    )
    for num_seeds in [10] if args.small else [1, 50, 1000, 10_000]:
        args.seeds = num_seeds
        if num_seeds == 1:
            args.seeds, args.check_epochs = 2, 200  # A mean needs two.
        if num_seeds > 1000:
            args.our_epochs, args.check_epochs = 40, 40
        ours = training.case_ours(args)
        peer = None
        if num_seeds in (10, 50, 1000):
            peer = training_peers.measure_vmap(
                args, num_host_devices=harness.host_cores()
            )
            training.check_agreement({"ours": ours, "vmap": peer})
        rows.append([
            args.seeds,
            ours["compile_seconds"],
            ours["microseconds_min"] * args.seeds,
            ours["microseconds_min"],
            peer and peer["microseconds_min"],
        ])  # fmt: skip
    return {"rows": rows, **harness.device()}


def case_command(args: argparse.Namespace) -> dict[str, Any]:
    """Times the command, the first time and with its programs kept."""
    rows = []
    quick = ["--quick"] if args.small else []
    with tempfile.TemporaryDirectory() as home:
        for name in ("first run", "second run"):
            rows.append([f"sweep szt {' '.join(quick)}, {name}", *_command(
                home, ["sweep", "szt", *quick]
            )])  # fmt: skip
        for preset in args.presets:
            options = ["--data", "digits"] if preset in ("mnist", "stochastic") else []
            if preset == "cnn":
                options = ["--data", "digits"]
            rows.append([f"sweep {preset} --quick", *_command(
                home, ["sweep", preset, "--quick", *options]
            )])  # fmt: skip
        if args.many:
            many = ["--seeds", "1000"]
            rows.append([f"sweep szt {' '.join(many)}", *_command(
                home, ["sweep", "szt", *many]
            )])  # fmt: skip
    return {"rows": rows, **harness.device()}


def _command(home: str, arguments: list[str]) -> list[Any]:
    """Runs the command; returns its seconds, those it compiled and those it swept."""
    import xarray as xr

    environment = {**os.environ, "HOME": home, "MPLBACKEND": "agg"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    program = "from ibjax.cli import main; main()"
    with tempfile.TemporaryDirectory() as directory:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments, "--output", f"{directory}/run"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        if done.returncode:
            print(f"{' '.join(arguments)}: {done.stderr[-300:]}", file=sys.stderr)
            return [None, None, None]
        file = next(pathlib.Path(directory).rglob("results.nc"))
        with xr.open_dataset(file) as results:
            attributes = results.attrs
            return [seconds, *(
                float(attributes.get(name, "nan"))
                for name in ("compile_seconds", "wall_seconds")
            )]  # fmt: skip


def _timed(function: Any, arrays: tuple[Any, ...], repeats: int) -> dict[str, Any]:
    compiled, _ = harness.compile_function(function, *arrays)
    timing = harness.time_calls(lambda: compiled(*arrays), repeats=repeats)
    return {"ms": 1e3 * timing.median, "result": compiled(*arrays)}


def _torch_row(function: Any, arrays: tuple[np.ndarray, ...], repeats: int) -> Any:
    """Milliseconds of PyTorch on the same device; None where there is none."""
    try:
        torch = harness.require("torch")
    except harness.MissingPeer:
        return None
    on_gpu = jax.default_backend() == "gpu"
    if on_gpu and not torch.cuda.is_available():
        return None
    device = "cuda" if on_gpu else "cpu"
    tensors = [torch.as_tensor(array, device=device) for array in arrays]
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function(torch, *tensors)
        if on_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return 1e3 * statistics.median(seconds[1:])


def _torch_kde(torch: Any, t: Any, one_hot: Any) -> None:
    for layer, weights in zip(t, one_hot, strict=True):
        square = torch.sum(layer**2, dim=1)
        distance = square[:, None] + square - 2 * layer @ layer.T
        for scale in (8, 2):
            torch.exp(-distance / (scale * NOISE_VARIANCE)) @ weights


def _torch_ksg(torch: Any, x: Any, y: Any) -> Any:
    distances = [torch.cdist(z, z, p=float("inf")) for z in (x, y)]
    joint = torch.maximum(*distances)
    radius = torch.topk(joint, K + 1, largest=False)[0][:, -1:]
    return [torch.digamma((d < radius).sum(1).float()).mean() for d in distances]


CASES = {
    "precision": case_precision,
    "kde": case_kde,
    "neighbours": case_neighbours,
    "training": case_training,
    "command": case_command,
}
_TIMES = ["", "largest error, nats", "ibjax, ms", "plain JAX, ms", "PyTorch, ms"]
HEADERS = {
    "precision": ["", "", "seconds"],
    "kde": _TIMES,
    "neighbours": _TIMES,
    "training": [
        "networks", "compile, s", "µs a step", "µs a seed-step", "flax and vmap",
    ],
    "command": ["ibjax ...", "seconds in all", "compiling", "sweep in all"],
}  # fmt: skip


def draw_speed(files: list[pathlib.Path], path: pathlib.Path) -> None:
    """Draws the time of a seed-step against the number of networks.

    Args:
      files: What runs on several devices wrote by ``--output``.
      path: The figure, a PNG.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(3.5, 2.8), layout="constrained")
    for number, file in enumerate(files):
        found = json.loads(file.read_text())["results"]["training"]
        networks, _, _, ours, peer = zip(*found["rows"], strict=True)
        kind = found["device_kind"].removeprefix("NVIDIA ")
        kind = "two CPU cores" if kind == "cpu" else kind
        colour, marker = f"C{number}", "os^"[number]
        axes.loglog(networks, ours, marker + "-", color=colour, label=f"ibjax, {kind}")
        where = [place for place, value in enumerate(peer) if value]
        axes.loglog(
            [networks[place] for place in where],
            [peer[place] for place in where],
            marker + ":",
            color=colour,
            fillstyle="none",
            label=f"flax and vmap, {kind}",
        )
    # Three products a weight and sample, forwards and backwards, two operations each.
    floor = 6 * NUM_WEIGHTS * BATCH_SIZE / H100_OPERATIONS * 1e6
    axes.axhline(floor, color="0.5", linewidth=0.8)
    axes.annotate("H100, products alone", (2, floor * 1.15), fontsize=7, color="0.4")
    axes.set(xlabel="networks trained at once", ylabel="time of a seed-step (µs)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=200)


def main() -> None:
    """Runs the cases and prints a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="sizes of a CPU")
    parser.add_argument("--presets", nargs="*", choices=PRESETS, default=[])
    parser.add_argument("--many", action="store_true", help="1,000 networks, too")
    parser.add_argument(
        "--draw",
        nargs="+",
        type=pathlib.Path,
        metavar="FILE",
        help="draw the speed of training from files of --output, to the last, a PNG",
    )
    harness.add_arguments(parser, list(CASES), repeats=5)
    args = parser.parse_args()
    if args.draw:
        draw_speed(args.draw[:-1], args.draw[-1])
        return
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    results, cases = {}, args.cases
    for name in cases:
        # One after another, so that a run that is cut short has printed the others.
        args.cases = [name]
        results |= harness.run_cases(args, CASES)
        kind = results[name]["device_kind"]
        table = harness.markdown_table(HEADERS[name], results[name]["rows"])
        print(f"\n{name}, on {kind}\n\n{table}", flush=True)
        harness.write_json(args.output, results=results)


if __name__ == "__main__":
    main()
