"""``python -m parity_tests.gallery [-o folder]`` leaves gallery.html there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from parity_tests.gallery.images import images
from parity_tests.gallery.page import render, sections


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m parity_tests.gallery", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("reports"), metavar="folder")
    folder: Path = parser.parse_args().output
    torch.set_num_threads(1)
    shown, made = images(), []
    for section in sections(shown):
        sys.stdout.write(f"{section.title}: {len(section.figures)} figures\n")
        sys.stdout.flush()
        made.append(section)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gallery.html"
    path.write_text(render(made, shown.source), encoding="utf-8")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
