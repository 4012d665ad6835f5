"""Test an HDF5 file with links to nothing; what HDF5 refuses is in ``tests/remedies/hdf5.py``."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from vsmnp.data import load_data


def test_broken_links_beside_good_data_are_reported(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.arange(60.0).reshape(20, 3)
        file["dead"] = h5py.SoftLink("/nowhere")
        file["gone"] = h5py.ExternalLink("gone.h5", "/x")
    data = load_data(str(tmp_path / "x.h5"))
    assert data.n_train == 18
    assert data.notes == ("2 link(s) in x.h5 lead to nothing and were left out: dead, gone.",)
