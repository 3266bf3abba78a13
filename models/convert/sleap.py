"""Imports networks of SLEAP-NN: `python -m convert.sleap SOURCE... -o DIR [--name N] [--size WxH] [--animals N]`.

SOURCE is a training folder of sleap-nn (training_config.yaml and best.ckpt); for top-down two of them, centroid and centred
instance in any order. Runs in a Python that has sleap-nn, onnx and onnxruntime.
"""

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np
import torch

from . import contract
from .sleap_graph import Heads, Network, TopDown

MAX_ANIMALS, MAX_KEYPOINTS = 8, 24
COLOURS = ("#e2333d", "#2fb34a", "#3b6fe0", "#f2c530", "#c04fd0", "#27b8c4", "#f08a2c", "#9aa0a6")
OPSET = 17
PATCHES = (3, 5, 7, 9)


class Refused(Exception):
    """A source that cannot be imported: what was got, what is allowed, what to do."""


def load(sources: list[Path], **settings):
    """SLEAP-NN's own predictor for training folders: networks and settings as it would use them itself."""
    from sleap_nn.inference.predictor import Predictor

    for source in sources:
        if source.suffix == ".onnx" or (source / "model.onnx").exists() and not (source / "best.ckpt").exists():
            raise Refused(f"{source}: got an ONNX file, whose graph has read the peaks already; give the training folder")
        if not any((source / f"training_config.{suffix}").exists() for suffix in ("yaml", "json")):
            raise Refused(f"{source}: has no training_config.yaml; give a training folder of sleap-nn")
    return Predictor.from_model_paths([str(source) for source in sources], **settings)


def size_of(layer, wanted: str | None) -> tuple[int, int]:
    """Width and height of the model's input: what was asked for, else what the network was trained at."""
    if wanted:
        width, _, height = wanted.partition("x")
        if not (width.isdigit() and height.isdigit()):
            raise Refused(f"--size: got {wanted!r}; allowed: WIDTHxHEIGHT in pixels, as 640x480")
        return int(width), int(height)
    config = layer.preprocess_config
    if not config.max_width or not config.max_height:
        raise Refused("--size: got none, and the training folder names none; give the size of your camera's picture")
    return int(config.max_width), int(config.max_height)


def network(layer, height: int, width: int) -> Network:
    """The network of one SLEAP-NN layer behind its preprocessing."""
    config = layer.preprocess_config
    return Network(layer.backend.model, height, width, float(config.scale), layer.max_stride, bool(config.ensure_grayscale))


def reading(layer) -> dict:
    """How one layer reads its confidence maps."""
    config = layer.postprocess_config
    patch = config.integral_patch_size if config.effective_refinement else 0
    if patch and patch not in PATCHES:
        raise Refused(f"integral_patch_size: got {patch}; allowed: {PATCHES}")
    scale = float(layer.preprocess_config.scale)
    return {"scale": scale, "score_min": float(config.peak_threshold), "patch": patch}


def plan(layer, names: list[str], size: tuple[int, int], animals: int) -> dict:
    """The graph, the decoder's table, and name, meaning and stride of each output."""
    width, height = size
    kind = type(layer).__name__
    if kind == "SingleInstanceLayer":
        graph = Heads(network(layer, height, width), ["SingleInstanceConfmapsHead"])
        decoder = {"kind": "confidence-maps", **reading(layer)}
        return {"graph": graph, "decoder": decoder, "outputs": [("keypoints", layer.output_stride)], "classes": []}
    if kind == "BottomUpLayer":
        graph = Heads(network(layer, height, width), ["MultiInstanceConfmapsHead", "PartAffinityFieldsHead"])
        outputs = [("keypoints", layer.cms_output_stride), ("affinities", layer.pafs_output_stride)]
        decoder = {"kind": "affinity-fields", **reading(layer), **lines(layer, graph.network, names)}
        return {"graph": graph, "decoder": decoder, "outputs": outputs, "classes": []}
    if kind == "BottomUpMultiClassLayer":
        graph = Heads(network(layer, height, width), ["MultiInstanceConfmapsHead", "ClassMapsHead"])
        outputs = [("keypoints", layer.cms_output_stride), ("identity", layer.class_maps_output_stride)]
        decoder = {"kind": "class-maps", **reading(layer)}
        return {"graph": graph, "decoder": decoder, "outputs": outputs, "classes": layer.class_names}
    if kind in ("TopDownLayer", "TopDownMultiClassLayer"):
        return top_down(layer, height, width, animals)
    raise Refused(f"got a {kind}; allowed: single instance, top-down (both folders), bottom-up, their multi-class forms")


