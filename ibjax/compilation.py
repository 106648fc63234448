"""Compilation for the processor at hand, its precision, and its cores as devices."""

import glob
import hashlib
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, Mesh, PartitionSpec

__all__ = [
    "CPU_OPTIONS",
    "by_platform",
    "compiling_for",
    "devices_in_turn",
    "dividing_over",
    "exact_jit",
    "for_each",
    "forget_program",
    "full_precision",
    "in_pieces",
    "jit",
    "keep_programs",
    "map_blocks",
    "map_samples",
    "num_parts",
    "on_cpu",
    "sum_of_parts",
    "use_all_cores",
]

CPU_OPTIONS = {"xla_cpu_prefer_vector_width": 512}
"""Compiler options for programs on a CPU.

XLA does not use vectors of 512 bits unless asked, even where the processor has them;
where it has none, the option changes nothing.
"""

# Its options are attributes that its type does not know.
_config: Any = jax.config

# JAX keeps what it traced by this value: no trace for one platform serves another.
_platform = jax.make_user_context(None)


@contextmanager
def compiling_for(platform: str) -> Iterator[None]:
    """Context in which programs are traced for a platform, as in ``device.platform``.

    Example:
      >>> with compiling_for("gpu"):
      ...     on_cpu()
      False
    """
    with _platform(platform):
        yield


def on_cpu() -> bool:
    """Check that what is being traced will run on a CPU: JAX's default, if not told.

    For what would take twice as long to trace for all platforms, as the steps of a
    training, or twice the memory in a gradient; else it is :func:`by_platform`. The
    answer decides the speed, and results to within rounding.
    """
    return (_platform.value or jax.default_backend()) == "cpu"


def by_platform(*args: Any, cpu: Callable, default: Callable) -> Any:
    """Result of one function on a CPU and of another elsewhere.

    The choice is made when the program is lowered, unless :func:`compiling_for` told
    before: one way alone is traced then.

    Example:
      >>> print(by_platform(2.0, cpu=lambda x: x**2, default=lambda x: x * x))
      4.0
    """
    if _platform.value is None:
        return lax.platform_dependent(*args, cpu=cpu, default=default)
    return (cpu if on_cpu() else default)(*args)


def for_each(function: Callable) -> Callable:
    """As ``jax.vmap``, but one after another on a CPU.

    There decompositions of many matrices, as ``vmap`` makes them, can wait for ever,
    for threads that wait for them (jaxlib 0.10): two of QR in a program on two cores.

    Args:
      function: A function of trees of arrays.

    Returns:
      The function of as many of each, ``[num, ...]``.

    Example:
      >>> print(for_each(lambda x, y: x + y)(jnp.arange(3), jnp.ones(3, int)))
      [1 2 3]
    """

    @wraps(function)
    def call(*args: Any) -> Any:
        if on_cpu():
            return lax.map(lambda own: function(*own), args)
        return jax.vmap(function)(*args)

    return call


# XLA splits a longer reduction on a GPU, and stores all that goes into it to do so.
_LONGEST_REDUCTION = 8192


