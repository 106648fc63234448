"""Networks from their descriptions, for those that a description tells completely."""

import ast
import re
from collections.abc import Callable

from ibjax.networks.mlp import ACTIVATIONS, INITIALIZERS, mlp
from ibjax.networks.network import Network
from ibjax.networks.noisy import noisy
from ibjax.numerics import checks

__all__ = ["from_description"]

# As `mlp` and `noisy` write them.
_DESCRIPTION = re.compile(
    r"mlp (?P<widths>\d+(-\d+)+), (?P<names>[a-z-]+), init (?P<init>[a-z-]+)"
    r"(?P<linear>, linear output)?(, noise (?P<noise>varied|\[[^\]]*\]))?"
)


def from_description(text: str) -> Network | Callable[..., Network] | None:
    """The network of a description, if it is one of this package's dense ones.

    Args:
      text: A ``Network.description``.

    Returns:
      The network; a function of ``noise_std`` where that was varied; None where the
      description does not tell all, as with functions of the caller's.

    Example:
      >>> network = from_description("mlp 12-3-2, tanh, init fan-in")
      >>> network.layer_names
      ('tanh 3', 'softmax 2')
      >>> print(from_description("a network of mine"))
      None
    """
    found = _DESCRIPTION.fullmatch(checks.instance("text", text, str))
    if found is None or found["init"] not in INITIALIZERS:
        return None
    widths = [int(width) for width in found["widths"].split("-")]
    activation = _activation(found["names"], len(widths) - 2)
    if activation is None:
        return None
    options = {"init": found["init"]}
    if found["noise"] == "varied":

        def made(noise_std):
            return noisy(widths, activation, noise_std=noise_std, **options)

        return made
    if found["noise"]:
        stds = ast.literal_eval(found["noise"])
        return noisy(widths, activation, noise_std=stds, **options)
    output = "linear" if found["linear"] else "softmax"
    return mlp(widths, activation, output=output, **options)


def _activation(names: str, num_hidden: int) -> str | list[str] | None:
    """One name for all layers or one for each; names have dashes in them, too."""
    if names in ACTIVATIONS:
        return names
    known = "|".join(map(re.escape, ACTIVATIONS))
    if re.fullmatch(rf"({known})(-({known}))*", names) is None:
        return None
    each = re.findall(known, names)
    return each if len(each) == num_hidden else None
