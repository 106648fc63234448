"""The peers of training.py: JAX with flax and ``vmap``, and PyTorch."""

import argparse
import math
from collections.abc import Callable
from typing import Any

import harness
import jax
import jax.numpy as jnp
import numpy as np
import optax
from training_task import (
    BATCH_SIZE,
    HIDDEN_WIDTHS,
    LEARNING_RATE,
    NUM_CLASSES,
    NUM_TRAIN,
    check_learned,
    rates_of,
    training_rows,
    where,
)


def case_vmap(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the plain way: one device, intra-op threads, ``vmap`` over seeds."""
    return measure_vmap(args, num_host_devices=1)


def case_vmap_sharded(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the plain way with its seeds sharded over one device per core."""
    return measure_vmap(args, num_host_devices=harness.host_cores())


def case_vmap_one_order(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the sharded plain way when one shuffle serves all the seeds."""
    return measure_vmap(
        args, num_host_devices=harness.host_cores(), same_order_for_all=True
    )


def case_torch(args: argparse.Namespace) -> dict[str, Any]:
    """Measures PyTorch on the CPU, one network after another."""
    torch = harness.require("torch")
    x, y = map(torch.from_numpy, map(np.array, training_rows()))
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
    check = check_learned(name, initial, [loss(network) for network, _ in models])

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
    x, y = map(torch.from_numpy, map(np.array, training_rows()))
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
    check = check_learned(name, initial, losses())
    return {
        "label": name,
        **check,
        **_best_threads(
            torch, lambda: train(args.epochs), args.repeats, args.seeds * args.epochs
        ),
    }


def measure_vmap(
    args: argparse.Namespace, *, num_host_devices: int, same_order_for_all: bool = False
) -> dict[str, Any]:
    harness.set_host_devices(num_host_devices)
    init, epoch, mean_loss = _plain_training()
    x, y = training_rows()
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
    check = check_learned(name, initial, final)
    timing = harness.time_calls(lambda: train(args.epochs), repeats=args.repeats)
    return {
        "label": name,
        "where": where(),
        **check,
        **rates_of(timing, args.seeds * args.epochs),
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
        **rates_of(timings[best], num_seed_epochs),
        "where": f"cpu, threads: {best}",
        "compile_seconds": None,
        "microseconds_by_threads": {
            str(num_threads): rates_of(timing, num_seed_epochs)["microseconds_min"]
            for num_threads, timing in timings.items()
        },
    }