def lines(layer, net: Network, names: list[str]) -> dict:
    """How a bottom-up layer judges and assembles edges. The order is SLEAP-NN's own."""
    scorer, stride = layer.paf_scorer, layer.pafs_output_stride
    least = scorer.min_instance_peaks
    least = int(least * len(names)) if isinstance(least, float) else int(least)
    padded = [size + pad for size, pad in zip(net.shrink.size, net.pad)]
    # SLEAP-NN takes the longest side of the fields' array, which may be the number of its channels.
    longest = max(2 * scorer.n_edges, *(size // stride for size in padded)) * stride
    return {
        "edges": [list(edge) for edge in scorer.edges],
        "order": list(scorer.sorted_edge_inds),
        "points": scorer.n_points,
        "length_max": float(scorer.max_edge_length_ratio * longest),
        "length_loss": float(scorer.dist_penalty_weight),
        "line_score_min": float(scorer.min_line_scores),
        "keypoints_min": least,
    }


def top_down(layer, height: int, width: int, animals: int) -> dict:
    """Both networks of a top-down pair in one graph."""
    first, second = layer.centroid_layer, layer.centered_instance_layer
    crop_height, crop_width = layer.crop_size
    if crop_height != crop_width or layer.bbox_crop is not None or first.use_gt_centroids:
        raise Refused("got cuttings other than squares around centroids; allowed: a centroid and a centred-instance network")
    classes = list(getattr(second, "class_names", None) or [])
    of_first = reading(first)
    settings = {
        "animals": animals,
        "crop": int(crop_height),
        "patch": of_first["patch"],
        "stride": first.output_stride,
        "scale": of_first["scale"],
        "classes": bool(classes),
    }
    graph = TopDown(network(first, height, width), network(second, crop_height, crop_width), settings)
    crop = {"centroid_min": of_first["score_min"], "crop": [int(crop_width), int(crop_height)]}
    outputs = [("keypoints", second.output_stride), ("centroids", first.output_stride)]
    outputs += [("identity", 1)] if classes else []
    decoder = {"kind": "centred-instances", **reading(second), **crop}
    return {"graph": graph, "decoder": decoder, "outputs": outputs, "classes": classes}


def export(graph: torch.nn.Module, names: list[str], size: tuple[int, int], file: Path) -> list[tuple]:
    """Writes the ONNX file, holds ONNX Runtime's answer against torch's, and gives the outputs' shapes."""
    import onnxruntime

    graph.eval()
    picture = torch.rand(1, 3, size[1], size[0], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = graph(picture)
        torch.onnx.export(
            graph, (picture,), str(file), input_names=["image"], output_names=names, opset_version=OPSET, dynamo=False
        )
    got = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(names, {"image": picture.numpy()})
    cuts = "centroids" in names
    for name, one, other in zip(names, got, wanted):
        # Of noise a top-down graph cuts any squares; only the scores of what it found are sure to be the same.
        if cuts and name != "centroids":
            continue
        worst = float(np.abs(one - other.numpy())[..., -1 if cuts else slice(None)].max())
        if not worst <= 1e-2:
            raise Refused(f"{file}: output {name} is {worst:g} off torch's; allowed: 0.01; this backbone cannot be imported")
    return [tuple(int(side) for side in one.shape) for one in got]


def convert(sources: list[Path], folder: Path, name: str | None, size: str | None, animals: int, **settings) -> None:
    """Writes the model folder. `settings` are those of SLEAP-NN's `Predictor.from_model_paths`."""
    predictor = load(sources, **settings)
    layer, skeleton = predictor.layer, predictor.skeleton
    names = list(skeleton.node_names)
    first = getattr(layer, "centroid_layer", layer)
    size = size_of(first, size)
    planned = plan(layer, names, size, animals)
    for what, got, most in (("keypoints", len(names), MAX_KEYPOINTS), ("classes", len(planned["classes"]), MAX_ANIMALS)):
        if got > most:
            raise Refused(f"{sources[0]}: has {got} {what}; allowed: at most {most}")
    folder.mkdir(parents=True, exist_ok=True)
    meanings = [meaning for meaning, _ in planned["outputs"]]
    shapes = export(planned["graph"], meanings, size, folder / "model.onnx")
    outputs = [
        contract.Output(meaning, meaning, shape, int(stride))
        for (meaning, stride), shape in zip(planned["outputs"], shapes)
    ]
    written = contract.Contract(
        name=name or sources[-1].name,
        about=f"Imported from SLEAP-NN: {planned['decoder']['kind']}.",
        keypoints=names,
        skeleton=[(edge.source.name, edge.destination.name) for edge in skeleton.edges],
        left_right=[tuple(sorted(node.name for node in symmetry.nodes)) for symmetry in skeleton.symmetries],
        identities=list(zip(planned["classes"], COLOURS)),
        width=size[0],
        height=size[1],
        decoder=planned["decoder"],
        outputs=outputs,
        files=[contract.File("model.onnx", "fp32", 0.0)],
        training=contract.Training(
            command="python -m convert.sleap " + " ".join(shlex.quote(str(source)) for source in sources),
            seed=0,
            data="what the SLEAP-NN training folder was trained on",
            scores_on="not measured",
        ),
    )
    contract.write(folder, written)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m convert.sleap", description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="training folder; two for top-down")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="the model folder to write")
    parser.add_argument("--name", help="the model's name; the last folder's without it")
    parser.add_argument("--size", metavar="WxH", help="the input in pixels; what it was trained at without it")
    parser.add_argument("--animals", type=int, default=MAX_ANIMALS, help="cuttings of a top-down pair, 1 to 8; each costs time")
    given = parser.parse_args()
    try:
        if not 1 <= given.animals <= MAX_ANIMALS:
            raise Refused(f"--animals: got {given.animals}; allowed: 1 to {MAX_ANIMALS}")
        convert(given.sources, given.output, given.name, given.size, given.animals)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    show = f"cargo run --example poses_json -- {given.output} PICTURE.png"
    print(f"{given.output}: model.onnx and model.toml; show it a picture with `{show}`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
