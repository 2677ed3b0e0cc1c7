"""A subject's own file of known departures: what is wrong in it is said before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity_tests import known_file
from parity_tests.run import BadOption, known_departures

PINNED = (
    '{"op": "relu", "check": "forward", "dtype": "float32", "device": "cpu", "call": {"is": '
    '"call", "arguments": {"input": {"is": "recipe", "shape": [2]}, "inplace": false}}}'
)
GOOD = {
    "op": '"relu"',
    "check": '"forward|gradients"',
    "dtypes": '["float32"]',
    "when": '"len(input.shape) == 1"',
    "reason": '"it is so"',
    "pinned": f"'''{PINNED}'''",
}


def written(folder: Path, **changes: str) -> Path:
    file = folder / "known.toml"
    lines = [f"{key} = {value}" for key, value in {**GOOD, **changes}.items()]
    file.write_text("\n".join(["[[known]]", *lines]) + "\n")
    return file


def test_a_right_file_is_read(tmp_path: Path) -> None:
    (entry,) = known_file.of_subject(written(tmp_path, strict="false", within="1"), "mine")
    assert entry.subject == "mine"
    assert not entry.strict


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("op", '"rely"', "no op is named 'rely'"),
        ("op", '"relu|conv9*"', "no op is named 'conv9*'"),
        ("check", '"forwards"', "no check is named 'forwards'"),
        ("dtypes", '["float33"]', "unknown dtype 'float33'"),
        ("dtypes", '"float32"', "unknown dtype 'f'"),
        ("dtypes", "3", "entry 1"),
        ("device", '"gpu"', "no device is named 'gpu'"),
        ("versions", '"newer"', "versions: "),
        ("within", '"much"', "within must be a float"),
        ("strict", '"no"', "strict must be a bool"),
        ("reason", "3", "reason must be a str"),
        ("when", "3", "entry 1"),
        ("when", '"len(input.shape) == 2"', "lies outside of what the entry excuses"),
        ("when", '"len(inputs.shape) == 1"', "unknown name 'inputs'"),
        ("op", '"gelu|conv1d"', "no op is named 'gelu'"),
        ("op", '"conv1d"', "lies outside of what the entry excuses"),
        ("pinned", '"{"', "its pinned case cannot be read"),
        ("pinned", '"[]"', "its pinned case must have op"),
        ("pinned", '\'{"op": "relu"}\'', "its pinned case must have op"),
        ("colour", '"red"', "unexpected keyword argument 'colour'"),
    ],
)
def test_a_wrong_entry_is_one_line(tmp_path: Path, key: str, value: str, complaint: str) -> None:
    with pytest.raises(BadOption) as caught:
        known_departures(str(written(tmp_path, **{key: value})), "mine")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["known = 3", "known = [3]", "[known]\nop = 3", "= ="])
def test_a_file_of_another_form_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "known.toml"
    file.write_text(text)
    with pytest.raises(BadOption, match=r"known\.toml"):
        known_departures(str(file), "mine")
