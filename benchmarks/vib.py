"""How fast is a sweep of variational bottlenecks over prices and seeds?

Trains classifiers of MNIST through a Gaussian code on distortion + beta rate, Adam,
batches of 100, for nine betas and five seeds: with ibjax all 45 networks in one
program, with PyTorch one network after another, with one thread or one per core,
whichever is faster. PyTorch trains as many networks as ``--torch-networks``; its time
is given per network and step, as ibjax's is, without compilation and measuring. Of all
epochs timed the fastest counts. The processor's time of all threads, over the cores, is
what a machine that has nothing else to do would take at best; where others work too, it
is the time to compare.

The cases must agree on the training distortion of the middle beta to ``--band`` nats.
The files of MNIST are needed, see ``ibjax.datasets.mnist``.

    python benchmarks/vib.py --hidden 256-256 --dim 32
    python benchmarks/vib.py --hidden 64-64 --dim 8 --side 14
    python benchmarks/vib.py --hidden 1024-1024 --dim 256 --num-train 2000
"""

import argparse
import time
from functools import partial
from typing import Any

import harness
import jax
import numpy as np

BETAS = np.geomspace(1e-5, 1.0, 9)
NUM_SEEDS = 5
BATCH_SIZE = 100
LEARNING_RATE = 1e-3
INITIAL_STD = 0.0067


def images(args: argparse.Namespace) -> Any:
    """MNIST's training images, of the side asked for, and a few to measure."""
    from ibjax import datasets
    from ibjax.datasets.mnist import mnist

    task = mnist(num_train=args.num_train, num_test=500)
    if args.side == 28:
        return task
    x = np.asarray(task.x).reshape(
        -1, args.side, 28 // args.side, args.side, 28 // args.side
    )
    return datasets.make_task(
        x.mean((2, 4)).reshape(len(x), -1),
        np.asarray(task.labels),
        num_classes=10,
        num_measured=task.num_measured,
    )


