"""Property tests that compare an implementation with torch.nn."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity_tests.direct import check_op, parametrize_with_checks
    from parity_tests.subjects.adapter import Abilities, Adapter

__all__ = ["Abilities", "Adapter", "check_op", "parametrize_with_checks"]


def __getattr__(name: str) -> Any:
    """Import when asked: every pytest run loads the plugin, and torch takes a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from parity_tests import direct
    from parity_tests.subjects import adapter

    return getattr(direct, name, None) or getattr(adapter, name)
