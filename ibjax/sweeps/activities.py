"""Activities that were recorded elsewhere, read epoch by epoch from many forms."""

import contextlib
import importlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import jax.numpy as jnp
import numpy as np

from ibjax.networks.network import Layer
from ibjax.numerics import checks
from ibjax.numerics.calls import warn
from ibjax.numerics.digits import digits_to_lose

__all__ = ["Recording", "host_array", "open_recording", "read_recording"]

NOT_LAYERS = ("labels", "targets", "p_y_given_x", "epochs", "layers")
"""Names in a file that are no layers."""

# Of the formats 3 and 2, in the directory of a group.
_ZARR_FILES = ("zarr.json", ".zgroup")

Frame = tuple[int, list[np.ndarray]]


class Recording(NamedTuple):
    """Activities of some networks on the same inputs, at some epochs.

    Attributes:
      layers: The layers.
      num_seeds: Number of networks.
      epochs: The epochs, increasing; None where they are counted as they come.
      frames: Returns an iterator over the epochs, and each layer's activities there,
        ``[num_seeds, num_samples, units]`` float32.
      repeats: Whether ``frames`` may be called again.
    """

    layers: tuple[Layer, ...]
    num_seeds: int
    epochs: tuple[int, ...] | None
    frames: Callable[[], Iterator[Frame]]
    repeats: bool


def host_array(name: str, value: Any) -> np.ndarray:
    """An array of real numbers of any framework as one of NumPy."""
    if hasattr(value, "detach"):  # PyTorch's, which may have a gradient or a device.
        value = value.detach().cpu()
    try:
        found = checks.numeric(name, np.asarray(value))
    except ValueError as error:  # Of NumPy, for lists that are no table.
        raise ValueError(f"{name} must be an array of numbers, got {error}") from error
    if jnp.issubdtype(found.dtype, jnp.complexfloating):
        raise TypeError(f"{name} must hold real numbers, got {found.dtype}")
    return found


@contextlib.contextmanager
def open_recording(path: str | Path) -> Iterator[dict[str, Any]]:
    """Arrays of a file by name; those of HDF5 and zarr are read as they are sliced.

    Args:
      path: File of NumPy's ``.npz`` or of HDF5, or directory of a zarr group.

    Yields:
      Arrays, in the order in which NumPy wrote them; those of others in that of their
      names, with those of groups as ``group/name``.

    Raises:
      FileNotFoundError: If there is no such file.
      ModuleNotFoundError: If it is of zarr, which is not installed.
      ValueError: If it is none of them, or damaged.
    """
    path = Path(path)
    if path.is_dir() and any((path / name).is_file() for name in _ZARR_FILES):
        yield _zarr_arrays(path)
        return
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with contextlib.ExitStack() as stack:
        try:
            if h5py.is_hdf5(path):
                arrays = _datasets(stack.enter_context(h5py.File(path)))
            elif zipfile.is_zipfile(path):
                file = stack.enter_context(np.load(path))
                arrays = {name: file[name] for name in file.files}
            else:
                arrays = None
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        if arrays is None:
            raise ValueError(
                f"{path} must be of NumPy's .npz, of HDF5 or of zarr, got neither"
            )
        yield arrays


def _zarr_arrays(path: Path) -> dict[str, Any]:
    """Arrays of a zarr group by name."""
    try:
        zarr = importlib.import_module("zarr")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path} is of zarr, which is not installed: pip install zarr"
        ) from error
    try:
        found = dict(zarr.open_group(path, mode="r").members(max_depth=None))
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    return {
        name: found[name] for name in sorted(found) if hasattr(found[name], "dtype")
    }


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    arrays: dict[str, h5py.Dataset] = {}

    def visit(name, found):
        if isinstance(found, h5py.Dataset):
            arrays[name] = found

    file.visititems(visit)
    return arrays


