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
import training_peers
from training_task import (
    BATCH_SIZE,
    HIDDEN_WIDTHS,
    LEARNING_RATE,
    NUM_CLASSES,
    NUM_TRAIN,
    STEPS_PER_EPOCH,
    check_learned,
    rates_of,
    where,
)

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
    from ibjax.sweeps.seeds import sweep

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
    check = check_learned("ibjax", initial, final)

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
        "where": where(),
        **check,
        **rates_of(timing, args.seeds * args.our_epochs),
        "compile_seconds": float(timed.attrs["compile_seconds"]),
        **harness.device(),
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
    "vmap": training_peers.case_vmap,
    "vmap-sharded": training_peers.case_vmap_sharded,
    "vmap-one-order": training_peers.case_vmap_one_order,
    "torch": training_peers.case_torch,
    "torch-vmap": training_peers.case_torch_vmap,
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
