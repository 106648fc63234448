"""Images for the scripts that need them: MNIST, or digits where it is missing."""

import argparse
import sys

from ibjax.datasets import Task, images
from ibjax.experiments.experiment import Scale

__all__ = ["add_image_options", "image_task"]


def add_image_options(options: argparse.ArgumentParser) -> None:
    """Add what :func:`image_task` and the size read."""
    options.add_argument("--images", type=int, help="training images, the first ones")
    options.add_argument("--test-images", type=int, help="images to measure on")
    options.add_argument(
        "--download", action="store_true", help="download MNIST where it is missing"
    )


def image_task(args: argparse.Namespace, scale: Scale) -> Task:
    """MNIST where it is there, or else the digits, which the standard error tells."""
    try:
        return images.image_task(num_train=scale.images, download=args.download)
    except FileNotFoundError as error:
        print(
            f"{error}\nNetworks learn scikit-learn's digits of 8 by 8 pixels in place "
            "of MNIST; --download fetches it.",
            file=sys.stderr,
        )
        return images.image_task("digits")
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