def read_recording(
    activities: Any,
    num_samples: int,
    *,
    epochs: Sequence[int] | None = None,
    layers: Sequence[str] | None = None,
    where: str = "activities",
) -> Recording:
    """Find out what activities are given, and how to read them epoch by epoch.

    Args:
      activities: See :func:`ibjax.information_plane`, but for files.
      num_samples: Number of inputs.
      epochs: The epochs, if they are given.
      layers: Names of the layers, if they are given.
      where: What to call the activities in errors.

    Returns:
      The recording; its first epoch has been read.

    Raises:
      ValueError: If shapes, layers or epochs do not fit together.
      TypeError: If something is no array of numbers.
    """
    if epochs is not None:
        epochs = _check_epochs("epochs", epochs)
    layers = None if layers is None else [str(name) for name in layers]
    repeats = True
    if callable(activities):
        if epochs is None:
            raise ValueError("epochs must be given where activities are a function")
        items = _Items(lambda: map(activities, epochs))
    elif _is_mapping(activities) and _has_epochs(activities):
        own = _check_epochs(f"keys of {where}", list(activities))
        if epochs is not None and epochs != own:
            raise ValueError(
                f"epochs must be the keys of {where}, {list(own)}, got {list(epochs)}"
            )
        epochs, items = own, _Items(lambda: iter(activities.values()))
    elif isinstance(activities, Iterator):
        items, repeats = _Items(lambda: activities), False
    elif _is_list(activities) and any(map(_holds_layers, activities)):
        items = _Items(lambda: iter(activities))
    else:
        arrays, names = _arrays(activities, layers, where)
        epochs, items = _sliced(arrays, names, num_samples, epochs, where)
        layers = None if layers is None else names

    frames = items.frames(num_samples, epochs, layers, where)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"{where} must have at least one epoch, got none")
    found_layers, num_seeds = first.layers, first.arrays[0].shape[0]

    def all_frames():
        # Of an iterator the first epoch has been taken out of it.
        rest = (
            frames if not repeats else items.frames(num_samples, epochs, layers, where)
        )
        count = 0
        if not repeats:
            yield first.epoch, first.arrays
            count = 1
        for frame in rest:
            _check_like(first, frame, where)
            yield frame.epoch, frame.arrays
            count += 1
        if epochs is not None and count < len(epochs):
            raise ValueError(
                f"epochs must be one for each of the {count} in {where}, got "
                f"{len(epochs)}"
            )

    return Recording(found_layers, num_seeds, epochs, all_frames, repeats)


class _Frame(NamedTuple):
    epoch: int
    layers: tuple[Layer, ...]
    arrays: list[np.ndarray]


class _Items(NamedTuple):
    """Layers of one epoch after another; ``axis`` is that of samples where known."""

    iterate: Callable[[], Iterator[Any]]
    axis: int | None = None

    def frames(self, num_samples, epochs, names, where) -> Iterator[_Frame]:
        for number, item in enumerate(self.iterate()):
            if epochs is not None and number >= len(epochs):
                raise ValueError(
                    f"epochs must be one for each in {where}, got {len(epochs)} for "
                    "more than that"
                )
            epoch = number if epochs is None else epochs[number]
            given, own = _arrays(item, names, f"{where} at epoch {epoch}")
            read = [
                _rows(
                    f"layer {name!r}",
                    f"{where} at epoch {epoch}",
                    a,
                    num_samples,
                    self.axis,
                )
                for name, a in zip(own, given, strict=True)
            ]
            seeds = {name: len(rows) for name, (rows, _) in zip(own, read, strict=True)}
            if len(set(seeds.values())) > 1:
                raise ValueError(
                    f"layers of {where} at epoch {epoch} must be of as many networks "
                    f"each, got {seeds}"
                )
            layers = [Layer(n, shape) for n, (_, shape) in zip(own, read, strict=True)]
            yield _Frame(epoch, tuple(layers), [rows for rows, _ in read])


def _rows(
    layer: str, where: str, value: Any, num_samples: int, axis: int | None
) -> tuple[np.ndarray, tuple[int, ...]]:
    """One layer as ``[num_seeds, num_samples, units]``, and the shape of its units."""
    name = f"{layer} of {where}"
    found = host_array(name, value)
    if axis is None:
        with_seeds = found.ndim > 2 and found.shape[1] == num_samples
        axis = 1 if with_seeds and found.shape[0] != num_samples else 0
    if found.ndim <= axis or found.shape[axis] != num_samples or found.size == 0:
        raise ValueError(
            f"{name} must have shape [sample, unit] or [seed, sample, unit] with the "
            f"{num_samples} samples of the labels, got {found.shape}"
        )
    seeds, shape = found.shape[:axis] or (1,), found.shape[axis + 1 :] or (1,)
    # Named without the epoch, so that Python tells it once for a layer.
    if loss := digits_to_lose(layer, found.reshape(-1, *shape)):
        warn(loss)
    with np.errstate(over="ignore"):  # What float32 does not hold is not finite.
        rows = found.reshape(*seeds, num_samples, -1).astype(np.float32)
    return rows, shape


