"""What do sweeps of a ResNet-18 and of a Transformer take, and what do they say?

ResNet-18 on CIFAR-10 (from JPEG), measured after its stem and its four stages, and a
Transformer of three blocks on the sentences of SST-2, three networks each. The layers
are reduced inside the snapshot, some inputs at a time, to the mean over positions, or
over a sentence's words, and the first principal components of that; or not at all,
which is measured for one network before training. ``--cases memory`` compiles the
activities of ResNet-18 alone and prints what they would hold beside their results;
``convolution`` times the gradient of a convolution within a loop, JAX's and
``networks.conv_general_dilated``'s.

The data are needed, see ``ibjax.datasets.cifar10`` and ``ibjax.datasets.sst2``. Linux
tells the memory.
"""

import argparse
import pathlib
import time
from typing import Any

import harness
import jax
import jax.numpy as jnp
import numpy as np

# Networks must get better than without training, on their own images or sentences.
LEAST_GAIN = 0.02


def _resnet_parts(args: argparse.Namespace, width: int) -> tuple[Any, Any, Any, Any]:
    """Task, network, names of its layers, and the mean over positions."""
    import realistic_networks

    from ibjax import datasets, networks

    task = datasets.cifar10(num_train=args.images, num_test=args.images)
    names = realistic_networks.RESNET_LAYERS
    network = networks.from_flax(
        realistic_networks.ResNet18(width),
        task.x[:1],
        layers=names,
        state="batch_stats",
    )
    return task, network, names, networks.reductions.position_mean


def _transformer_parts(args: argparse.Namespace) -> tuple[Any, Any, Any, Any]:
    import realistic_networks

    from ibjax import datasets, networks

    sentences = datasets.sst2(num_train=args.sentences, max_words=24)
    names = realistic_networks.TRANSFORMER_LAYERS
    network = networks.from_flax(
        realistic_networks.Transformer(len(sentences.vocabulary), 64),
        sentences.task.x[:1],
        layers=names,
    )
    return sentences.task, network, names, networks.reductions.token_mean


def _swept(args, parts, how, *, seeds, epochs, batch_size, learning_rate):
    from ibjax import TrainConfig, networks, probes, sweep
    from ibjax.networks import reductions

    task, network, names, mean = parts
    num_train = task.num_samples - task.num_measured
    if how == "components":
        sample = task.x[: args.sample]
        one = reductions.in_turn(
            mean, reductions.principal_components(sample, args.dim)
        )
        network = networks.reduced(
            network, dict.fromkeys(names, one), rows_at_once=args.rows_at_once
        )
    measured = [
        probes.bin_width(args.bin_width),
        probes.kde_bounds(args.noise_variance),
    ]
    if how != "whole":
        measured.append(probes.target_information("ross"))
    compiled = []

    def on_progress(progress):
        if progress.stage == "run" and not compiled:
            peak = harness.highest_memory(forget=True)
            compiled.append((peak, time.perf_counter(), time.process_time()))

    start, processor = time.perf_counter(), time.process_time()
    dataset = sweep(
        jax.random.key(0),
        task,
        network,
        TrainConfig(
            learning_rate=learning_rate,
            batch_size=batch_size,
            train_fraction=num_train / task.num_samples,
            split="ordered",
        ),
        num_seeds=seeds,
        snapshots=range(epochs + 1),
        probes=[*measured, probes.losses],
        block=1,
        on_progress=on_progress,
    )
    ((compile_peak, wall_before, processor_before),) = compiled
    peak = harness.highest_memory()
    ends = time.perf_counter(), time.process_time()
    accuracy = dataset.train_accuracy.mean("seed").values
    if epochs and not accuracy[-1] > accuracy[0] + LEAST_GAIN:
        raise SystemExit(f"the networks have not learned: accuracies {accuracy}")
    return dataset, {
        "networks": seeds,
        "layers": [str(name) for name in dataset.layer_name.values],
        "train": num_train,
        "measured": task.num_measured,
        "snapshots": epochs + 1,
        "compile_seconds": wall_before - start,
        "compile_processor_seconds": processor_before - processor,
        "compile_peak_bytes": compile_peak,
        "run_seconds": ends[0] - wall_before,
        "run_processor_seconds": ends[1] - processor_before,
        "run_peak_bytes": peak,
        "train_accuracy": [float(accuracy[0]), float(accuracy[-1])],
        "test_accuracy": dataset.test_accuracy.mean("seed").values[[0, -1]].tolist(),
        "ceiling": float(np.log(task.num_measured)),
        "at_ceiling": dataset.attrs.get("at_ceiling", "").rpartition(": ")[2],
        "last": {
            str(name): {
                variable: dataset[variable]
                .sel(estimator=name)
                .isel(epoch=-1)
                .mean("seed")
                .values.tolist()
                for variable in ("i_xt", "i_ty")
            }
            for name in dataset.estimator.values
        },
    }


