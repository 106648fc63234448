"""How fast are a sweep of Bayesian networks, and the Fisher diagonal of a large one?

Part ``sweep``: networks with noisy weights, 196-100-100-10, on MNIST of 14 by 14
pixels, cross-entropy + beta / N KL, Adam, draws of the pre-activations: with ibjax ten
betas and five seeds in one program, with PyTorch one network after another, with one
thread or one per core and Adam fused or not, whichever is fastest. PyTorch trains
``--torch-networks``; its time is given per network and step, as ibjax's is, without
compilation and measuring. The cases must agree on the cross-entropy of the middle beta
to ``--band`` nats.

Part ``fisher``: the mean squared gradient of every parameter of a convolutional network
(two convolutions, pooling, 128 units: 1,199,882 parameters) over ``--images`` images,
one label each; with ibjax on one device and divided among a device for each core,
with PyTorch image after image, and with
``torch.func.vmap`` of ``torch.func.grad``, in batches of ``--batch-sizes``, whichever
is fastest. Weights, images and labels are the same, and the cases must agree on the
trace to 1e-3 of it.

    python benchmarks/weights.py sweep
    python benchmarks/weights.py fisher
"""

import argparse
import time
from functools import partial
from typing import Any

import harness
import jax
import numpy as np

BETAS = np.geomspace(1e-3, 1.0, 10)
NUM_SEEDS = 5
WIDTHS = (196, 100, 100, 10)
LEARNING_RATE = 1e-3
INITIAL_STD = 0.03


def images(num_train: int) -> Any:
    """MNIST's training images, 14 by 14 pixels, and a few to measure."""
    from ibjax.datasets.mnist import mnist
    from ibjax.experiments.corruption.setup import small_images

    return small_images(mnist(num_train=num_train, num_test=500))


