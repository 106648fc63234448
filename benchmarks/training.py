"""How many seed-steps a second?

A seed-step is one optimiser step of one network. All cases train the network
12-10-7-5-4-3-2 with tanh units on 3,277 of the 4,096 12-bit inputs, cross-entropy,
Adam at 4e-4, in batches of 512 that are reshuffled every epoch: six full batches and
a short one of 205 rows, which is a step like the others; the baselines neither pad
nor drop it. The baselines shuffle for each network. ibjax draws one shuffle of places
an epoch, and each network has its own rows in those places; so there is a baseline,
too, where one shuffle serves all the networks.

Before it is timed each case must have learned: the mean training loss falls. Before
the table is printed, the cases must agree: their mean losses after the same number of
epochs differ by at most 0.02 nats and four standard errors over the networks.
"""

import argparse
import functools
import math
import statistics
from collections.abc import Callable
from typing import Any

import harness
import jax
import jax.numpy as jnp
import numpy as np
import optax

HIDDEN_WIDTHS = harness.LAYER_WIDTHS[:-1]
NUM_CLASSES = harness.LAYER_WIDTHS[-1]
NUM_TRAIN = 3277
BATCH_SIZE = 512
LEARNING_RATE = 4e-4
STEPS_PER_EPOCH = math.ceil(NUM_TRAIN / BATCH_SIZE)
LOSS_BAND = 0.02


@functools.cache
def our_problem() -> tuple[Any, Any, Any]:
    """Returns task, network and configuration; made once, so they compile once."""
    from ibjax import datasets, networks, training

    task = datasets.szt()
    network = networks.mlp((12, *HIDDEN_WIDTHS, NUM_CLASSES), activation="tanh")
    config = training.TrainConfig(learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE)
    return task, network, config


def ours(
    num_seeds: int,
    snapshots: list[int],
    probe: Callable[[Any], dict[str, Any]],
    on_progress: Callable[[Any], None] | None = None,
) -> Any:
    """Trains networks with ibjax.

    Args:
      num_seeds: Networks.
      snapshots: Epochs after which the probe measures; the last ends the training.
      probe: What to measure.
      on_progress: Called after each of the steps between snapshots.

    Returns:
      The labelled dataset.
    """
    from ibjax.sweep import sweep

    task, network, config = our_problem()
    return sweep(
        jax.random.key(0),
        task,
        network,
        config,
        num_seeds=num_seeds,
        snapshots=snapshots,
        probes=[probe],
        on_progress=on_progress,
    )


def case_ours(args: argparse.Namespace) -> dict[str, Any]:
    """Measures ibjax on one CPU device per core, or on the accelerators it finds."""
    harness.set_host_devices(harness.host_cores())
    from ibjax import probes

    checked = ours(args.seeds, [0, args.check_epochs], probes.losses)
    initial, final = np.asarray(checked.train_loss).T
    check = _check_learned("ibjax", initial, final)

    def one_number(snapshot: Any) -> dict[str, Any]:
        # Something to wait for that costs nothing.
        return {"squared_norm": jnp.sum(snapshot.kernels[0] ** 2)}

    seconds = []

    def on_progress(progress: Any) -> None:
        if progress.stage == "run" and progress.seconds is not None:
            seconds.append(progress.seconds)

    # The first step only measures the networks as they start, the second warms up.
    snapshots = [args.our_epochs * step for step in range(args.repeats + 2)]
    timed = ours(args.seeds, snapshots, one_number, on_progress)
    _, warm_up, *repeats = seconds
    timing = harness.Timing(
        min(repeats), statistics.median(repeats), warm_up, len(repeats)
    )
    return {
        "label": "ibjax",
        "where": _where(),
        **check,
        **_rates(timing, args.seeds * args.our_epochs),
        "compile_seconds": float(timed.attrs["compile_seconds"]),
        **harness.device(),
    }