def in_pieces(x: jax.Array, fill: float) -> jax.Array:
    """Last axis cut into equal pieces that a GPU reduces in one go each.

    Args:
      x: Array ``[..., length]``.
      fill: What fills up the last piece.

    Returns:
      Array ``[..., num_pieces, piece]``.

    Example:
      >>> in_pieces(jnp.ones((2, 20_001)), 0.0).shape
      (2, 3, 6667)
    """
    length = x.shape[-1]
    num_pieces = max(1, -(-length // _LONGEST_REDUCTION))
    piece = -(-length // num_pieces)
    padding = [(0, 0)] * (x.ndim - 1) + [(0, num_pieces * piece - length)]
    x = jnp.pad(x, padding, constant_values=fill)
    return x.reshape(*x.shape[:-1], num_pieces, piece)


def full_precision(function: Callable) -> Callable:
    """Decorator: float32 products of a function are products of float32.

    On a GPU or TPU JAX rounds the factors of a product to ten bits or fewer unless it
    is told otherwise, which information does not survive. Whoever wants that sets a
    precision by name, for all of a program, by ``jax.default_matmul_precision``, or
    for one product, by its ``precision`` argument; both are left as they are.

    It reaches what is traced while the function runs, not what it returns, nor the
    products that only a derivative takes, as that of a matrix decomposition does: there
    it is ``full_precision(jax.grad(function))``.

    Example:
      >>> product = jax.jit(full_precision(lambda a, b: a @ b))
      >>> a = jax.numpy.ones((2, 2))
      >>> "HIGHEST" in product.lower(a, a).as_text()
      True
    """

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _config.jax_default_matmul_precision is not None:
            return function(*args, **kwargs)
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return call


def exact_jit(function: Callable | None = None, **options: Any) -> Callable:
    """Decorator: ``jax.jit`` in full precision, see :func:`full_precision`.

    Example:
      >>> @exact_jit(static_argnames="power")
      ... def raised(x, power):
      ...     return x**power
      >>> print(raised(2.0, power=3))
      8.0
    """
    if function is None:
        return partial(exact_jit, **options)
    return jax.jit(full_precision(function), **options)


def jit(*, static_argnames: str | Sequence[str] = ()) -> Callable[..., Callable]:
    """Decorator: ``jax.jit`` in full precision, on a CPU with ``CPU_OPTIONS``.

    XLA takes options for a whole program only. A call on arrays gets them; a call
    inside another ``jit`` or ``vmap``, or under a derivative, is compiled as that
    program is. ``jax.jit(jax.vmap(function), compiler_options=CPU_OPTIONS)`` passes
    them to a program of your own.

    Example:
      >>> @jit(static_argnames="power")
      ... def raised(x, power):
      ...     return x**power
      >>> print(raised(2.0, power=3))
      8.0
    """

    def decorate(function: Callable) -> Callable:
        compiled = partial(exact_jit, static_argnames=static_argnames)
        inside = compiled(function)
        divided = compiled(_divided(function))
        on_cpus = compiled(_divided(function), compiler_options=CPU_OPTIONS)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            mesh = _mesh.value
            platform = jax.default_backend() if mesh is None else _platform_of(mesh)
            if (platform != "cpu" and mesh is None) or not _is_outermost(
                (args, kwargs)
            ):
                return inside(*args, **kwargs)
            return (on_cpus if platform == "cpu" else divided)(*args, **kwargs)

        return call

    return decorate


def _is_outermost(arguments: Any) -> bool:
    """True if a call with these arguments is compiled by itself."""
    # While a program is traced the arguments can be constants, but a result cannot be.
    traced = [*jax.tree.leaves(arguments), lax.neg(0.0)]
    return not any(isinstance(value, jax.core.Tracer) for value in traced)


_AXIS = "parts"
# The devices that a program of its own is divided over, and, while such a program is
# traced, their number.
_mesh = jax.make_user_context(None)
_num_parts = jax.make_user_context(1)


@contextmanager
def dividing_over(devices: Sequence[jax.Device]) -> Iterator[None]:
    """Context in which functions decorated by :func:`jit` run on several devices.

    Every device runs the whole function on all arguments, but for what is divided by
    :func:`map_blocks`, :func:`map_samples` and :func:`sum_of_parts`. Inside another
    ``jit``, under ``vmap`` or a derivative nothing is. A decorated function must take
    no reverse derivative of what it divides: it would be wrong.

    Example:
      >>> @jit()
      ... def doubled(x):
      ...     return map_blocks(lambda number: 2 * number, x)
      >>> with dividing_over(jax.devices()):
      ...     print(doubled(jnp.arange(3)))
      [0 2 4]
    """
    with _mesh(Mesh(list(devices), (_AXIS,), axis_types=(AxisType.Auto,))):
        yield


def devices_in_turn() -> tuple[jax.Device | None, ...]:
    """Devices of the context, for programs of one device each; None for JAX's choice.

    Example:
      >>> devices_in_turn()
      (None,)
    """
    return (None,) if _mesh.value is None else tuple(_mesh.value.devices.flat)


def num_parts() -> int:
    """Devices that share the work of what is being traced.

    Example:
      >>> num_parts()
      1
    """
    return _num_parts.value


def _platform_of(mesh: Mesh) -> str:
    return mesh.devices.flat[0].platform


def _divided(function: Callable) -> Callable:
    """The function, run on every device of the context it is traced in."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _mesh.value is None:
            return function(*args, **kwargs)
        values, structure = jax.tree.flatten((args, kwargs))
        # Arguments of a name that is static are values, all others tracers.
        traced = [n for n, v in enumerate(values) if isinstance(v, jax.core.Tracer)]

        def own(*arrays: Any) -> Any:
            found = values.copy()
            for place, array in zip(traced, arrays, strict=True):
                found[place] = array
            args, kwargs = jax.tree.unflatten(structure, found)
            with _num_parts(_mesh.value.size):
                return function(*args, **kwargs)

        everywhere = PartitionSpec()
        run = jax.shard_map(
            own,
            mesh=_mesh.value,
            in_specs=everywhere,
            out_specs=everywhere,
            check_vma=False,
        )
        return run(*(values[place] for place in traced))

    return call


def map_blocks(function: Callable[[Any], Any], blocks: Any) -> Any:
    """``lax.map`` over blocks, of which each device takes as many, in turn.

    Blocks beside each other may take long together, where values repeat for one.

    Args:
      function: From a block to arrays.
      blocks: Arrays ``[num_blocks, ...]``.

    Returns:
      Arrays ``[num_blocks, ...]``, on every device.

    Example:
      >>> print(map_blocks(lambda number: 2 * number, jnp.arange(3)))
      [0 2 4]
    """
    parts = _num_parts.value
    if parts == 1:
        return lax.map(function, blocks)
    num_blocks = len(jax.tree.leaves(blocks)[0])
    each = -(-num_blocks // parts)
    # The last block is done again where there is none.
    own = jnp.minimum(jnp.arange(each) * parts + lax.axis_index(_AXIS), num_blocks - 1)
    found = lax.map(function, jax.tree.map(lambda block: block[own], blocks))
    every = lax.all_gather(found, _AXIS, axis=1)

    def in_order(values: jax.Array) -> jax.Array:
        return values.reshape(each * parts, *values.shape[2:])[:num_blocks]

    return jax.tree.map(in_order, every)


def map_samples(function: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """A function of samples one by one, of which each device takes as many.

    Args:
      function: From arrays ``[..., num_samples]`` of any number of samples to one array
        of as many.
      *arrays: Those of all samples.

    Returns:
      The array of all samples, on every device.

    Example:
      >>> print(map_samples(lambda x, y: x + y, jnp.arange(3), jnp.ones(3, int)))
      [1 2 3]
    """
    parts = _num_parts.value
    if parts == 1:
        return function(*arrays)
    num_samples = arrays[0].shape[-1]
    each = -(-num_samples // parts)

    def own(x: jax.Array) -> jax.Array:
        padding = [(0, 0)] * (x.ndim - 1) + [(0, parts * each - num_samples)]
        x = jnp.pad(x, padding, mode="edge")
        return lax.dynamic_slice_in_dim(x, lax.axis_index(_AXIS) * each, each, axis=-1)

    found = function(*map(own, arrays))
    every = lax.all_gather(found, _AXIS, axis=found.ndim - 1, tiled=True)
    return every[..., :num_samples]


def sum_of_parts(function: Callable[[jax.Array | int, int], Any]) -> Any:
    """Sum over the devices of what each makes of its part, ``function(part, parts)``.

    Example:
      >>> print(sum_of_parts(lambda part, parts: jnp.arange(part, 5, parts).sum()))
      10
    """
    parts = _num_parts.value
    if parts == 1:
        return function(0, 1)
    return lax.psum(function(lax.axis_index(_AXIS), parts), _AXIS)


def use_all_cores() -> None:
    """Make a device of every core that this process may use, to shard seeds over.

    It must run before JAX starts, and keeps a number of devices that was set before.
    """
    if _config.jax_num_cpu_devices >= 1:
        return
    if hasattr(os, "sched_getaffinity"):
        num_cores = len(os.sched_getaffinity(0))
    else:
        num_cores = os.cpu_count() or 1
    jax.config.update("jax_num_cpu_devices", num_cores)


def keep_programs(directory: Path) -> None:
    """Keep compiled programs in a directory, so that the next process need not compile.

    A directory that JAX was told of before, ``JAX_COMPILATION_CACHE_DIR``, stays the
    one. Several processes may share it: one that meets half an entry compiles anew.

    Args:
      directory: Where to keep them; a folder in it is made for this kind of processor,
        because a home directory may serve machines whose programs differ.
    """
    if _config.jax_compilation_cache_dir is not None:
        return
    kind = hashlib.sha256(_processor().encode()).hexdigest()[:16]
    jax.config.update("jax_compilation_cache_dir", str(directory / kind))
    # By default only what took a second is kept; a sweep has many smaller programs.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def forget_program(directory: Path, name: str) -> None:
    """Remove what is kept of a program, where it cannot be read or written.

    A disk that is full leaves half an entry, which JAX does not replace.

    Args:
      directory: The one given to :func:`keep_programs`; where JAX keeps programs
        elsewhere, nothing is removed.
      name: Name of the program, as in JAX's warning.
    """
    kept = _config.jax_compilation_cache_dir
    if kept is None or Path(kept).parent != directory:
        return
    for path in Path(kept).glob(f"{glob.escape(name)}-*"):
        with suppress(OSError):  # Gone already, by another process.
            path.unlink()


def _processor() -> str:
    """Description of the processor, with its instruction sets where they are told."""
    described = f"{platform.machine()} {platform.processor()}"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return described
    names = ("model name", "flags", "Features", "CPU part")
    return "\n".join([described, *sorted({s for s in lines if s.startswith(names)})])
