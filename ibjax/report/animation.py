"""The information plane in motion: a player in HTML and a GIF."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from PIL import Image

from ibjax.plots.plane import plane_axes, plane_ceilings, plane_limits
from ibjax.plots.style import (
    choose_estimator,
    information_bits,
    layer_colors,
    layer_names,
    paper_style,
)
from ibjax.report.player import player_page
from ibjax.results.files import write_atomically
from ibjax.results.statistics import mean_interval

__all__ = ["animation_gif", "animation_html", "player_data"]

_MAX_PLAYER_FRAMES = 400


def animation_html(dataset: xr.Dataset, *, estimator: str | None = None) -> str:
    """Page in which every seed's layers move through the information plane, in bits.

    The page holds its data and script and loads nothing. Frames are the recorded
    epochs, at most 400 of them, evenly spaced among the snapshots; none in between
    are invented, so time runs as the snapshots do, usually on a logarithmic scale.

    Args:
      dataset: Dataset of a sweep.
      estimator: Name of an estimator; ``binning``, or the first, by default.

    Returns:
      HTML document.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> page = animation_html(example_dataset(num_seeds=2))
      >>> "<canvas" in page, "http" in page
      (True, False)
    """
    return player_page(player_data(dataset, estimator=estimator))


def player_data(dataset: xr.Dataset, *, estimator: str | None = None) -> dict[str, Any]:
    """What the player draws, ready for JSON.

    Args:
      dataset: Dataset of a sweep.
      estimator: Name of an estimator; ``binning``, or the first, by default.

    Returns:
      Dictionary of the layers' names and colours, the epochs, limits and ceilings in
      bits, and the informations in thousandths of a bit, -1 where not finite: ``x``
      and ``y`` of shape ``[num_epochs, num_layers, num_seeds]``, ``mean_x`` and
      ``mean_y`` of shape ``[num_epochs, num_layers]``.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> np.shape(player_data(example_dataset(num_seeds=2))["x"])
      (60, 6, 2)
    """
    estimator, label = choose_estimator(dataset, estimator)
    frames = _frames(dataset.sizes["epoch"], _MAX_PLAYER_FRAMES)
    i_xt = information_bits(dataset, "i_xt", estimator)[:, frames]
    i_ty = information_bits(dataset, "i_ty", estimator)[:, frames]
    names, colors = layer_names(dataset), layer_colors(dataset.sizes["layer"])
    return {
        "title": f"{label}; {_count(dataset.sizes['seed'])}",
        "layers": [
            {"name": name, "color": color}
            for name, color in zip(names, colors, strict=True)
        ],
        "epochs": dataset["epoch"].values[frames].tolist(),
        "limits": [round(limit, 4) for limit in plane_limits(dataset, i_xt, i_ty)],
        "ceilings": [
            round(ceiling, 4) if np.isfinite(ceiling) else None
            for ceiling in plane_ceilings(dataset)
        ],
        "x": _thousandths(np.moveaxis(i_xt, 0, -1)),
        "y": _thousandths(np.moveaxis(i_ty, 0, -1)),
        "mean_x": _thousandths(mean_interval(i_xt).mean),
        "mean_y": _thousandths(mean_interval(i_ty).mean),
    }


def animation_gif(
    dataset: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    estimator: str | None = None,
    max_frames: int = 60,
) -> Path:
    """Writes a GIF of every seed's layers moving through the information plane.

    Args:
      dataset: Dataset of a sweep.
      path: File to write or replace.
      estimator: Name of an estimator; ``binning``, or the first, by default.
      max_frames: Most frames, evenly spaced among the snapshots; ten a second, the
        last one stands for two seconds, and the whole repeats.

    Returns:
      The path.

    Raises:
      ValueError: If the dataset does not hold ``estimator``, or ``max_frames`` is
        below one.

    Example:
      >>> import tempfile
      >>> from ibjax.results.example import example_dataset
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     path = Path(directory) / "plane.gif"
      ...     gif = animation_gif(example_dataset(), path, max_frames=3)
      ...     with Image.open(gif) as image:
      ...         image.n_frames
      3
    """
    if max_frames < 1:
        raise ValueError(f"max_frames must be at least 1, got {max_frames}")
    estimator, label = choose_estimator(dataset, estimator)
    i_xt = information_bits(dataset, "i_xt", estimator)
    i_ty = information_bits(dataset, "i_ty", estimator)
    epochs = dataset["epoch"].values
    names, colors = layer_names(dataset), layer_colors(dataset.sizes["layer"])
    with paper_style():
        figure = Figure(figsize=(5.2, 3.6), dpi=120, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots()
        plane_axes(axes, dataset, plane_limits(dataset, i_xt, i_ty))
        axes.set_title(f"{label}; {_count(dataset.sizes['seed'])}", loc="left")
        for name, color in zip(names, colors, strict=True):
            axes.scatter([], [], s=14, color=color, linewidths=0, label=name)
        figure.legend(loc="outside right center", title="layer")
        points = [
            axes.scatter([], [], s=12, color=color, linewidths=0, animated=True)
            for color in colors
        ]
        clock = axes.text(
            0.5, 0.06, "", transform=axes.transAxes, ha="center", animated=True
        )
        canvas.draw()
        background = canvas.copy_from_bbox(figure.bbox)
        images = []
        for index in _frames(len(epochs), max_frames):
            canvas.restore_region(background)
            for layer, artist in enumerate(points):
                offsets = np.stack([i_xt[:, index, layer], i_ty[:, index, layer]], 1)
                artist.set_offsets(offsets[np.isfinite(offsets).all(axis=1)])
                axes.draw_artist(artist)
            clock.set_text(f"epoch {epochs[index]}")
            axes.draw_artist(clock)
            pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
            images.append(Image.fromarray(pixels))
    return write_atomically(path, _encode_gif(images, colors))


def _encode_gif(images: list[Image.Image], colors: list[str]) -> bytes:
    """One palette for all frames, without dithering, so still parts cost nothing.

    It holds greys and every layer's colour, pure and blended with white for the
    smooth edges of the points, as many as 256 entries allow.
    """
    blends = np.linspace(0.0, 1.0, max(2, min(6, 240 // len(colors))))[1:, None]
    pure = 255.0 * to_rgba_array(colors[:240])[:, None, :3]
    mixed = blends * pure + (1.0 - blends) * 255.0
    greys = np.repeat(np.linspace(0.0, 255.0, 16)[:, None], 3, axis=1)
    entries = np.concatenate([greys, mixed.reshape(-1, 3)]).round().astype(np.uint8)
    palette = Image.new("P", (1, 1))
    palette.putpalette(entries.tobytes())
    frames = [image.quantize(palette=palette, dither=0) for image in images]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[100] * (len(frames) - 1) + [2000],
        loop=0,
        optimize=False,
    )
    return buffer.getvalue()


def _frames(num_epochs: int, max_frames: int) -> np.ndarray:
    """Indices of the snapshots to show, the last one always among them."""
    count = min(num_epochs, max_frames)
    if count == 1:
        return np.array([num_epochs - 1])
    return np.unique(np.linspace(0, num_epochs - 1, count).round().astype(int))


def _count(num_seeds: int) -> str:
    return "one seed" if num_seeds == 1 else f"{num_seeds} seeds"


def _thousandths(bits: np.ndarray) -> list:
    known = np.isfinite(bits)
    # The estimates are not negative; what rounding makes of zero stays at zero.
    scaled = np.maximum(np.round(np.where(known, bits, 0.0) * 1000.0), 0.0)
    return np.where(known, scaled, -1.0).astype(int).tolist()
