"""Data sets of numbers in columns, for regression. None needs a download."""

from dataclasses import dataclass

import torch

from course_lib.kit.data import DataError


@dataclass(frozen=True)
class Table:
    """Measurements of N cases and one number to predict for each. Nothing has been scaled or divided."""

    name: str
    x: torch.Tensor  # (N, D) float64, one case a row, in the units of the source
    y: torch.Tensor  # (N,) float64
    feature_names: tuple[str, ...]  # D names
    description: str  # where the numbers come from: belongs beside every result


def diabetes() -> Table:
    """Give scikit-learn's diabetes study: ten measurements of 442 patients, and how the disease went on in a year.

    The measurements are in their own units. (By default scikit-learn scales each column with statistics of all rows,
    those that will be tested included; here the caller divides first and scales after.)

    Returns:
        N = 442, D = 10: age (years), sex (1 or 2), body-mass index, blood pressure, and six blood values. The target is
        a score of progression, 25 to 346, larger is worse.

    Raises:
        DataError: scikit-learn is not installed.

    >>> table = diabetes()
    >>> table.x.shape, table.feature_names[:4]
    (torch.Size([442, 10]), ('age', 'sex', 'body-mass index', 'blood pressure'))
    """
    try:
        from sklearn.datasets import load_diabetes  # takes a second to import, so only where it is wanted
    except ImportError:
        raise DataError("scikit-learn is not installed; run: python -m pip install scikit-learn") from None
    bunch = load_diabetes(scaled=False)
    return Table(
        name="diabetes",
        x=torch.from_numpy(bunch.data).double(),
        y=torch.from_numpy(bunch.target).double(),
        feature_names=(
            *("age", "sex", "body-mass index", "blood pressure", "cholesterol", "LDL", "HDL", "cholesterol / HDL"),
            *("log triglycerides", "glucose"),
        ),
        description="diabetes study of Efron, Hastie, Johnstone and Tibshirani (2004): 442 patients, 10 measurements",
    )
