"""Animations of the information plane over the epochs: a player in HTML and a GIF."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ibjax.plots.plane import plane_axes, plane_limits
from ibjax.plots.style import (
    choose_estimator,
    coordinate,
    information_bits,
    layer_colors,
    layer_names,
    num_seeds_of,
    paper_style,
)
from ibjax.report.pages import animation_page
from ibjax.report.player import count_text, frames_of, player_data
from ibjax.results.files import write_atomically
from ibjax.results.summary import summarize

__all__ = ["animation_gif", "animation_html", "encode_gif"]


def animation_html(dataset: xr.Dataset, *, estimator: str | None = None) -> str:
    """Animated information plane of every seed's layers, in bits, as an HTML page.

    The page holds its data and script and loads nothing. Frames are the recorded
    epochs, at most 400 of them and fewer where there are many seeds, evenly spaced
    among the snapshots and not interpolated, so time runs as the snapshots do, usually
    on a logarithmic scale.

    Args:
      dataset: Dataset of a sweep.
      estimator: Name of an estimator; ``binning``, or the first that fits, by default.

    Returns:
      HTML document.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> page = animation_html(example_dataset(num_seeds=2))
      >>> "<canvas" in page, "src=" in page
      (True, False)
    """
    data = player_data(dataset, estimator=estimator)
    return animation_page(data, summarize(dataset))


def animation_gif(
    dataset: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    estimator: str | None = None,
    max_frames: int = 60,
) -> Path:
    """Animated information plane of every seed's layers, in bits, as a GIF file.

    Args:
      dataset: Dataset of a sweep.
      path: File to write or replace.
      estimator: Name of an estimator; ``binning``, or the first that fits, by default.
      max_frames: Largest number of frames, evenly spaced among the snapshots. Ten
        frames take a second, the last one stays for two, and the whole repeats.

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
    return write_atomically(path, encode_gif(dataset, estimator, max_frames))


def encode_gif(
    dataset: xr.Dataset, estimator: str | None, max_frames: int = 60
) -> bytes:
    """Bytes of the file of :func:`animation_gif`."""
    estimator, label = choose_estimator(dataset, estimator)
    i_xt = information_bits(dataset, "i_xt", estimator)
    i_ty = information_bits(dataset, "i_ty", estimator)
    epochs = coordinate(dataset, "epoch")
    names = layer_names(dataset)
    colors = layer_colors(len(names))
    frames = frames_of(len(epochs), max_frames)
    with paper_style():
        figure = Figure(figsize=(5.2, 3.6), dpi=120, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots()
        plane_axes(axes, dataset, plane_limits(dataset, i_xt, i_ty))
        axes.set_title(f"{label}; {count_text(num_seeds_of(dataset))}", loc="left")
        for name, color in zip(names, colors, strict=True):
            axes.scatter([], [], s=12, color=color, linewidths=0, label=name)
        figure.legend(loc="outside right center", title="layer", markerscale=1.2)
        # Axes, legend and title are drawn once; on a copy of them every frame draws
        # its points and what stands above points.
        points = axes.scatter([], [], s=12, linewidths=0)
        clock = axes.text(0.5, 0.06, "", transform=axes.transAxes, ha="center")
        moving = [points, *axes.texts]
        for artist in moving:
            artist.set_animated(True)
        canvas.draw()
        still = canvas.copy_from_bbox(figure.bbox)
        images = []
        for index in frames:
            places = np.stack([i_xt[:, index].T, i_ty[:, index].T], axis=-1)
            known = np.isfinite(places).all(axis=-1)
            points.set_offsets(places[known])
            points.set_facecolor(np.repeat(colors, known.sum(axis=1)))
            clock.set_text(f"epoch {epochs[index]}")
            canvas.restore_region(still)
            for artist in moving:
                axes.draw_artist(artist)
            pixels = np.asarray(canvas.buffer_rgba())[..., :3]
            images.append(Image.fromarray(pixels.copy()))
    return _joined(images)


def _joined(images: list[Image.Image]) -> bytes:
    """Bytes of a GIF of these frames."""
    # One palette for all frames and no dithering: what stands still costs no bytes.
    palette = images[-1].quantize()
    frames = [image.quantize(palette=palette, dither=0) for image in images]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[100] * (len(frames) - 1) + [2000],
        loop=0,
    )
    return buffer.getvalue()
