"""The run of the information of words: networks, noise, figures, claims."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import jax
import xarray as xr

from ibjax import datasets, results
from ibjax.compilation import dividing_over
from ibjax.experiments.word_information.claims import word_claims
from ibjax.experiments.word_information.figures import word_figures
from ibjax.experiments.word_information.measured import measure_kind
from ibjax.experiments.word_information.setup import WordOptions, train_kind
from ibjax.report import experiment_report
from ibjax.results.provenance import run_attributes

__all__ = ["TITLE", "run"]

TITLE = "Noise that words of sentences bear (Guan et al., ICML 2019)"


def run(
    options: WordOptions,
    output: Path,
    *,
    quick: bool = False,
    sources: Sequence[Path] = (),
    command: str = "",
) -> str:
    """Train and measure, or read what was measured; draw it and hold claims against it.

    Args:
      options: What is trained and measured.
      output: Directory to write to.
      quick: Whether to make a small run of it.
      sources: A directory of an earlier run, to read instead.
      command: The command that runs this.

    Returns:
      The claims, in Markdown.
    """
    if sources:
        kinds = sorted(path.parent for path in sources[0].glob(_pattern("*")))
        if not kinds:
            raise results.ResultsError(f"{sources[0]} holds no kind of network")
        found = {path.name: results.open_dataset(path) for path in kinds}
    else:
        found = _measured(options.quick() if quick else options, output, command)
    return experiment_report(
        output,
        word_claims(found),
        word_figures(found),
        title=TITLE,
        dataset=next(iter(found.values())),
    )


def _pattern(kind: str) -> str:
    return f"{kind}/{results.DATASET_FILE}"


def _measured(
    options: WordOptions, output: Path, command: str
) -> dict[str, xr.Dataset]:
    options.check()
    sentences = datasets.sst2(max_words=options.max_words, num_words=options.num_words)
    found: dict[str, xr.Dataset] = {}
    for kind in options.kinds:
        start = time.perf_counter()
        model = train_kind(options, sentences, kind)
        with dividing_over(jax.devices()):
            dataset = measure_kind(options, sentences, model)
        seconds = time.perf_counter() - start
        dataset.attrs = run_attributes(asdict(options), jax.devices(), seconds)
        dataset.attrs["command"] = command
        path = output / _pattern(kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        results.save_dataset(dataset, path)
        found[kind] = dataset
    return found
