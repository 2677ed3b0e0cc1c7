"""Convolution, transposed convolution and batch norm of torch.nn, written by hand."""