def case_sweep_ours(args: argparse.Namespace) -> dict[str, Any]:
    """Sweeps all betas and seeds in one program."""
    harness.set_host_devices(harness.host_cores())
    from ibjax import networks, probes, sweep, training, weights

    task = images(args.num_train)
    network = weights.noisy_weights(networks.mlp(WIDTHS, "relu"), std=INITIAL_STD)
    config = training.TrainConfig(
        learning_rate=LEARNING_RATE, batch_size=args.batch_size
    )
    seconds = []

    def run() -> Any:
        return sweep(
            jax.random.key(0),
            task,
            network,
            config,
            objective=weights.weight_bottleneck(num_samples=args.num_train),
            vary={"beta": BETAS},
            num_seeds=NUM_SEEDS,
            snapshots=range(1, 3 + args.epochs),
            # A pass over all rows is no part of what is timed.
            probes=[probes.objective_terms._replace(last_only=True)],
            block=args.block,
            on_progress=lambda p: seconds.append(p.seconds),
        )

    dataset, peak_bytes = harness.peak_memory(run)
    steps = -(-args.num_train // args.batch_size)
    # The last but one is of the last epoch, which is measured.
    fastest = min(seconds[-2 - args.epochs : -2])
    return {
        "label": f"ibjax, {len(BETAS) * NUM_SEEDS} networks in one program",
        "milliseconds": 1e3 * fastest / (steps * len(BETAS) * NUM_SEEDS),
        "compile_seconds": float(dataset.attrs["compile_seconds"]),
        "peak_bytes": peak_bytes,
        "value": float(dataset.cross_entropy.isel(beta=5, epoch=-1).mean()),
        **harness.device(),
    }


def case_sweep_torch(args: argparse.Namespace) -> dict[str, Any]:
    """Trains networks one after another in PyTorch."""
    torch = harness.require("torch")
    task = images(args.num_train)
    x = torch.from_numpy(np.array(task.x[: args.num_train]))
    y = torch.from_numpy(np.array(task.labels[: args.num_train])).long()

    def run() -> tuple[float, float, str]:
        timings = {}
        for threads in sorted({1, harness.host_cores()}):
            for fused in (False, True):
                torch.set_num_threads(threads)
                _, train = _bayesian(torch, x, y, args, fused)
                train(5)
                timing = harness.time_calls(partial(train, 40), repeats=3)
                timings[threads, fused] = timing.minimum
        threads, fused = min(timings, key=timings.get)
        torch.set_num_threads(threads)
        losses, fastest = [], np.inf
        for seed in range(args.torch_networks):
            torch.manual_seed(seed)
            loss, train = _bayesian(torch, x, y, args, fused)
            train(None)
            for _ in range(args.epochs):
                start = time.perf_counter()
                train(None)
                fastest = min(fastest, time.perf_counter() - start)
            losses.append(loss())
        how = f"threads: {threads}, Adam {'fused' if fused else 'foreach'}"
        milliseconds = 1e3 * fastest / -(-args.num_train // args.batch_size)
        return milliseconds, float(np.mean(losses)), how

    (milliseconds, value, how), peak_bytes = harness.peak_memory(run)
    return {
        "label": f"PyTorch, one network after another, {how}",
        "milliseconds": milliseconds,
        "compile_seconds": None,
        "peak_bytes": peak_bytes,
        "value": value,
    }


def _bayesian(torch: Any, x: Any, y: Any, args: argparse.Namespace, fused: bool):
    """A new network at the middle beta, as functions that measure and train it."""
    functional = torch.nn.functional
    layers = [
        torch.nn.Linear(*pair) for pair in zip(WIDTHS[:-1], WIDTHS[1:], strict=True)
    ]
    with torch.no_grad():
        for layer in layers:
            torch.nn.init.trunc_normal_(
                layer.weight, std=layer.in_features**-0.5, a=-2, b=2
            )
            layer.bias.zero_()
    means = [p for layer in layers for p in layer.parameters()]
    logs = [
        torch.full_like(p, float(np.log(INITIAL_STD))).requires_grad_() for p in means
    ]
    optimizer = torch.optim.Adam([*means, *logs], lr=LEARNING_RATE, fused=fused)
    price = float(BETAS[5]) / len(x)

    def cross_entropy(rows: Any) -> Any:
        t = x[rows]
        for number in range(len(layers)):
            w, b = means[2 * number : 2 * number + 2]
            log_w, log_b = logs[2 * number : 2 * number + 2]
            mean = functional.linear(t, w, b)
            variance = functional.linear(t * t, (2 * log_w).exp(), (2 * log_b).exp())
            t = mean + (variance + 1e-30).sqrt() * torch.randn_like(mean)
            if number + 1 < len(layers):
                t = t.relu()
        return functional.cross_entropy(t, y[rows])

    def information() -> Any:
        pairs = zip(means, logs, strict=True)
        return sum(0.5 * ((2 * s).exp() + m * m - 1).sum() - s.sum() for m, s in pairs)

    def train(num_batches: int | None) -> None:
        for rows in torch.randperm(len(x)).split(args.batch_size)[:num_batches]:
            optimizer.zero_grad()
            (cross_entropy(rows) + price * information()).backward()
            optimizer.step()

    def loss() -> float:
        with torch.no_grad():
            return float(cross_entropy(torch.arange(len(x))))

    return loss, train


def _classifier(args: argparse.Namespace):
    """Network, weights, images and labels: the same for all."""
    from ibjax.networks.convolutional import convolutional

    network = convolutional((28, 28))
    rng = np.random.default_rng(0)
    params = jax.jit(network.init)(jax.random.key(0))
    x = rng.uniform(size=(args.images, 784)).astype(np.float32)
    labels = rng.integers(0, 10, args.images)
    return network, params, x, labels


def case_fisher_ours(args: argparse.Namespace, num_devices: int = 1) -> dict[str, Any]:
    """The diagonal with ibjax."""
    harness.set_host_devices(num_devices)
    from ibjax import estimators, weights

    network, params, x, labels = _classifier(args)
    diagonal = weights.fisher_diagonal
    if num_devices > 1:
        diagonal = estimators.over_devices(diagonal)
    return _fastest(
        f"ibjax, devices: {num_devices}",
        args,
        lambda size: partial(
            diagonal,
            params,
            x,
            network=network,
            labels=labels,
            batch_size=size,
        ),
        lambda tree: sum(float(leaf.sum()) for leaf in jax.tree.leaves(tree)),
    )


def case_fisher_ours_model(args: argparse.Namespace) -> dict[str, Any]:
    """The diagonal with labels of the model, summed over ten classes."""
    from ibjax import weights

    network, params, x, _ = _classifier(args)
    found = _fastest(
        "ibjax, labels of the model: ten gradients an image",
        args,
        lambda size: partial(
            weights.fisher_diagonal, params, x, network=network, batch_size=size
        ),
        lambda tree: None,
    )
    return found


def _fastest(label, args, function_of, value_of) -> dict[str, Any]:
    timings = {}
    for size in args.batch_sizes:
        function = function_of(size)
        timings[size] = harness.time_calls(function, repeats=args.repeats)
    size = min(timings, key=lambda size: timings[size].minimum)
    result, peak_bytes = harness.peak_memory(function_of(size))
    timing = timings[size]
    return {
        "label": f"{label}, {size} at once",
        "milliseconds": 1e3 * timing.minimum / args.images,
        "compile_seconds": max(0.0, timing.warm_up - timing.median),
        "peak_bytes": peak_bytes,
        "value": value_of(result),
    }


def _torch_classifier(torch: Any, args: argparse.Namespace):
    _, params, x, labels = _classifier(args)
    functional = torch.nn.functional
    leaves = []
    for w, b in params:
        w, b = np.array(w), np.array(b)
        # Kernels as PyTorch has them, and the dense layer's pixels in its order.
        if w.ndim == 4:
            w = w.transpose(3, 2, 0, 1)
        elif w.shape[0] == 12 * 12 * 64:
            w = w.reshape(12, 12, 64, -1).transpose(2, 0, 1, 3).reshape(w.shape).T
        else:
            w = w.T
        leaves += [torch.from_numpy(np.ascontiguousarray(w)), torch.from_numpy(b)]

    def loss(leaves: Any, x: Any, label: Any) -> Any:
        t = functional.conv2d(x.reshape(-1, 1, 28, 28), *leaves[:2]).relu()
        t = functional.conv2d(t, *leaves[2:4]).relu()
        t = functional.max_pool2d(t, 2).flatten(1)
        t = functional.linear(t, *leaves[4:6]).relu()
        return functional.cross_entropy(functional.linear(t, *leaves[6:8]), label)

    return leaves, loss, torch.from_numpy(x), torch.from_numpy(labels)


def case_fisher_torch(args: argparse.Namespace) -> dict[str, Any]:
    """The diagonal with PyTorch, image after image."""
    torch = harness.require("torch")
    leaves, loss, x, labels = _torch_classifier(torch, args)
    for leaf in leaves:
        leaf.requires_grad_()

    def run() -> Any:
        total = [torch.zeros_like(leaf) for leaf in leaves]
        for row in range(len(x)):
            value = loss(leaves, x[row : row + 1], labels[row : row + 1])
            for t, g in zip(total, torch.autograd.grad(value, leaves), strict=True):
                t.addcmul_(g, g)
        return [t / len(x) for t in total]

    return _timed_torch(torch, "PyTorch, image after image", args, {1: run})


def case_fisher_vmap(args: argparse.Namespace) -> dict[str, Any]:
    """The diagonal with PyTorch's gradients of many images at once."""
    torch = harness.require("torch")
    leaves, loss, x, labels = _torch_classifier(torch, args)
    gradients = torch.func.vmap(
        torch.func.grad(lambda p, x, y: loss(p, x[None], y[None])), (None, 0, 0)
    )

    def run(size: int) -> Any:
        total = [torch.zeros_like(leaf) for leaf in leaves]
        for rows in torch.arange(len(x)).split(size):
            found = gradients(tuple(leaves), x[rows], labels[rows])
            for t, g in zip(total, found, strict=True):
                t += (g * g).sum(0)
        return [t / len(x) for t in total]

    runs = {size: partial(run, size) for size in args.batch_sizes}
    return _timed_torch(torch, "PyTorch, vmap of grad", args, runs)


def _timed_torch(torch, label, args, runs) -> dict[str, Any]:
    timings = {}
    for threads in sorted({1, harness.host_cores()}):
        torch.set_num_threads(threads)
        for size, run in runs.items():
            timings[threads, size] = harness.time_calls(run, repeats=args.repeats)
    threads, size = min(timings, key=lambda key: timings[key].minimum)
    torch.set_num_threads(threads)
    result, peak_bytes = harness.peak_memory(runs[size])
    return {
        "label": f"{label}, {size} at once, threads: {threads}",
        "milliseconds": 1e3 * timings[threads, size].minimum / args.images,
        "compile_seconds": None,
        "peak_bytes": peak_bytes,
        "value": float(sum(t.sum() for t in result)),
    }


CASES = {
    "sweep-ours": case_sweep_ours,
    "sweep-torch": case_sweep_torch,
    "fisher-ours": case_fisher_ours,
    "fisher-divided": lambda args: case_fisher_ours(args, harness.host_cores()),
    "fisher-ours-model": case_fisher_ours_model,
    "fisher-torch": case_fisher_torch,
    "fisher-vmap": case_fisher_vmap,
}


def main() -> None:
    """Runs the cases of a part and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["sweep", "fisher"])
    parser.add_argument("--num-train", type=int, default=5_000)
    parser.add_argument("--epochs", type=int, default=2, help="that are timed")
    parser.add_argument("--batch-size", type=int, default=50, help="of training")
    parser.add_argument("--block", type=int, default=None, help="networks of a block")
    parser.add_argument("--torch-networks", type=int, default=2)
    parser.add_argument("--band", type=float, default=0.1, help="nats")
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[8, 32, 128])
    harness.add_arguments(parser, list(CASES), repeats=3)
    args = parser.parse_args()
    args.cases = [name for name in args.cases if name.startswith(args.part)]
    results = harness.run_cases(args, CASES)
    if not results:
        raise SystemExit("no case ran")
    values = [r["value"] for r in results.values() if r["value"] is not None]
    band = args.band if args.part == "sweep" else 1e-3 * max(values)
    if not max(values) - min(values) <= band:
        raise SystemExit(f"values are {values}, {band:.3g} apart is allowed")
    slowest = max(result["milliseconds"] for result in results.values())
    rows = [
        [
            result["label"],
            result["milliseconds"],
            slowest / result["milliseconds"],
            result["compile_seconds"],
            result["peak_bytes"] and result["peak_bytes"] / 2**20,
            result["value"],
        ]
        for result in results.values()
    ]
    unit = "network-step" if args.part == "sweep" else "image"
    value = "cross-entropy, nats" if args.part == "sweep" else "trace"
    header = ["case", f"ms a {unit}", "times the slowest", "compile s", "MiB", value]
    print(harness.markdown_table(header, rows))
    harness.write_json(args.output, results=results, conditions=harness.conditions())


if __name__ == "__main__":
    main()
