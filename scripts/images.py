"""Images for the scripts that need them: MNIST, or digits where it is missing."""

import argparse
import dataclasses
import sys

from ibjax import datasets

__all__ = ["add_image_options", "image_task"]

DIGITS_TEST = 360


def add_image_options(options: argparse.ArgumentParser) -> None:
    """Add what :func:`image_task` reads."""
    options.add_argument("--images", type=int, help="training images, the first ones")
    options.add_argument(
        "--download", action="store_true", help="download MNIST where it is missing"
    )


def image_task(
    args: argparse.Namespace, num_train: int, num_test: int | None = None
) -> datasets.Task:
    """MNIST where it is there, or else the digits, which the standard error tells."""
    num_train = args.images or num_train
    try:
        return datasets.mnist(
            num_train=num_train, num_test=num_test, download=args.download
        )
    except FileNotFoundError as error:
        print(
            f"{error}\nNetworks learn scikit-learn's digits of 8 by 8 pixels in place "
            "of MNIST; --download fetches it.",
            file=sys.stderr,
        )
        return dataclasses.replace(datasets.digits(), num_measured=DIGITS_TEST)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
