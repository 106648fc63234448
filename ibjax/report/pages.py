"""HTML pages of a sweep, a grid, an animation and claims, from templates.

Every page is one document that opens from the file system and loads nothing. Values are
escaped by the templates, except for the style and the script of the package.
"""

from __future__ import annotations

import base64
import functools
import importlib.resources
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from ibjax.claims.writing import VERDICTS, check_collection, verdict_counts
from ibjax.numerics import checks
from ibjax.report.text import format_grid, format_violations
from ibjax.report.verdict import (
    cell_verdicts,
    disagreements,
    grid_disagreements,
    grid_verdict,
    plane_in_words,
    verdict,
)
from ibjax.results.ceiling import CEILING_WORDS, ceiling_list
from ibjax.results.edges import EDGES_WORDS, beyond_edges_list
from ibjax.results.verdicts import verdicts_of

__all__ = [
    "PageFigure",
    "PageTable",
    "animation_page",
    "claims_page",
    "experiment_page",
    "grid_page",
    "sweep_page",
]

# Sizes of fonts are for print; on a screen everything is a little larger.
_PIXELS_PER_INCH = 120
_PNG_WIDTH_OFFSET, _PNG_PIXELS_PER_INCH = 16, 200


class PageFigure(NamedTuple):
    """A figure of a page.

    Attributes:
      title: Heading above it.
      caption: Text below it.
      png: The image's bytes.
      width_inches: Width at which its fonts have their nominal size.
      alt: What it shows, for readers who cannot see it; by default the caption.
    """

    title: str
    caption: str
    png: bytes
    width_inches: float
    alt: str = ""

    @property
    def width(self) -> int:
        """Width on a screen, in pixels."""
        return round(self.width_inches * _PIXELS_PER_INCH)

    @property
    def base64(self) -> str:
        """The image's bytes as text."""
        return base64.b64encode(self.png).decode()


class PageTable(NamedTuple):
    """A table of a page.

    Attributes:
      title: Heading above it.
      caption: Text below it.
      header: Names of the columns.
      rows: Texts of every row, the first one its name.
    """

    title: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table and its caption as Markdown.

        Example:
          >>> print(PageTable("", "Two.", ["name", "n"], [["a", "1"]]).markdown())
          | name | n |
          | --- | ---: |
          | a | 1 |
          <BLANKLINE>
          Two.
          <BLANKLINE>
        """
        marks = ["---", *["---:"] * (len(self.header) - 1)]
        lines = [f"| {' | '.join(row)} |" for row in (self.header, marks, *self.rows)]
        return "\n".join([*lines, "", self.caption, ""])


def sweep_page(
    summary: dict[str, Any],
    figures: Sequence[PageFigure],
    player: dict[str, Any] | None,
    *,
    estimator: str | None,
    attributes: dict[str, Any],
) -> str:
    """Page of a sweep: its verdicts, the player, summary and figures, as HTML.

    ``summary`` is that of :func:`ibjax.results.summarize`, ``player`` the data of
    :func:`ibjax.report.player.player_data` by ``estimator``, ``attributes`` those of
    the dataset. Without information there is no estimator and no player.
    """
    names = {"h_y": "H(Y)", "i_xy": "I(X;Y)", "log2_num_samples": "log2 N"}
    known = {name: summary["ceilings"][f"{name}_bits"] for name in names}
    chain = summary["data_processing"]
    return _render(
        "sweep.html",
        title=summary["title"] or summary["task"] or "Sweep",
        summary=summary,
        verdict="" if estimator is None else verdict(summary, estimator),
        disagreements=disagreements(summary),
        matrix=_matrix(summary),
        ceilings=[
            f"{names[name]} = {bits:.4g} bits"
            for name, bits in known.items()
            if bits is not None
        ],
        at_ceiling=ceiling_list(summary["at_ceiling"]),
        ceiling_words=CEILING_WORDS,
        beyond_edges=beyond_edges_list(summary["beyond_edges"]),
        edges_words=EDGES_WORDS,
        violations=format_violations(chain) if chain["verdicts"] else "",
        player=_player(player, [summary], estimator),
        figures=figures,
        attributes=_attributes(attributes),
    )


def _matrix(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of layers and estimators."""
    found = verdicts_of(summary)
    return [
        {
            "name": f"{layer}: {name}",
            "apart": layer in found.disagreements,
            "cells": [entry["layers"][n] for entry in summary["estimators"]],
        }
        for n, (layer, name) in enumerate(zip(found.layers, found.names, strict=True))
    ]


