"""Claims on disk: a table to read and the numbers with their conditions."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from ibjax.claims.claim import Claim, claims_json, claims_markdown
from ibjax.results import write_atomically

__all__ = ["conditions", "write_claims"]


def conditions(dataset: xr.Dataset) -> dict[str, Any]:
    """How a dataset came about, for the claims made from it.

    Args:
      dataset: Dataset of a sweep or of a grid of sweeps.

    Returns:
      ``devices``, ``versions``, ``configuration`` and ``wall_seconds``.

    Example:
      >>> from ibjax.plots.example import example_dataset
      >>> sorted(conditions(example_dataset()))
      ['configuration', 'devices', 'versions', 'wall_seconds']
    """
    return {
        "devices": dataset.attrs.get("devices"),
        "versions": json.loads(dataset.attrs.get("versions", "{}")),
        "configuration": json.loads(dataset.attrs["configuration"]),
        "wall_seconds": dataset.attrs.get("wall_seconds"),
    }


def write_claims(
    directory: str | os.PathLike[str],
    claims: Sequence[Claim],
    *,
    title: str,
    command: str,
    **content: Any,
) -> str:
    """Write ``claims.json`` and ``claims.md``, each whole or not at all.

    Args:
      directory: Where to write; made if missing.
      claims: The claims.
      title: What they are about.
      command: The command that made them.
      **content: More for the JSON, such as :func:`conditions`.

    Returns:
      The table, in Markdown.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     table = write_claims(directory, [], title="None", command="none")
      ...     print(sorted(path.name for path in Path(directory).iterdir()))
      ['claims.json', 'claims.md']
    """
    directory = Path(directory)
    table = claims_markdown(claims)
    content = {"title": title, "command": command} | content
    content["claims"] = claims_json(claims)
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    write_atomically(directory / "claims.json", text + "\n")
    write_atomically(directory / "claims.md", table)
    return table