def _case(name: str, how: str, width: int | None = None):
    """A case that sweeps the ResNet of a width, or, without one, the Transformer."""

    def run(args: argparse.Namespace) -> dict[str, Any]:
        trains = how != "whole"
        if width is None:
            parts = _transformer_parts(args)
            options = {"epochs": args.text_epochs, "batch_size": 50}
            options["learning_rate"] = 1e-3
        else:
            parts = _resnet_parts(args, width)
            options = {"epochs": args.epochs, "batch_size": 32}
            options["learning_rate"] = 1e-3
        if not trains:
            options["epochs"] = 0
        options["seeds"] = args.seeds if trains else 1
        dataset, result = _swept(args, parts, how, **options)
        if args.figures is not None and trains:
            _draw(dataset, args.figures, name)
        return {"label": f"{name.rsplit('-', 1)[0]}, {how}", **result}

    return run


def _draw(dataset: Any, directory: pathlib.Path, name: str) -> None:
    from ibjax import plots

    directory.mkdir(parents=True, exist_ok=True)
    for estimator in ("bin_width", "kde_upper"):
        figure = plots.information_plane(dataset, estimator=estimator)
        plots.save_figure(figure, directory / f"{name}-{estimator}.png")


def case_memory(args: argparse.Namespace) -> dict[str, Any]:
    """Bytes that the activities of ResNet-18 take beside parameters and inputs."""
    from ibjax import networks

    task, network, names, mean = _resnet_parts(argparse.Namespace(images=1), 64)
    params = jax.eval_shape(network.init, jax.random.key(0))
    reduced = networks.reduced(
        network, dict.fromkeys(names, mean), rows_at_once=args.rows_at_once
    )
    found = []
    for label, chosen in (("whole", network), ("reduced", reduced)):
        for number in args.memory_images:
            x = jax.ShapeDtypeStruct((number, task.x.shape[1]), jnp.float32)
            compiled = jax.jit(chosen.activations).lower(params, x).compile()
            memory = compiled.memory_analysis()
            found.append(
                {
                    "how": label,
                    "images": number,
                    "temporary_bytes": memory.temp_size_in_bytes,
                    "result_bytes": memory.output_size_in_bytes,
                }
            )
    return {"label": "memory", "programs": found}