def case_vmap(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the plain way: one device, intra-op threads, ``vmap`` over seeds."""
    return _measure_vmap(args, num_host_devices=1)


def case_vmap_sharded(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the plain way with its seeds sharded over one device per core."""
    return _measure_vmap(args, num_host_devices=harness.host_cores())


def case_vmap_one_order(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the sharded plain way when one shuffle serves all the seeds."""
    return _measure_vmap(
        args, num_host_devices=harness.host_cores(), same_order_for_all=True
    )


def _measure_vmap(
    args: argparse.Namespace, *, num_host_devices: int, same_order_for_all: bool = False
) -> dict[str, Any]:
    harness.set_host_devices(num_host_devices)
    init, epoch, mean_loss = _plain_training()
    x, y = _training_rows()
    keys = jax.random.split(jax.random.key(0), args.seeds)
    state = jax.jit(jax.vmap(init))(keys)
    if same_order_for_all:
        keys = keys[0]
    key_axis = None if same_order_for_all else 0
    batched = jax.vmap(epoch, in_axes=(0, key_axis, None, None, None))
    if num_host_devices > 1:
        mesh = jax.make_mesh((len(jax.devices()),), ("seed",))
        if args.seeds % mesh.size:
            raise SystemExit(f"--seeds must be a multiple of {mesh.size} devices")
        seed, everywhere = jax.P("seed"), jax.P()
        key_spec = everywhere if same_order_for_all else seed
        batched = jax.shard_map(
            batched,
            mesh=mesh,
            in_specs=(seed, key_spec, everywhere, everywhere, everywhere),
            out_specs=seed,
        )
        state = jax.device_put(state, jax.NamedSharding(mesh, seed))
        keys = jax.device_put(keys, jax.NamedSharding(mesh, key_spec))
        x, y = jax.device_put((x, y), jax.NamedSharding(mesh, everywhere))
    run_epoch, compile_seconds = harness.compile_function(
        batched, state, keys, jnp.int32(0), x, y
    )
    losses = jax.jit(jax.vmap(mean_loss, in_axes=(0, None, None)))

    def train(num_epochs: int) -> Any:
        trained = state
        for index in range(num_epochs):
            trained = run_epoch(trained, keys, jnp.int32(index), x, y)
        return trained

    name = "JAX, flax and vmap over the seeds"
    if same_order_for_all:
        name += ", one shuffle for all"
    initial = losses(state, x, y)
    final = losses(train(args.check_epochs), x, y)
    check = _check_learned(name, initial, final)
    timing = harness.time_calls(lambda: train(args.epochs), repeats=args.repeats)
    return {
        "label": name,
        "where": _where(),
        **check,
        **_rates(timing, args.seeds * args.epochs),
        "compile_seconds": compile_seconds,
        **harness.device(),
    }


def _plain_training() -> tuple[Callable[..., Any], ...]:
    """One network's ``init``, ``epoch`` and ``mean_loss``, the usual way."""
    linen = harness.require("flax.linen")

    class Network(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            for width in HIDDEN_WIDTHS:
                x = jnp.tanh(linen.Dense(width, kernel_init=_truncated_normal)(x))
            return linen.Dense(NUM_CLASSES, kernel_init=_truncated_normal)(x)

    network = Network()
    optimizer = optax.adam(LEARNING_RATE)

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        logits = network.apply(params, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def init(key: jax.Array) -> Any:
        params = network.init(key, jnp.zeros((1, 12)))
        return params, optimizer.init(params)

    def epoch(state: Any, key: jax.Array, index: jax.Array, x: Any, y: Any) -> Any:
        def step(state: Any, rows: jax.Array) -> tuple[Any, None]:
            params, optimizer_state = state
            gradients = jax.grad(loss)(params, x[rows], y[rows])
            updates, optimizer_state = optimizer.update(gradients, optimizer_state)
            return (optax.apply_updates(params, updates), optimizer_state), None

        rows = jax.random.permutation(jax.random.fold_in(key, index), NUM_TRAIN)
        num_full = NUM_TRAIN // BATCH_SIZE
        full, short = jnp.split(rows, [num_full * BATCH_SIZE])
        state, _ = jax.lax.scan(step, state, full.reshape(num_full, BATCH_SIZE))
        state, _ = step(state, short)
        return state

    def mean_loss(state: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return loss(state[0], x, y)

    return init, epoch, mean_loss


def _truncated_normal(
    key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32
) -> jax.Array:
    return jax.random.truncated_normal(key, -2, 2, shape, dtype) / math.sqrt(shape[0])


def case_torch(args: argparse.Namespace) -> dict[str, Any]:
    """Measures PyTorch on the CPU, one network after another."""
    torch = harness.require("torch")
    x, y = map(torch.from_numpy, map(np.array, _training_rows()))
    y = y.long()

    def make() -> tuple[Any, Any]:
        network = _torch_network(torch)
        return network, torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)

    def train(network: Any, optimizer: Any, num_epochs: int) -> None:
        for _ in range(num_epochs):
            for rows in torch.randperm(NUM_TRAIN).split(BATCH_SIZE):
                optimizer.zero_grad()
                logits = network(x[rows])
                torch.nn.functional.cross_entropy(logits, y[rows]).backward()
                optimizer.step()

    def loss(network: Any) -> float:
        with torch.no_grad():
            return float(torch.nn.functional.cross_entropy(network(x), y))

    torch.manual_seed(0)
    models = [make() for _ in range(args.check_networks)]
    name = "PyTorch, one network after another"
    torch.set_num_threads(1)
    initial = [loss(network) for network, _ in models]
    for network, optimizer in models:
        train(network, optimizer, args.check_epochs)
    check = _check_learned(name, initial, [loss(network) for network, _ in models])

    models = models[: args.torch_networks]

    def run() -> None:
        for network, optimizer in models:
            train(network, optimizer, args.epochs)

    return {
        "label": name,
        **check,
        **_best_threads(torch, run, args.repeats, len(models) * args.epochs),
    }


def case_torch_vmap(args: argparse.Namespace) -> dict[str, Any]:
    """Measures PyTorch on the CPU with ``torch.func.vmap`` over the seeds."""
    torch = harness.require("torch")
    x, y = map(torch.from_numpy, map(np.array, _training_rows()))
    y = y.long()
    torch.manual_seed(0)
    networks = [_torch_network(torch) for _ in range(args.seeds)]
    params, _ = torch.func.stack_module_state(networks)
    # Adam is elementwise, so one optimiser of stacked parameters is one per network.
    optimizer = torch.optim.Adam(params.values(), lr=LEARNING_RATE)

    def loss(one: Any, x: Any, y: Any) -> Any:
        logits = torch.func.functional_call(networks[0], one, (x,))
        return torch.nn.functional.cross_entropy(logits, y)

    gradient = torch.func.vmap(torch.func.grad(loss))

    def losses() -> Any:
        with torch.no_grad():
            return torch.func.vmap(loss, in_dims=(0, None, None))(params, x, y)

    def train(num_epochs: int) -> None:
        for _ in range(num_epochs):
            order = torch.rand(args.seeds, NUM_TRAIN).argsort(dim=1)
            for rows in order.split(BATCH_SIZE, dim=1):
                detached = {name: value.detach() for name, value in params.items()}
                gradients = gradient(detached, x[rows], y[rows])
                for name, value in params.items():
                    value.grad = gradients[name]
                optimizer.step()

    name = "PyTorch, torch.func.vmap over the seeds"
    initial = losses()
    train(args.check_epochs)
    check = _check_learned(name, initial, losses())
    return {
        "label": name,
        **check,
        **_best_threads(
            torch, lambda: train(args.epochs), args.repeats, args.seeds * args.epochs
        ),
    }


def _torch_network(torch: Any) -> Any:
    widths = (12, *HIDDEN_WIDTHS, NUM_CLASSES)
    layers = []
    for fan_in, fan_out in zip(widths[:-1], widths[1:], strict=True):
        layer = torch.nn.Linear(fan_in, fan_out)
        std = 1 / math.sqrt(fan_in)
        torch.nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
        torch.nn.init.zeros_(layer.bias)
        layers += [layer, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def _best_threads(
    torch: Any, run: Callable[[], None], repeats: int, num_seed_epochs: int
) -> dict[str, Any]:
    """Times with one thread and with one per core; the faster is the result."""
    timings = {}
    for num_threads in sorted({1, harness.host_cores()}):
        torch.set_num_threads(num_threads)
        timings[num_threads] = harness.time_calls(run, repeats=repeats)
    best = min(timings, key=lambda num_threads: timings[num_threads].minimum)
    return {
        **_rates(timings[best], num_seed_epochs),
        "where": f"cpu, threads: {best}",
        "compile_seconds": None,
        "microseconds_by_threads": {
            str(num_threads): _rates(timing, num_seed_epochs)["microseconds_min"]
            for num_threads, timing in timings.items()
        },
    }


def _training_rows() -> tuple[Any, Any]:
    from ibjax import datasets

    task = datasets.szt()
    rows = np.random.default_rng(0).permutation(4096)[:NUM_TRAIN]
    x, y = np.asarray(task.x)[rows], np.asarray(task.labels)[rows]
    return jnp.asarray(x), jnp.asarray(y)


def _where() -> str:
    info = harness.device()
    return f"{info['platform']}, devices: {info['num_devices']}"


def _check_learned(name: str, initial: Any, final: Any) -> dict[str, Any]:
    initial = np.asarray(initial, dtype=np.float64)
    final = np.asarray(final, dtype=np.float64)
    if not final.mean() < initial.mean() - 0.01:
        raise SystemExit(
            f"{name}: the mean loss went from {initial.mean():.4f} to "
            f"{final.mean():.4f} nats and should have fallen by 0.01"
        )
    return {
        "initial_loss": initial.mean(),
        "final_loss": final.mean(),
        "final_loss_standard_error": final.std(ddof=1) / math.sqrt(len(final)),
        "num_networks_checked": len(final),
    }


def _rates(timing: harness.Timing, num_seed_epochs: int) -> dict[str, Any]:
    num_steps = num_seed_epochs * STEPS_PER_EPOCH
    return {
        "microseconds_min": 1e6 * timing.minimum / num_steps,
        "microseconds_median": 1e6 * timing.median / num_steps,
        "num_repeats": timing.num_repeats,
        "num_seed_steps_per_repeat": num_steps,
    }


def check_agreement(results: dict[str, dict[str, Any]]) -> None:
    """Stops if two cases learned differently.

    Args:
      results: Results by case.
    """
    names = list(results)
    for other in names[1:]:
        a, b = results[names[0]], results[other]
        error = math.hypot(
            a["final_loss_standard_error"], b["final_loss_standard_error"]
        )
        allowed = LOSS_BAND + 4 * error
        if abs(a["final_loss"] - b["final_loss"]) > allowed:
            raise SystemExit(
                f"{other} reached a mean loss of {b['final_loss']:.4f} nats and "
                f"{names[0]} {a['final_loss']:.4f}; {allowed:.4f} apart is allowed"
            )


CASES = {
    "ours": case_ours,
    "vmap": case_vmap,
    "vmap-sharded": case_vmap_sharded,
    "vmap-one-order": case_vmap_one_order,
    "torch": case_torch,
    "torch-vmap": case_torch_vmap,
}


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5, help="per timed repeat")
    parser.add_argument(
        "--our-epochs", type=int, default=100, help="per timed repeat of ibjax"
    )
    parser.add_argument(
        "--check-epochs", type=int, default=100, help="epochs of the check"
    )
    parser.add_argument(
        "--torch-networks", type=int, default=2, help="timed one after another"
    )
    parser.add_argument(
        "--check-networks", type=int, default=8, help="checked one after another"
    )
    harness.add_arguments(parser, list(CASES))
    args = parser.parse_args()
    if args.check_networks < max(args.torch_networks, 2):
        parser.error("--check-networks must be at least 2 and --torch-networks")
    results = harness.run_cases(args, CASES)
    if not results:
        raise SystemExit("no case ran")
    check_agreement(results)

    reference = results.get("ours", {}).get("microseconds_min")
    rows = [
        [
            result["label"],
            result["where"],
            result["compile_seconds"],
            result["microseconds_min"],
            result["microseconds_median"],
            result["microseconds_min"] / reference if reference else None,
            f"{result['final_loss']:.4f} ± {result['final_loss_standard_error']:.4f}",
        ]
        for result in results.values()
    ]
    header = ["", "where", "compile, s", "µs a seed-step, min", "median"]
    header += ["times ibjax", f"loss after {args.check_epochs} epochs, nats"]
    print(harness.markdown_table(header, rows))
    harness.write_json(
        args.output,
        sizes={
            "num_seeds": args.seeds,
            "num_train": NUM_TRAIN,
            "batch_size": BATCH_SIZE,
            "steps_per_epoch": STEPS_PER_EPOCH,
            "hidden_widths": HIDDEN_WIDTHS,
            "check_epochs": args.check_epochs,
        },
        dtype="float32",
        results=results,
    )


if __name__ == "__main__":
    main()
