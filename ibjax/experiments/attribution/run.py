"""The run of attribution: networks, measures, figures, claims."""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import jax

from ibjax import results
from ibjax.compilation import dividing_over
from ibjax.experiments.attribution.claims import attribution_claims, attribution_table
from ibjax.experiments.attribution.figures import attribution_figures
from ibjax.experiments.attribution.measured import measure
from ibjax.experiments.attribution.setup import AttributionOptions, train_networks
from ibjax.report import experiment_report
from ibjax.results.files import write_atomically
from ibjax.results.provenance import run_attributes

__all__ = ["run"]


def run(
    options: AttributionOptions,
    output: Path,
    *,
    quick: bool = False,
    sources: Sequence[Path] = (),
    command: str = "",
) -> str:
    """Train and explain, or read what was measured; draw it and hold claims against it.

    Args:
      options: What is trained and measured.
      output: Directory to write to.
      quick: Whether to make a small run of it.
      sources: A directory of an earlier run, or its dataset, to read instead.
      command: The command that runs this.

    Returns:
      The claims, in Markdown.
    """
    if sources:
        dataset = results.open_dataset(sources[0])
    else:
        options = options.quick() if quick else options
        start = time.perf_counter()
        trained = train_networks(options)
        seconds = time.perf_counter() - start
        print(f"{options.seeds} networks in {seconds:.0f} s", file=sys.stderr)
        with dividing_over(jax.devices()):
            dataset = measure(options, trained)
        seconds = time.perf_counter() - start
        dataset.attrs = run_attributes(asdict(options), jax.devices(), seconds)
        dataset.attrs["command"] = command
        output.mkdir(parents=True, exist_ok=True)
        results.save_dataset(dataset, output / results.DATASET_FILE)
    table = attribution_table(dataset)
    write_atomically(output / "attribution.md", table.markdown())
    return experiment_report(
        output,
        attribution_claims(dataset),
        attribution_figures(dataset),
        [table],
        title=options.title,
        dataset=dataset,
    )