def case_ours(args: argparse.Namespace) -> dict[str, Any]:
    """Sweeps all betas and seeds in one program."""
    harness.set_host_devices(harness.host_cores())
    from ibjax import networks, probes, sweep, training
    from ibjax import representations as rep

    task = images(args)
    hidden = [int(width) for width in args.hidden.split("-")]
    model = rep.variational(
        networks.mlp([task.num_inputs, *hidden, 2 * args.dim], "relu", output="linear"),
        networks.mlp([args.dim, 10]),
        dim=args.dim,
        initial_std=INITIAL_STD,
    )
    config = training.TrainConfig(
        learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        train_fraction=args.num_train / task.num_samples,
        split="ordered",
    )
    clocks = []

    def run() -> Any:
        return sweep(
            jax.random.key(0),
            task,
            model.network,
            config,
            objective=rep.vib(model),
            vary={"beta": BETAS},
            num_seeds=NUM_SEEDS,
            snapshots=range(1, 3 + args.epochs),
            # A pass over all rows is no part of what is timed.
            probes=[probes.objective_terms._replace(last_only=True)],
            block=args.block,
            on_progress=lambda p: clocks.append((p.seconds, time.process_time())),
        )

    dataset, peak_bytes = harness.peak_memory(run)
    # The last but one is of the last epoch, which is measured.
    timed = clocks[-3 - args.epochs : -2]
    wall = min(seconds for seconds, _ in timed[1:])
    cpu = min(np.diff([used for _, used in timed]))
    per_step = 1e3 / (args.num_train // BATCH_SIZE * len(BETAS) * NUM_SEEDS)
    return {
        "label": f"ibjax, {len(BETAS) * NUM_SEEDS} networks in one program",
        "milliseconds": per_step * wall,
        "cpu_milliseconds": per_step * cpu / harness.host_cores(),
        "compile_seconds": float(dataset.attrs["compile_seconds"]),
        "peak_bytes": peak_bytes,
        "distortion": float(dataset.distortion.isel(beta=4, epoch=-1).mean()),
        **harness.device(),
    }


def case_torch(args: argparse.Namespace) -> dict[str, Any]:
    """Trains networks one after another in PyTorch."""
    torch = harness.require("torch")
    task = images(args)
    x = torch.from_numpy(np.array(task.x[: args.num_train]))
    y = torch.from_numpy(np.array(task.labels[: args.num_train])).long()

    def run() -> tuple[float, float, float]:
        timings = {}
        for threads in sorted({1, harness.host_cores()}):
            torch.set_num_threads(threads)
            _, train = _torch_network(torch, x, y, args)
            train(5)
            timing = harness.time_calls(partial(train, 20), repeats=2)
            timings[threads] = timing.minimum
        torch.set_num_threads(min(timings, key=timings.get))
        distortions, walls, cpus = [], [], []
        for seed in range(args.torch_networks):
            torch.manual_seed(seed)
            distortion, train = _torch_network(torch, x, y, args)
            train(None)
            for _ in range(args.epochs):
                start = time.perf_counter(), time.process_time()
                train(None)
                walls.append(time.perf_counter() - start[0])
                cpus.append(time.process_time() - start[1])
            distortions.append(distortion())
        per_step = 1e3 / (args.num_train // BATCH_SIZE)
        # One network after another has the machine to itself, busy cores or not.
        cpu = min(cpus) / torch.get_num_threads()
        return per_step * min(walls), per_step * cpu, float(np.mean(distortions))

    (milliseconds, cpu, distortion), peak_bytes = harness.peak_memory(run)
    return {
        "label": "PyTorch, one network after another",
        "milliseconds": milliseconds,
        "cpu_milliseconds": cpu,
        "compile_seconds": None,
        "peak_bytes": peak_bytes,
        "distortion": distortion,
    }


def _torch_network(torch: Any, x: Any, y: Any, args: argparse.Namespace):
    """A new network at the middle beta, as functions that measure and train it."""
    functional = torch.nn.functional
    widths = [x.shape[1], *map(int, args.hidden.split("-"))]
    layers = []
    for fan_in, fan_out in zip(widths[:-1], widths[1:], strict=True):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    layers.append(torch.nn.Linear(widths[-1], 2 * args.dim))
    encoder, decoder = torch.nn.Sequential(*layers), torch.nn.Linear(args.dim, 10)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    shift, beta = float(np.log(np.expm1(INITIAL_STD))), float(BETAS[4])

    def terms(rows: Any) -> tuple[Any, Any]:
        mean, raw = encoder(x[rows]).chunk(2, dim=1)
        std = functional.softplus(raw + shift)
        logits = decoder(mean + std * torch.randn_like(mean))
        rate = 0.5 * (mean**2 + std**2 - 1) - std.log()
        return functional.cross_entropy(logits, y[rows]), rate.sum(1).mean()

    def train(num_batches: int | None) -> None:
        for rows in torch.randperm(len(x)).split(BATCH_SIZE)[:num_batches]:
            optimizer.zero_grad()
            distortion, rate = terms(rows)
            (distortion + beta * rate).backward()
            optimizer.step()

    def distortion() -> float:
        with torch.no_grad():
            return float(terms(torch.arange(len(x)))[0])

    return distortion, train


CASES = {"ours": case_ours, "torch": case_torch}


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", default="256-256", help="units of hidden layers")
    parser.add_argument("--dim", type=int, default=32, help="dimensions of the code")
    parser.add_argument("--side", type=int, default=28, help="pixels: 28, 14 or 7")
    parser.add_argument("--num-train", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=3, help="that are timed")
    parser.add_argument("--block", type=int, default=None, help="networks of a block")
    parser.add_argument("--torch-networks", type=int, default=2)
    parser.add_argument(
        "--band", type=float, default=0.1, help="nats between the cases"
    )
    harness.add_arguments(parser, list(CASES), repeats=1)
    args = parser.parse_args()
    results = harness.run_cases(args, CASES)
    if not results:
        raise SystemExit("no case ran")
    distortions = [result["distortion"] for result in results.values()]
    if not max(distortions) - min(distortions) <= args.band:
        raise SystemExit(f"distortions are {distortions}, {args.band} apart is allowed")
    kinds = ("milliseconds", "cpu_milliseconds")
    slowest = {kind: max(r[kind] for r in results.values()) for kind in kinds}
    rows = [
        [
            result["label"],
            *(result[kind] for kind in kinds),
            *(slowest[kind] / result[kind] for kind in kinds),
            result["compile_seconds"],
            result["peak_bytes"] and result["peak_bytes"] / 2**20,
            result["distortion"],
        ]
        for result in results.values()
    ]
    header = ["case", "ms a network-step", "of processor time"]
    header += ["times the slowest", "by processor time", "compile s", "MiB"]
    print(harness.markdown_table([*header, "distortion"], rows))
    harness.write_json(args.output, results=results, conditions=harness.conditions())


if __name__ == "__main__":
    main()