def _sliced(arrays, names, num_samples, epochs, where):
    """Epochs and items of arrays ``[epoch, sample, unit]`` or with seeds before."""
    axes = {}
    for name, array in zip(names, arrays, strict=True):
        shape = tuple(array.shape)
        fits = [
            seeds
            for seeds in (0, 1)
            if len(shape) > seeds + 1 + seeds and shape[seeds + 1] == num_samples
        ]
        # Should both fit, the number of epochs tells.
        exact = [n for n in fits if epochs is None or shape[n] == len(epochs)]
        if not fits:
            raise ValueError(
                f"layer {name!r} of {where} must have shape [epoch, sample, unit] or "
                f"[seed, epoch, sample, unit] with the {num_samples} samples of the "
                f"labels, got {shape}"
            )
        axes[name] = (exact or fits)[0]
    if len(set(axes.values())) > 1:
        with_seeds = [name for name, axis in axes.items() if axis]
        raise ValueError(
            f"layers of {where} must all have an axis of seeds or none, got one in "
            f"{', '.join(with_seeds)} alone"
        )
    axis = axes[names[0]]
    counts = {n: a.shape[axis] for n, a in zip(names, arrays, strict=True)}
    if len(set(counts.values())) > 1:
        raise ValueError(
            f"layers of {where} must be of as many epochs each, got {counts}"
        )
    count = counts[names[0]]
    epochs = tuple(range(count)) if epochs is None else epochs
    if len(epochs) != count:
        raise ValueError(
            f"epochs must be one for each of the {count} in {where}, got {len(epochs)}"
        )

    def iterate():
        for number in range(count):
            at = (slice(None), number) if axis else number
            yield {n: a[at] for n, a in zip(names, arrays, strict=True)}

    return epochs, _Items(iterate, axis)


def _arrays(given: Any, names: Sequence[str] | None, where: str):
    """Arrays of layers, and their names, in order."""
    if _is_mapping(given):
        found = {str(name): value for name, value in given.items()}
        missing = [name for name in names or () if name not in found]
        if missing:
            raise ValueError(
                f"layers must be some of those in {where}, {', '.join(found)}; got "
                f"{', '.join(missing)}"
            )
        names = list(found) if names is None else list(names)
        arrays = [found[name] for name in names]
    else:
        arrays = list(given) if _is_list(given) else [given]
        if names is None:
            names = [f"layer {number}" for number in range(1, len(arrays) + 1)]
        if len(names) != len(arrays):
            raise ValueError(
                f"layers must name each of the {len(arrays)} in {where}, got "
                f"{len(names)}"
            )
    checks.not_empty(where, arrays, "layer")
    if len(set(names)) < len(names):
        raise ValueError(f"layers must have names of their own, got {', '.join(names)}")
    arrays = [
        a if _is_array(a) else host_array(f"layer {n!r} of {where}", a)
        for n, a in zip(names, arrays, strict=True)
    ]
    return arrays, list(names)


def _check_like(first: _Frame, frame: _Frame, where: str) -> None:
    """Check that an epoch has the layers and networks of the first one."""
    for name in ("layers", "networks"):
        if name == "layers":
            one, other = (
                {layer.name: layer.shape for layer in f.layers} for f in (first, frame)
            )
        else:
            one, other = (f.arrays[0].shape[0] for f in (first, frame))
        if one != other:
            raise ValueError(
                f"{where} must have the same {name} at all epochs, {one} as at epoch "
                f"{first.epoch}; got {other} at epoch {frame.epoch}"
            )


def _check_epochs(name: str, epochs: Iterable[Any]) -> tuple[int, ...]:
    try:
        found = np.asarray(list(epochs))
        whole = found.ndim == 1 and np.all(found == np.rint(found))
    except (TypeError, ValueError):
        whole = False
    if not whole or len(found) == 0:
        raise ValueError(f"{name} must be whole numbers, got {epochs!r:.80}")
    found = tuple(int(epoch) for epoch in found)
    if found[0] < 0 or np.any(np.diff(found) <= 0):
        raise ValueError(f"{name} must increase from 0 or more on, got {list(found)}")
    checks.in_range(name, found[-1], "[0, 2147483647]")
    return found


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "keys")


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "__getitem__")


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _holds_layers(value: Any) -> bool:
    """Check that an item is an epoch: a list or a dict of arrays, no array."""
    return _is_mapping(value) or (_is_list(value) and any(map(_is_array, value)))


def _has_epochs(activities: Mapping) -> bool:
    keys = list(activities)
    return bool(keys) and all(isinstance(key, int | np.integer) for key in keys)
