"""Learnt weights to start from: a checkpoint, or the ONNX of a model folder that `export.py` wrote."""

import json
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from .net import Net

HEADS = ("keypoint_head", "body_head")


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """Weights by their place in `Net`, and what is known of them: `keypoints`, `identities` and, of a checkpoint, all its notes."""
    if path.is_dir():
        return read_folder(path)
    content = torch.load(path, weights_only=True)
    return content["net"], json.loads(content["info"])


def read_folder(folder: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """A model folder's FP32 weights. `export.py` names each after its place, batch norm folded in."""
    import tomllib

    contract = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    model = onnx.load(folder / "model.onnx")
    weights = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in model.graph.initializer}
    weights = {name.removeprefix("net."): weight for name, weight in weights.items()}
    info = {"keypoints": contract["keypoints"], "identities": [one["name"] for one in contract["identities"]]}
    return weights, info


def fill(net: Net, weights: dict[str, torch.Tensor], same_heads: bool) -> list[str]:
    """Copies what fits into `net` and returns the names of what stays as it was.

    A layer that grew keeps what the old one knew: old channels keep their weights and do not listen to new ones. Blocks that are new begin by
    changing nothing. Heads of other keypoints (`same_heads` false) stay fresh.
    """
    state, fresh = net.state_dict(), []
    for name, mine in state.items():
        old = weights.get(name)
        if old is None or (not same_heads and name.startswith(HEADS)):
            fresh.append(name)
            # The second half of a new block adds nothing yet.
            if name.endswith(("second.0.weight", "second.0.bias")):
                mine.zero_()
            continue
        common = tuple(slice(0, min(a, b)) for a, b in zip(mine.shape, old.shape))
        if old.shape != mine.shape and mine.ndim > 1:
            mine[common[0]] = 0
        mine[common] = old[common]
    net.load_state_dict(state)
    return fresh


def named_by_place(model: onnx.ModelProto, net: Net) -> None:
    """Names the weights of an exported graph after their place in `net`: `net.stem.0.weight` and so on.

    The exporter names folded ones by number. Each convolution's node carries its module's path.
    """
    places = [name for name, module in net.named_modules() if isinstance(module, torch.nn.Conv2d)]
    renamed = {}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        place = dotted(node.name)
        assert place in places, node.name
        for old, what in zip(node.input[1:], ("weight", "bias")):
            renamed[old] = f"net.{place}.{what}"
    for one in model.graph.initializer:
        one.name = renamed.get(one.name, one.name)
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]


def dotted(name: str) -> str:
    """`/net/down8/down8.1/first/first.0/Conv` as `down8.1.first.0`: a part that begins with its parent's goes on from it."""
    place, parent = "", ""
    for part in name.strip("/").split("/")[1:-1]:
        own = part.removeprefix(parent + ".") if parent else part
        place, parent = f"{place}.{own}" if place else own, part
    return place