def case_convolution(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a convolution's gradient within a loop, JAX's and ours."""
    from ibjax.compilation import CPU_OPTIONS
    from ibjax.networks import conv_general_dilated

    found = []
    for side, channels in ((32, 64), (8, 256)):
        keys = jax.random.split(jax.random.key(0))
        x = jax.random.normal(keys[0], (32, side, side, channels))
        w = jax.random.normal(keys[1], (3, 3, channels, channels)) / 3 / channels**0.5
        gradients, seconds = [], []
        for function in (jax.lax.conv_general_dilated, conv_general_dilated):

            def loss(w, x, function=function):
                order = ("NHWC", "HWIO", "NHWC")
                t = function(x, w, (1, 1), "SAME", dimension_numbers=order)
                return jnp.sum(jnp.tanh(t))

            def step(_, both, loss=loss):
                gradient = jax.grad(loss, argnums=(0, 1))(*both)
                return jax.tree.map(lambda a, g: a - 1e-3 * g, both, gradient)

            def steps(w, x, step=step):
                return jax.lax.fori_loop(0, 2, step, (w, x))

            program = jax.jit(steps).lower(w, x).compile(CPU_OPTIONS)
            gradients.append((program(w, x)[0] - w) / 1e-3)
            timed = []
            for _ in range(args.repeats):
                start = time.process_time()
                jax.block_until_ready(program(w, x))
                timed.append((time.process_time() - start) / 2)
            seconds.append(min(timed))
        scale = float(jnp.max(jnp.abs(gradients[0])))
        np.testing.assert_allclose(*gradients, rtol=0, atol=1e-3 * scale)
        found.append({"side": side, "channels": channels, "seconds": seconds})
    return {"label": "convolution", "steps": found}


CASES = {
    "resnet-components": _case("resnet-components", "components", 64),
    "transformer-components": _case("transformer-components", "components"),
    "resnet-whole": _case("resnet-whole", "whole", 64),
    "transformer-whole": _case("transformer-whole", "whole"),
    "memory": case_memory,
    "convolution": case_convolution,
}


def main() -> None:
    """Runs the cases and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    harness.add_arguments(parser, list(CASES), repeats=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=256, help="to train and measure")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--text-epochs", type=int, default=6)
    parser.add_argument("--sample", type=int, default=64, help="inputs of components")
    parser.add_argument("--dim", type=int, default=2, help="numbers left of a layer")
    parser.add_argument("--bin-width", type=float, default=1.0)
    parser.add_argument("--noise-variance", type=float, default=1.0)
    parser.add_argument("--rows-at-once", type=int, default=32)
    parser.add_argument(
        "--memory-images", type=int, nargs="+", default=[256, 1024, 5000]
    )
    parser.add_argument("--figures", type=pathlib.Path, help="draw the planes there")
    args = parser.parse_args()
    results = harness.run_cases(args, CASES)
    programs = results.pop("memory", {}).get("programs", [])
    steps = results.pop("convolution", {}).get("steps", [])
    print_runs(list(results.values()))
    if programs:
        header = ["activities", "images", "temporaries, MiB", "results, MiB"]
        rows = [
            [
                program["how"],
                program["images"],
                program["temporary_bytes"] / 2**20,
                program["result_bytes"] / 2**20,
            ]
            for program in programs
        ]
        print(harness.markdown_table(header, rows))
    if steps:
        header = ["images, 3 x 3 kernels", "JAX's, ms", "ours, ms"]
        rows = [
            [
                f"32 x {step['side']} x {step['side']} x {step['channels']}",
                *(1e3 * value for value in step["seconds"]),
            ]
            for step in steps
        ]
        print(harness.markdown_table(header, rows))
    harness.write_json(args.output, runs=results, programs=programs, steps=steps)


def print_runs(results: list[dict[str, Any]]) -> None:
    """Prints what the sweeps took, and what they found after the last epoch."""
    header = ["sweep", "networks", "trained on", "measured on", "snapshots"]
    for stage in ("compile", "run"):
        header += [f"{stage}, s", f"{stage}, processor s", f"{stage}, peak RSS, MiB"]
    header += ["train accuracy", "test accuracy"]
    rows = [
        [
            result["label"],
            result["networks"],
            result["train"],
            result["measured"],
            result["snapshots"],
            *(
                value
                for stage in ("compile", "run")
                for value in (
                    result[f"{stage}_seconds"],
                    result[f"{stage}_processor_seconds"],
                    result[f"{stage}_peak_bytes"] / 2**20,
                )
            ),
            " to ".join(f"{value:.2f}" for value in result["train_accuracy"]),
            " to ".join(f"{value:.2f}" for value in result["test_accuracy"]),
        ]
        for result in results
    ]
    if rows:
        print(harness.markdown_table(header, rows), end="\n\n")
    for result in results:
        print(f"{result['label']}, log n = {result['ceiling']:.2f} nats")
        if result["at_ceiling"]:
            print(f"at the ceiling: {result['at_ceiling']}")
        names = list(result["last"])
        header = ["layer", *(f"{v}, {n}" for n in names for v in ("I(X;T)", "I(T;Y)"))]
        rows = [
            [
                layer,
                *(
                    None
                    if np.isnan(value := result["last"][name][v][number])
                    else value
                    for name in names
                    for v in ("i_xt", "i_ty")
                ),
            ]
            for number, layer in enumerate(result["layers"])
        ]
        print(harness.markdown_table(header, rows), end="\n\n")


if __name__ == "__main__":
    main()
