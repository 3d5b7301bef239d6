"""The matrix products outside the loop, by the kernel of bench/native/product.cpp.

The same tile of sums as inside the loop, so that a layer runs at one speed; on the processors tried it is faster than
the library torch calls, and threads take rows of the result, so that their number changes no bit.
"""

from __future__ import annotations

from ctypes import c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench import native


def product(a: Tensor, b: Tensor) -> Tensor:
    """a b, for (m, k) and (k, n) of any strides."""
    kinds = (c_int64,) * 3 + (c_void_p, c_int64, c_int64) * 2 + (c_void_p, c_int64)
    kernel = native.function(f"product_f{torch.finfo(a.dtype).bits}", *kinds)
    assert kernel is not None, "nobody comes here without kernels"
    (m, depth), n = a.shape, b.shape[1]
    found = a.new_empty(m, n)
    kernel(
        m, n, depth, a.data_ptr(), *a.stride(), b.data_ptr(), *b.stride(), found.data_ptr(), torch.get_num_threads()
    )  # fmt: skip
    return found


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x.flatten(0, 1), weight.t()).view(*x.shape[:2], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dz: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        rows = dz.flatten(0, 1)
        dx = product(rows, weight).view_as(x) if ctx.needs_input_grad[0] else None
        dweight = product(rows.t(), x.flatten(0, 1)) if ctx.needs_input_grad[1] else None
        return dx, dweight


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """x W', (time, batch, feature) to (time, batch, n): torch.nn.functional.linear without bias."""
    found: Tensor = _Linear.apply(x, weight)
    return found
