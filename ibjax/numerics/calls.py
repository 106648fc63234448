"""Functions of the caller's, and parameters that are to fit them."""

import dis
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import jax

from ibjax.numerics import checks

__all__ = ["in_a_line", "is_said", "shapes_of", "warn"]


def shapes_of(name: str, function: Callable, **arguments: Any) -> Any:
    """Shapes of what a function returns for arguments, which need not be computed.

    Args:
      name: Name of the function.
      function: What the caller gave, or what was made of it.
      **arguments: Its arguments by position, with the names of the caller's.

    Returns:
      The result's pytree, of ``jax.ShapeDtypeStruct``.

    Raises:
      TypeError: If it is no function, or an array is of another library.
      ValueError: If it fails, with its own error as the cause.

    Example:
      >>> x = jax.numpy.ones((5, 2))
      >>> shapes_of("model", lambda w, x: x @ w, params=jax.numpy.ones((2, 3)), x=x)
      ShapeDtypeStruct(shape=(5, 3), dtype=float32)
    """
    checks.function(name, function)
    for argument, value in arguments.items():
        checks.jax_tree(argument, value)
    try:
        return jax.eval_shape(lambda *args: function(*args), *arguments.values())
    except Exception as error:
        if isinstance(error, TypeError | ValueError) and is_said(error):
            raise
        names = " and ".join(arguments)
        raise ValueError(f"{name} must fit {names}, got {in_a_line(error)}") from error


def in_a_line(error: Exception) -> str:
    r"""Kind of an error and what it says, as one short line.

    Example:
      >>> in_a_line(ValueError("two\nlines"))
      'ValueError: two lines'
    """
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said:.160}"


def is_said(error: Exception) -> bool:
    """Check that an error was raised by a statement of this package.

    It is about an argument then; one of the interpreter or of another package is a
    mistake in this one.
    """
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return False
    code = last.tb_frame.f_code
    own = last.tb_frame.f_globals.get("__name__", "").partition(".")[0]
    raises = code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return raises and own == __name__.partition(".")[0]


def warn(message: str) -> None:
    """Warn of something in the line, outside of this package, that led here."""
    package = __name__.partition(".")[0]
    frame, level = inspect.currentframe(), 0
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level + 1)
