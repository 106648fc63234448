"""Labelled datasets of sweeps: files, cells of grids, intervals and summaries."""

from ibjax.results.cells import cells_of, cells_over, combine
from ibjax.results.files import (
    DATASET_FILE,
    ResultsError,
    open_dataset,
    save_dataset,
    write_atomically,
)
from ibjax.results.merging import merge, merge_directories
from ibjax.results.stopping import EarlyStopping, early_stopping
from ibjax.results.summary import summarize, summarize_grid

__all__ = [
    "DATASET_FILE",
    "EarlyStopping",
    "ResultsError",
    "cells_of",
    "cells_over",
    "combine",
    "early_stopping",
    "merge",
    "merge_directories",
    "open_dataset",
    "save_dataset",
    "summarize",
    "summarize_grid",
    "write_atomically",
]
