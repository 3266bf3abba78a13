"""Who is who over rendered hours: renders films of seeds that no training saw, replays them and pools what `arenad eval` says.

python3 docs/bench/identity.py OUT [--arenad PROGRAM] [--films N] [--minutes M] [--first-seed S] [--tracks CSV] [-- REPLAY OPTIONS]

Only Python's own library is needed. A film, its replay and its judgement stay in OUT/<name>, and what is there is not made again.
`--tracks` adds one film whose mice follow recorded trajectories: rendered pixels, real motion.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

PARTS = ("contacts", "huddles", "chases", "shelter_exits", "rest")
KINDS = ("live", "settled")


def films(args: argparse.Namespace) -> dict[str, list[str]]:
    """Each film's name and what `arenad rehearse` is told for it."""
    made = {}
    for seed in range(args.first_seed, args.first_seed + args.films):
        made[f"seed{seed}"] = ["--seed", str(seed), "--minutes", str(args.minutes)]
    if args.tracks:
        made["real-motion"] = ["--seed", str(args.first_seed + 10), "--minutes", "1000", "--tracks", args.tracks]
    return made


def judged(args: argparse.Namespace, name: str, options: list[str]) -> dict:
    """The figures of one film."""
    folder = Path(args.out) / name
    folder.mkdir(parents=True, exist_ok=True)
    steps = [
        (folder / "truth.csv", ["rehearse", *options, "-o", str(folder)]),
        (folder / "found" / "poses.csv", ["replay", str(folder / "video.mp4"), "-o", str(folder / "found"), "--raw-poses", *args.replay]),
    ]
    for result, command in steps:
        done = folder / f"{command[0]}.done"
        if not (done.exists() and result.exists()):
            with open(folder / f"{command[0]}.log", "w") as log:
                subprocess.run([args.arenad, *command], check=True, stdout=log, stderr=log)
            done.touch()
    command = [args.arenad, "eval", "--truth", str(folder / "truth.csv"), "--poses", str(folder / "found"), "--json"]
    figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    (folder / "figures.json").write_text(json.dumps(figures, indent=1))
    return figures


def share(part: float, whole: float) -> str:
    """Percent, or a dash where nothing was asked."""
    return f"{100 * part / whole:.3f} %" if whole else "-"


def counted(figures: list[dict]) -> dict[str, int]:
    """Sums of `animal_frames` and of swaps."""
    sums = {key: sum(one["animal_frames"][key] for one in figures) for key in ("visible", "right", "wrong", "withheld", "not_found")}
    sums["swaps"] = sum(one["lasting_swaps"] for one in figures)
    return sums


def calibration(figures: list[dict]) -> float:
    """The calibration error of all names together."""
    bins: dict[float, list[float]] = {}
    for one in figures:
        for place in one["calibration"]["bins"]:
            if place["names"]:
                sums = bins.setdefault(place["from"], [0.0, 0.0, 0.0])
                sums[0] += place["names"]
                sums[1] += place["names"] * place["right"]
                sums[2] += place["names"] * place["mean_p"]
    names = sum(place[0] for place in bins.values())
    return sum(abs(place[1] - place[2]) for place in bins.values()) / max(names, 1)


def table(title: str, films: list[dict]) -> list[str]:
    """One set of films in Markdown."""
    hours = sum(film["hours"] for film in films)
    kinds = [[next(kind for kind in film["kinds"] if kind["kind"] == word) for film in films] for word in KINDS]
    sums = [counted(kind) for kind in kinds]
    lines = [f"### {title}: {hours:.2f} h, {sums[0]['visible']} animal-frames in view", "", "| | live | settled |", "|---|---|---|"]

    def row(name: str, cells: list[str]) -> None:
        lines.append(f"| {name} | {' | '.join(cells)} |")

    row("identity accuracy, of those named", [share(s["right"], s["right"] + s["wrong"]) for s in sums])
    row("coverage (named, of those in view)", [share(s["right"] + s["wrong"], s["visible"]) for s in sums])
    row("named right, of those in view", [share(s["right"], s["visible"]) for s in sums])
    row("wrong / withheld / no pose", [f"{s['wrong']} / {s['withheld']} / {s['not_found']}" for s in sums])
    row("lasting swaps an hour", [f"{s['swaps'] / hours:.2f}" for s in sums])
    row("longest mistake, s", [f"{max(one['longest_mistake_s'] for one in kind):.2f}" for kind in kinds])
    row("calibration error", [f"{calibration(kind):.4f}" for kind in kinds])
    exits = [[sum(one["exits"][key] for one in kind) for key in ("right_within", "exits", "wrong_at_end")] for kind in kinds]
    row("right within 0.5 s of leaving a shelter", [f"{share(e[0], e[1])} of {e[1]} ({e[2]} wrong)" for e in exits])
    for key in ("idf1", "hota", "mota"):
        row(f"{key.upper()} (mean of films)", [f"{100 * sum(one['tracking'][key] for one in kind) / len(kind):.2f} %" for kind in kinds])
    for part in PARTS:
        sums = [counted([one["parts"][part] for one in kind]) for kind in kinds]
        cells = [f"{share(s['right'], s['right'] + s['wrong'])}, coverage {share(s['right'] + s['wrong'], s['visible'])}" for s in sums]
        row(f"{part.replace('_', ' ')} ({sums[0]['visible']})", cells)
    jumps = {key: sum(film["jumps"][key] for film in films) for key in films[0]["jumps"] if key.endswith(("keypoints", "episodes"))}
    given = sum(film["keypoints"]["given"] for film in films)
    squares = sum(film["keypoints"]["given"] * film["keypoints"]["rmse_px"] ** 2 for film in films)
    lines += ["", f"Keypoints: RMSE {(squares / max(given, 1)) ** 0.5:.2f} px over {given} given a place in view; under another's name"
              f" {jumps['keypoints']} in {jumps['episodes']} episodes, {jumps['episodes'] / hours:.1f} an hour; lying on another in poses"
              f" without a name {jumps['nameless_keypoints']} in {jumps['nameless_episodes']}; under their own name in a pose that as a"
              f" whole fits another {jumps['own_name_keypoints']}.", ""]  # fmt: skip
    return lines


def main() -> None:
    """Renders, replays, judges, tells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--arenad", default="target/release/arenad")
    parser.add_argument("--films", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--first-seed", type=int, default=9601)
    parser.add_argument("--tracks", help="a CSV with the columns that `arenad rehearse --tracks` takes")
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    args = parser.parse_args(words[:split])
    args.replay = words[split + 1 :]
    figures = {name: judged(args, name, options) for name, options in films(args).items()}
    rendered = [film for name, film in figures.items() if name != "real-motion"]
    if rendered:
        print("\n".join(table("Rendered", rendered)))
    if "real-motion" in figures:
        print("\n".join(table("Rendered pixels, real motion", [figures["real-motion"]])))


if __name__ == "__main__":
    main()
