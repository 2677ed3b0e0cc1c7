"""Groups of dtypes, as declarations use them: established by trying torch, proved by the suite."""

import torch

FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
COMPLEX = (torch.complex128, torch.complex64)