def _player(
    data: dict[str, Any] | None, summaries: Sequence[dict[str, Any]], estimator: Any
) -> dict[str, Any] | None:
    """The player's data with words for those who cannot see its planes."""
    if data is None:
        return None
    panels = [
        panel | {"alt": f"Information plane {panel['title']}. {words}"}
        for panel, words in zip(
            data["panels"],
            [plane_in_words(summary, estimator) for summary in summaries],
            strict=True,
        )
    ]
    return data | {
        "panels": panels,
        "alt": f"Player of the information plane over the epochs, {data['count']}",
        "whole_page": False,
    }


def grid_page(
    summary: dict[str, Any],
    figures: Sequence[PageFigure],
    player: dict[str, Any] | None = None,
    *,
    estimator: str | None,
    attributes: dict[str, Any],
) -> str:
    """Page of a grid of sweeps: verdicts, planes side by side, figures, as HTML.

    ``summary`` is that of :func:`ibjax.results.summarize_grid`, ``player`` the data of
    :func:`ibjax.report.player.player_data` by ``estimator``, None if there is none;
    ``attributes`` are those of the dataset.
    """
    return _render(
        "grid.html",
        title=summary["title"],
        summary=summary,
        first=summary["cells"][0]["summary"],
        table=format_grid(summary),
        verdict="" if estimator is None else grid_verdict(summary, estimator),
        rows=cell_verdicts(summary),
        disagreement=grid_disagreements(summary),
        player=_player(
            player, [cell["summary"] for cell in summary["cells"]], estimator
        ),
        figures=figures,
        attributes=_attributes(attributes),
    )


def animation_page(player: dict[str, Any], summary: dict[str, Any]) -> str:
    """Page of one player of the information plane, whose keys act everywhere on it."""
    name = player["estimators"][player["chosen"]]["name"]
    data = _player(player, [summary], name)
    return _render(
        "animation.html",
        title=f"Information plane, {player['count']}",
        data={**(data or {}), "whole_page": True},
    )


def claims_page(
    collection: Sequence[dict[str, Any]], *, title: str = "Claims and verdicts"
) -> str:
    """HTML page of many tables of claims, with the figures that lie beside them.

    Args:
      collection: Result of :func:`ibjax.claims.collect_claims`. Figures are the PNG
        files in the directory of each ``path``.
      title: Title of the page.

    Returns:
      HTML document.

    Example:
      >>> claim = {"claim": "It is so", "quantity": "x", "criterion": "above 1",
      ...     "value": 2.0, "low": 1.5, "high": 2.5, "num_seeds": 9, "verdict": "holds"}
      >>> content = {"title": "One", "command": "python one.py", "claims": [claim]}
      >>> "It is so" in claims_page([content])
      True
    """
    check_collection(collection)
    checks.instance("title", title, str)
    experiments = [
        {
            "title": content["title"],
            "command": content.get("command", ""),
            "claims": content["claims"],
            "counts": verdict_counts(content),
            "figures": _figures_beside(content),
        }
        for content in collection
    ]
    return _render(
        "claims.html", title=title, verdicts=VERDICTS, experiments=experiments
    )


