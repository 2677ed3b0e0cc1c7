"""Faults by someone who has not read the strategies."""
