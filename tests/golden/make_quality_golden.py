"""Write quality.json: FID and KID of fixed features by torchmetrics.

The features are functions of a seed, so the file holds only their parameters and the library's results.
KID is computed over one subset of all samples, because the library draws its subsets by a separate generator.
Run it where PyTorch and torchmetrics are installed: ``python tests/golden/make_quality_golden.py``.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

#: Samples on either side, and features of a sample: more samples than features, and fewer.
CASES = {"tall": (200, 150, 12), "flat": (40, 60, 90)}


def features(rows: int, columns: int, seed: int) -> np.ndarray:
    """Draw correlated, saturating features such as a tanh network has."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((columns, columns)) / np.sqrt(columns)
    return np.tanh(rng.standard_normal((rows, columns)) @ mixing + 0.3 * seed)


def answers(name: str) -> dict[str, Any]:
    """Compute the library's results of a case; KID needs sides of equal size, the smaller."""
    n, m, d = CASES[name]
    x, y = torch.from_numpy(features(n, d, 0)), torch.from_numpy(features(m, d, 1))
    size = min(n, m)
    fid = _compute_fid(x.mean(0), torch.cov(x.T), y.mean(0), torch.cov(y.T))
    kid = poly_mmd(x[:size], y[:size], degree=3, gamma=None, coef=1.0)
    return {"sizes": [n, m, d], "fid": float(fid), "kid": float(kid)}


def main() -> None:
    """Write the file beside this script."""
    libraries = ("torch", "torchmetrics", "numpy")
    content = {
        "versions": {name: version(name) for name in libraries},
        "cases": {name: answers(name) for name in CASES},
    }
    Path(__file__).with_name("quality.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
