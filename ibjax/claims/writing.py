"""Claims in files: a Markdown table, and JSON with the conditions of the run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from ibjax.claims.claim import Claim, claims_json, claims_markdown
from ibjax.numerics import checks
from ibjax.results.files import ResultsError, read_json, write_atomically

__all__ = [
    "VERDICTS",
    "collect_claims",
    "collection_markdown",
    "conditions",
    "verdict_counts",
    "write_claims",
]

VERDICTS = ("holds", "does not hold", "undecided")
"""The verdicts, in the order of the tables."""


def conditions(dataset: xr.Dataset) -> dict[str, Any]:
    """Conditions of the run behind a dataset, for the claims made from it.

    Args:
      dataset: Dataset of a sweep or of a grid of sweeps.

    Returns:
      ``devices``, ``versions``, ``configuration`` and ``wall_seconds``.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> sorted(conditions(example_dataset()))
      ['configuration', 'devices', 'versions', 'wall_seconds']
    """
    checks.instance("dataset", dataset, xr.Dataset)
    checks.holds("dataset.attrs", dataset.attrs, "configuration")
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
      title: Name of the experiment.
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
    content["sha256"] = _digest(content)
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    write_atomically(directory / "claims.json", text + "\n")
    write_atomically(directory / "claims.md", table)
    return table


def collect_claims(
    paths: Iterable[str | os.PathLike[str]],
) -> list[dict[str, Any]]:
    """Contents of files of claims.

    Args:
      paths: Files as :func:`ibjax.claims.write_claims` leaves them, or directories
        with one or more of them, at any depth.

    Returns:
      Their contents, with the ``path`` of each.

    Raises:
      ResultsError: If a path holds no claims, or a file is damaged.
    """
    found = []
    for path in map(Path, paths):
        files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        contents = [_read(file, required=not path.is_dir()) for file in files]
        contents = [content for content in contents if content is not None]
        if not contents:
            raise ResultsError(f"no claims: none of the files in {path} holds any")
        found += contents
    return found


def check_collection(collection: Sequence[dict[str, Any]]) -> None:
    """Check that these are contents of files of claims."""
    checks.instance("collection", collection, list, tuple)
    for number, content in enumerate(collection):
        checks.instance(f"collection[{number}]", content, dict)
        checks.holds(f"collection[{number}]", content, "title", "claims")


def collection_markdown(collection: Sequence[dict[str, Any]]) -> str:
    """Numbers of claims by verdict, as a Markdown table with a row per experiment.

    Args:
      collection: Result of :func:`collect_claims`.

    Returns:
      The table, with a newline at the end.

    Example:
      >>> claims = [{"claim": "It is so", "verdict": "holds"}]
      >>> print(collection_markdown([{"title": "One", "claims": claims}]))
      | experiment | claims | holds | does not hold | undecided |
      | --- | --- | --- | --- | --- |
      | One | 1 | 1 | 0 | 0 |
      <BLANKLINE>
    """
    check_collection(collection)
    rows = ["| experiment | claims | " + " | ".join(VERDICTS) + " |"]
    rows.append("| --- " * (2 + len(VERDICTS)) + "|")
    for content in collection:
        numbers = " | ".join(map(str, verdict_counts(content)))
        rows.append(f"| {content['title']} | {numbers} |")
    return "\n".join([*rows, ""])


def verdict_counts(content: dict[str, Any]) -> list[int]:
    """Number of claims of an experiment, and of each of :data:`VERDICTS` among them."""
    verdicts = [claim["verdict"] for claim in content["claims"]]
    return [len(verdicts), *map(verdicts.count, VERDICTS)]


def _read(path: Path, *, required: bool) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except ResultsError as error:
        # Among others in a directory there may be some that are none of JSON.
        if not required and not isinstance(error.__cause__, OSError):
            return None
        raise
    if isinstance(content, dict) and "sha256" in content:
        digest = content.pop("sha256")
        if digest != _digest(content):
            raise ResultsError(
                f"{path} is damaged or was changed: its claims are not those that were "
                "written; without the entry sha256 they are read as they are"
            )
    if not isinstance(content, dict) or not {"title", "claims"} <= content.keys():
        if required:
            raise ResultsError(f"{path} holds no claims: title or claims missing")
        return None
    return content | {"path": str(path)}


def _digest(content: dict[str, Any]) -> str:
    """Digest of what JSON holds, however it is laid out."""
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
