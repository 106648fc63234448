"""Small handwritten digits: what to try on before MNIST."""

from ibjax.datasets.task import Task, make_task

__all__ = ["digits"]


def digits() -> Task:
    """1,797 handwritten digits of 8 by 8 pixels, which come with scikit-learn.

    Pixels lie in [0, 1], in steps of 1/16.

    Returns:
      The task: ``x`` of shape ``[1797, 64]``, ten classes, in the order of the file.

    Raises:
      ModuleNotFoundError: If scikit-learn is not installed.

    References:
      Alpaydin and Kaynak, `Optical recognition of handwritten digits`, UCI Machine
      Learning Repository, 1998.

    Example:
      >>> task = digits()
      >>> print(task.x.shape, f"{task.h_y:.3f} nats")
      (1797, 64) 2.302 nats
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "digits come with scikit-learn, which is not installed: pip install "
            "scikit-learn"
        ) from error
    x, labels = load_digits(return_X_y=True)
    return make_task(x / 16, labels, num_classes=10, name="digits")
