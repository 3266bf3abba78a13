"""`python -m train.export`: a checkpoint becomes a model folder: model.onnx, model.toml and, on request, a golden answer."""

import argparse
import json
from pathlib import Path

import cv2
import onnx
import torch

from convert.contract import Contract, File, Output, Training, write

from . import labels as dlc
from . import start
from .decode import Decoder, decode
from .fit import mirrored
from .net import BODY_STRIDE, KEYPOINT_STRIDE, Deployed, Net
from .score import heads_of, score

HEADS = ("keypoints", "centre", "offsets", "parents", "identity")


def load(checkpoint: Path) -> tuple[Deployed, dict]:
    """The network of a checkpoint, ready to run, and what was noted about it."""
    weights, info = start.read(checkpoint)
    net = Net(len(info["keypoints"]), len(info["identities"]), tuple(info["widths"]), info["norm"])
    net.load_state_dict(weights)
    return Deployed(net).eval(), info


def write_onnx(deployed: Deployed, path: Path, width: int, height: int) -> None:
    """Writes the network with batch norm folded away, without nodes that only copy, weights named after their place in `Net`."""
    names = HEADS if deployed.net.identities else HEADS[:4]
    torch.onnx.export(
        deployed, (torch.zeros(1, 3, height, width),), str(path),
        input_names=["image"], output_names=list(names), opset_version=17, dynamo=False,
    )  # fmt: skip
    model = onnx.load(path)
    copies = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Identity"}
    kept = [node for node in model.graph.node if node.op_type != "Identity"]
    for node in kept:
        node.input[:] = [copies.get(name, name) for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    start.named_by_place(model, deployed.net)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def contract(args, info: dict, scores: dict, settings: Decoder, files: list[File]) -> Contract:
    """The contract of a network of `net.py`."""
    keypoints, identities = info["keypoints"], info["identities"]
    rows, cols = args.height, args.width
    colours = dict(pair.split("=") for pair in args.colours.split(",") if pair)
    ways = 2 * len(keypoints)
    channels = {"keypoints": len(keypoints), "centre": 1, "offsets": ways, "parents": ways, "identity": len(identities)}
    outputs = []
    for head in HEADS[: 5 if identities else 4]:
        stride = KEYPOINT_STRIDE if head == "keypoints" else BODY_STRIDE
        outputs.append(Output(head, head, (1, channels[head], rows // stride, cols // stride), stride))
    accuracy = round(scores["identity_accuracy"], 4) if "identity_accuracy" in scores else None
    return Contract(
        name=args.name,
        about=args.about,
        keypoints=keypoints,
        skeleton=[tuple(bone.split("-")) for bone in args.skeleton.split(",") if bone],
        left_right=[(keypoints[a], keypoints[b]) for a, b in mirrored(keypoints)],
        identities=[(name, colours.get(name, "#c0c0c0")) for name in identities],
        width=cols,
        height=rows,
        decoder={"kind": "centre-offsets", **settings.written(keypoints)},
        outputs=outputs,
        files=files,
        training=Training(
            info["command"], info["seed"], args.data, args.scores_on, round(scores["rmse_px"], 3), accuracy
        ),
    )


def write_golden(folder: Path, deployed: Deployed, picture: Path, settings: Decoder) -> None:
    """Writes the picture and the poses that the reference decoder reads from it."""
    folder.mkdir(exist_ok=True)
    image = cv2.imread(str(picture), cv2.IMREAD_COLOR)
    cv2.imwrite(str(folder / "still.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    poses = [
        {
            "score": round(pose.score, 5),
            "centre": [round(float(v), 4) for v in pose.centre],
            "identity": [round(float(v), 5) for v in pose.identity],
            "keypoints": [[round(float(v), 4) for v in point] for point in pose.keypoints],
        }
        for pose in decode(*heads_of(deployed, image), settings)
    ]
    text = ",\n".join(json.dumps(pose) for pose in poses)
    (folder / "poses.json").write_text(f"[\n{text}\n]\n")


def main() -> None:
    """Exports."""
    parser = argparse.ArgumentParser(prog="python -m train.export", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="the model's folder")
    parser.add_argument("--val", type=Path, required=True, metavar="DIR", help="DeepLabCut folder to score on")
    parser.add_argument("--scores-on", required=True, help="what that folder is, in words")
    parser.add_argument("--data", required=True, help="what it was trained on, in words")
    parser.add_argument("--command", help="the training command as others shall run it (default: as it was run)")
    parser.add_argument("--name", required=True)
    parser.add_argument("--about", required=True, help="one sentence for people")
    parser.add_argument("--skeleton", default="", help="lines to draw: nose-L_ear,nose-R_ear,…")
    parser.add_argument("--colours", default="", help="how identities are drawn: R=#e2333d,…")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--golden", type=Path, metavar="PICTURE", help="keep this picture and its poses in golden/")
    args = parser.parse_args()
    deployed, info = load(args.checkpoint)
    info["command"] = args.command or info["command"]
    settings = Decoder(parents=tuple(info["parents"]))
    val = dlc.read([args.val], info["keypoints"], info["identities"])
    scores = score(lambda image: heads_of(deployed, image), val, settings).summary()
    print(json.dumps(scores))
    args.out.mkdir(parents=True, exist_ok=True)
    if args.golden:
        write_golden(args.out / "golden", deployed, args.golden, settings)
    write_onnx(deployed, args.out / "model.onnx", args.width, args.height)
    write(args.out, contract(args, info, scores, settings, [File("model.onnx", "fp32", 0.0)]))


if __name__ == "__main__":
    main()
