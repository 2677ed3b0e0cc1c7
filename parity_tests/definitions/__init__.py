"""The literal definitions: what each operator is, in plain Python over any kind of number.

No torch and no NumPy in them. With floats a definition gives values, with ``Fraction`` exact ones,
with mpmath any precision, and with :class:`~parity_tests.definitions.dual.Dual` derivatives that
no autograd had a hand in. They arbitrate every disagreement and audit a sample of every run.
"""
