"""Writes model.toml, the contract between a network and the line; every field of it is told in ../README.md."""

import dataclasses
import hashlib
import json
import math
from pathlib import Path

from .fold import fold


@dataclasses.dataclass
class Output:
    """One output tensor, float32: name in the ONNX file, what it says, shape (four numbers), model pixels a cell."""

    name: str
    meaning: str
    shape: tuple[int, int, int, int]
    stride: int


@dataclasses.dataclass
class File:
    """One file of weights: name in the folder, `fp32`, `int8` or `u8`, and the share of accuracy that it may lose."""

    name: str
    precision: str
    loss_max: float


@dataclasses.dataclass
class Training:
    """Where the weights come from; scores are left out (None) where nobody measured them."""

    command: str
    seed: int
    data: str
    scores_on: str
    rmse_px: float | None = None
    identity_accuracy: float | None = None


@dataclasses.dataclass
class Contract:
    """All of model.toml. `decoder` starts with its `kind`; `identities` are pairs of name and display colour (#rrggbb)."""

    name: str
    about: str
    keypoints: list[str]
    skeleton: list[tuple[str, str]]
    left_right: list[tuple[str, str]]
    identities: list[tuple[str, str]]
    width: int
    height: int
    decoder: dict
    outputs: list[Output]
    files: list[File]
    training: Training
    input_name: str = "image"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (255.0, 255.0, 255.0)
    padding: int = 0


def value(it) -> str:
    """A TOML value."""
    if isinstance(it, float) and not math.isfinite(it):
        raise ValueError(f"got {it}; allowed: finite numbers")
    if isinstance(it, (list, tuple)):
        return "[" + ", ".join(value(one) for one in it) + "]"
    if isinstance(it, dict):
        return "{ " + ", ".join(f"{key} = {value(one)}" for key, one in it.items()) + " }"
    return json.dumps(it, ensure_ascii=False)


def table(head: str, fields: dict) -> list[str]:
    """A TOML table with an empty line before it; fields that are None are left out."""
    return ["", head] + [f"{key} = {value(it)}" for key, it in fields.items() if it is not None]


def write(folder: Path, contract: Contract) -> None:
    """Writes `folder`/model.toml. The files of weights must be there: sizes in them are worked out beforehand, and their hashes go in."""
    c = contract
    for file in c.files:
        fold(folder / file.name)
    lines = ["# What the line needs to know of this model, written with its weights. No field has a default.", "contract = 1"]
    for key in ("name", "about", "keypoints", "skeleton", "left_right"):
        lines.append(f"{key} = {value(getattr(c, key))}")
    if not c.identities:
        lines.append("identities = []")
    size = {"name": c.input_name, "width": c.width, "height": c.height, "layout": "nchw", "channels": "rgb"}
    lines += table("[input]", size | {"mean": c.mean, "scale": c.scale, "padding": c.padding})
    lines += table("[decoder]", c.decoder)
    lines += table("[training]", dataclasses.asdict(c.training))
    for name, colour in c.identities:
        lines += table("[[identities]]", {"name": name, "colour": colour})
    for output in c.outputs:
        lines += table("[[outputs]]", dataclasses.asdict(output))
    lines += file_lines(folder, c.files)
    (folder / "model.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def file_lines(folder: Path, files: list[File]) -> list[str]:
    """The tables of files, with their hashes."""
    lines = []
    for file in files:
        digest = hashlib.sha256((folder / file.name).read_bytes()).hexdigest()
        fields = {"name": file.name, "precision": file.precision, "sha256": digest, "loss_max": file.loss_max}
        lines += table("[[files]]", fields)
    return lines


def rewrite_files(folder: Path, files: list[File]) -> None:
    """Replaces the tables of files in `folder`/model.toml, which stand last in it."""
    path = folder / "model.toml"
    before, _, _ = path.read_text(encoding="utf-8").partition("\n[[files]]\n")
    path.write_text(before.rstrip("\n") + "\n" + "\n".join(file_lines(folder, files)) + "\n", encoding="utf-8")
