"""What can be said about convolutions and pools without running them.

    sizes               output sizes, and the input sizes behind them
    receptive_field     what part of the input an output sees, by recurrence and measured
    costs               parameters and multiplications
    convolution_matrix  a convolution written out as a sparse matrix
    separability        kernels that are products of one-dimensional ones
    overlap             how many taps reach each output of a transposed convolution

Letters as in :mod:`reimpl.windows`: L entries and M positions of an axis, K taps, stride s,
padding p, dilation d. Axes are independent, so where a function takes single integers it is about
one axis.
"""