def experiment_page(
    content: dict[str, Any],
    figures: Sequence[PageFigure],
    tables: Sequence[PageTable],
    *,
    attributes: dict[str, Any],
) -> str:
    """Page of one experiment: its figures, tables and claims, as HTML.

    ``content`` is that of ``claims.json``, ``attributes`` those of the dataset.
    """
    return _render(
        "experiment.html",
        title=content["title"],
        command=content["command"],
        claims=content["claims"],
        figures=figures,
        tables=tables,
        attributes=_attributes(attributes),
    )


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ibjax.report"),
        autoescape=True,
        # A misspelt name is an error and not an empty place on the page.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # The filter ``tojson`` escapes "<" too, so that no name can end the script element.
    environment.policies["json.dumps_kwargs"] = {
        "separators": (",", ":"),
        "allow_nan": False,
    }
    environment.filters |= {
        "ends": _ends,
        "mean": _mean,
        "number": _number,
        "quartiles": _quartiles,
        "value": _value,
    }
    environment.globals["resource"] = _resource
    return environment


@functools.cache
def _resource(name: str) -> str:
    """The package's style or script."""
    templates = importlib.resources.files("ibjax.report") / "templates"
    return (templates / name).read_text(encoding="utf-8")


def _mean(interval: dict[str, Any], digits: int) -> str:
    """A mean and half the width of its symmetric interval."""
    if interval["mean"] is None:
        return "\N{EN DASH}"
    mean = f"{interval['mean']:.{digits}f}"
    if interval["high"] is None:
        return mean
    half = interval["high"] - interval["mean"]
    return f"{mean} \N{PLUS-MINUS SIGN} {half:.{digits}f}"


def _ends(interval: dict[str, Any], digits: int) -> str:
    """A mean and the ends of its interval, which need not be symmetric."""
    mean = _mean(interval | {"high": None}, digits)
    if interval["high"] is None:
        return mean
    return f"{mean} [{interval['low']:.{digits}f}, {interval['high']:.{digits}f}]"


def _quartiles(quartiles: dict[str, Any]) -> str:
    if quartiles["median"] is None:
        return "\N{EN DASH}"
    return (
        f"{quartiles['median']:.0f} ({quartiles['lower_quartile']:.0f} to "
        f"{quartiles['upper_quartile']:.0f})"
    )


def _number(value: float | str | None, spec: str = ".4g") -> str:
    """A number as text; infinities are texts already, as JSON has none."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else format(value, spec)


def _value(claim: dict[str, Any]) -> str:
    """A claim's number and its interval over seeds, if it has one."""
    if claim["num_seeds"] is None:
        return _number(claim["value"], ".6g")
    value, low, high = (_number(claim[k], ".3g") for k in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _attributes(attributes: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The configuration of a run, and its versions, machine and times, as texts."""
    names = {
        "devices": "devices",
        "created": "created",
        "wall_seconds": "wall time (s)",
        "compile_seconds": "compile time (s)",
    }
    run = {names[key]: attributes[key] for key in names if key in attributes}
    return {
        "configuration": _texts(_parsed(attributes.get("configuration"))),
        "machine": _texts(_parsed(attributes.get("versions")) | run),
    }


def _parsed(text: Any) -> dict[str, Any]:
    """A JSON object in text as a dictionary; anything else is shown as it is."""
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        value = text
    return value if isinstance(value, dict) else {"": value}


def _texts(facts: dict[str, Any]) -> dict[str, str]:
    shown = {}
    for name, value in facts.items():
        if isinstance(value, float):
            value = f"{value:.6g}"
        shown[name] = (
            value if isinstance(value, str) else json.dumps(value, default=str)
        )
    return shown


def _figures_beside(content: dict[str, Any]) -> list[PageFigure]:
    if "path" not in content:
        return []
    figures = []
    for path in sorted(Path(content["path"]).parent.glob("*.png")):
        png = path.read_bytes()
        # The header of a PNG tells its width; no need to decode it.
        width = int.from_bytes(png[_PNG_WIDTH_OFFSET : _PNG_WIDTH_OFFSET + 4], "big")
        name = path.stem.replace("_", " ")
        figures.append(PageFigure(name, name, png, width / _PNG_PIXELS_PER_INCH))
    return figures
