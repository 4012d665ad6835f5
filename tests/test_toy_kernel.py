"""Test that a new kernel of every set touches the files that CONTRIBUTING.md lists; the sets agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from extended_tree import ROOT, ExtendedTree, how_to

#: The copy's kernels are compiled from nothing.
pytestmark = pytest.mark.slow

STUB = '''    def square(self, x: Array) -> Array:
        """Compute ``x^2`` of every element."""

'''
REFERENCE = '''def square(x: Array) -> Array:
    """Compute ``x^2`` of every element."""
    return x * x


'''
CPU = '''@compiled
def _square(x: Array, y: Array) -> None:  # (M,)
    for i in range(x.size):
        y[i] = x[i] * x[i]


def square(x: Array) -> Array:
    """Compute ``x^2`` of every element."""
    y = np.empty(x.shape, x.dtype)
    _square(contiguous(x).reshape(x.size), y.reshape(x.size))
    return y


'''
CUDA = '''    def square(self, x: Array) -> Array:
        """Compute ``x^2`` of every element."""
        y = self.empty(x.shape, x.dtype)
        self.launch("pointwise", x.dtype, "square", self.flat_grid(x.size, 1), self.contiguous(x), x.size, y)
        return y

'''
SOURCE = """KERNEL square(const real *__restrict__ x, Index size, real *__restrict__ y) {
    const Index stride = (Index)gridDim.x * blockDim.x;
    for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < size; i += stride) y[i] = x[i] * x[i];
}

"""
#: The position of each piece: before a text of the file.
PIECES = (
    ("vsmnp/types/protocols.py", "    def activation_sums(\n", STUB),
    ("kernels/reference/kernel_set.py", "def activation_slope(", REFERENCE),
    ("kernels/cpu/pointwise.py", "def activation_slope(", CPU),
    ("kernels/cuda/pointwise.py", "    def activation_slope(", CUDA),
    ("kernels/cuda/cu/pointwise.cu", "#define ACTIVATION(", SOURCE),
)
CHECKED = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from pathlib import Path
import numpy as np
from vsmnp.kernels import load
x = np.linspace(-2, 2, 35).reshape(5, 7)
"""


def _extended(folder: Path, left_out: str = "") -> ExtendedTree:
    tree = ExtendedTree(folder)
    for path, before, text in PIECES:
        if path != left_out:
            tree.edit(path, before, text + before)
    return tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ExtendedTree:
    """Copy the package and add a kernel that squares."""
    return _extended(tmp_path_factory.mktemp("tree"))


def test_the_kernel_touches_the_listed_files(tree: ExtendedTree) -> None:
    assert tree.touched == how_to("A kernel")
    assert len(tree.touched) <= 5


def test_every_set_has_the_kernel(tree: ExtendedTree, tmp_path: Path) -> None:
    tree.python(
        f"{CHECKED}\n"
        "from cushim.runner import ShimLauncher\nfrom cushim.sets import GEOMETRIES, kernel_set\n"
        "from vsmnp.kernels.numba_cuda.kernel_set import NumbaCudaKernels\n"
        "card = kernel_set(ShimLauncher(Path(sys.argv[1])), GEOMETRIES[0])\n"
        "assert load('cpu').square.__module__ == 'vsmnp.kernels.cpu.pointwise'\n"
        "for k in (load('reference'), load('cpu'), card, NumbaCudaKernels(card.machine)):\n"
        "    np.testing.assert_array_equal(k.square(x), x**2)\n",
        str(tmp_path),
    )


def test_the_cpu_falls_back_to_the_reference(tmp_path: Path) -> None:
    tree = _extended(tmp_path / "tree", left_out="kernels/cpu/pointwise.py")
    tree.python(f"{CHECKED}\nnp.testing.assert_array_equal(load('cpu').square(x), x**2)\n")
