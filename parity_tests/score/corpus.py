"""The corpus and its hash: what was planted is written down before it is first run.

``python -m parity_tests.score.corpus`` prints the hash of the sources as they are. The file
``corpus.sha256`` beside them keeps every hash that was ever recorded, with the reason for it.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from parity_tests import planted


def corpus_hash(folder: Path) -> str:
    """The SHA-256 of all sources of the corpus, names included, in the order of their paths."""
    sha = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        text = file.read_bytes()
        sha.update(f"{file.relative_to(folder).as_posix()} {len(text)}\n".encode())
        sha.update(text)
    return sha.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(f"{corpus_hash(Path(planted.__file__).parent)}\n")
