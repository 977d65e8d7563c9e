"""Matrices as small whole numbers with a scale for each channel, so that their products are the same on every CPU.

CPUs without VNNI multiply u8 activations with s8 weights four at a time and add the products up in pairs, into 16 bits that
saturate. `255 x 128 = 32,640` still fits: so no two weights of one sign that meet there may be more than 128 together. Such
weights lose far less than those that are each within 64, which is the usual remedy: two large ones seldom meet.
"""

import numpy as np
from numpy.typing import NDArray

LARGEST_PAIR = 128
_FOUR = 4
_LARGEST = 127

Whole = NDArray[np.int8]
Matrix = NDArray[np.float32]


def integers(matrix: Matrix) -> tuple[Whole, Matrix]:
    """`(in, out)` as whole numbers, and the scale of each output channel."""
    # Rounding adds at most a half to each of two.
    scale = (largest_pairs(matrix) / (LARGEST_PAIR - 1)).astype(np.float32)
    scale[scale == 0] = 1
    return np.rint(matrix / scale).astype(np.int8), scale


def integers_by_row(table: Matrix) -> tuple[Whole, Matrix]:
    """`(rows, width)` as whole numbers, and the scale of each row, `(rows, 1)`. No product is taken of these."""
    scale = (np.abs(table).max(axis=1, keepdims=True) / _LARGEST).astype(np.float32)
    scale[scale == 0] = 1
    return np.rint(table / scale).astype(np.int8), scale


def largest_pairs(matrix: NDArray[np.generic]) -> NDArray[np.float64]:
    """For each output channel, the most that two weights of one sign come to, of the four that a CPU takes at a time."""
    fours = matrix.astype(np.float64).reshape(len(matrix) // _FOUR, _FOUR, matrix.shape[1])
    return np.maximum(*(np.sort(np.maximum(sign * fours, 0), axis=1)[:, -2:].sum(axis=1).max(axis=0) for sign in (1, -1)))
