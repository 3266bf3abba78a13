//! The figures of an evaluation as a table for people.

use arenad::eval::{Figures, KindFigures, Oddities, Part};

type Cell = fn(&KindFigures) -> String;
type PartOf = fn(&KindFigures) -> &Part;

/// Names and tracking, one column a kind.
const ROWS: &[(&str, Cell)] = &[
    ("identity accuracy", |kind| percent(kind.all.identity_accuracy)),
    ("coverage", |kind| percent(kind.all.coverage)),
    ("strict share", |kind| percent(kind.all.strict_share)),
    ("animal-frames in view", |kind| kind.all.animal_frames.visible.to_string()),
    ("  wrong", |kind| kind.all.animal_frames.wrong.to_string()),
    ("  withheld", |kind| kind.all.animal_frames.withheld.to_string()),
    ("  not found", |kind| kind.all.animal_frames.not_found.to_string()),
    ("mistakes", |kind| kind.all.mistakes.to_string()),
    ("  longest, s", |kind| format!("{:.2}", kind.longest_mistake_s)),
    ("lasting swaps (animals)", |kind| kind.all.lasting_swaps.to_string()),
    ("  per hour", |kind| number(kind.lasting_swaps_per_hour)),
    ("  incidents", |kind| kind.lasting_incidents.to_string()),
    ("drifts", |kind| kind.drifts.to_string()),
    ("  lasting", |kind| kind.lasting_drifts.to_string()),
    ("calibration error", |kind| kind.calibration.ece.map_or("-".to_owned(), |ece| format!("{ece:.4}"))),
    ("shelter exits", |kind| kind.exits.exits.to_string()),
    ("  right within 0.5 s", |kind| percent(kind.exits.right_share)),
    ("  wrong at 0.5 s", |kind| kind.exits.wrong_at_end.to_string()),
    ("IDF1", |kind| percent(kind.tracking.idf1)),
    ("  IDP", |kind| percent(kind.tracking.idp)),
    ("  IDR", |kind| percent(kind.tracking.idr)),
    ("HOTA", |kind| percent(Some(kind.tracking.hota))),
    ("  DetA", |kind| percent(Some(kind.tracking.det_a))),
    ("  AssA", |kind| percent(Some(kind.tracking.ass_a))),
    ("MOTA", |kind| percent(kind.tracking.clear.mota)),
    ("  false positives", |kind| kind.tracking.clear.false_positives.to_string()),
    ("  misses", |kind| kind.tracking.clear.misses.to_string()),
    ("  switches", |kind| kind.tracking.clear.switches.to_string()),
];

/// Parts of the animal-frames.
const PARTS: &[(&str, PartOf)] = &[
    ("contacts", |kind| &kind.parts.contacts),
    ("huddles", |kind| &kind.parts.huddles),
    ("chases", |kind| &kind.parts.chases),
    ("shelter exits", |kind| &kind.parts.shelter_exits),
    ("rest", |kind| &kind.parts.rest),
];

/// All figures that a person looks for first; the JSON has the rest.
pub(super) fn table(figures: &Figures) -> String {
    let mut text = format!(
        "{} frames at {:.2} frames/s ({:.3} h), body length {:.1} px\n\n",
        figures.frames, figures.fps, figures.hours, figures.body_length_px
    );
    text.push_str(&line("names", figures.kinds.iter().map(|kind| kind.kind.to_owned())));
    for (name, cell) in ROWS {
        text.push_str(&line(name, figures.kinds.iter().map(cell)));
    }
    text.push_str(&parts(figures));
    text.push_str(&keypoints(figures));
    text.push_str(&oddities(&figures.oddities));
    text
}

fn parts(figures: &Figures) -> String {
    let mut text = String::new();
    for kind in &figures.kinds {
        let heads = ["in view", "accuracy", "coverage", "mistakes", "lasting"].map(str::to_owned);
        text.push('\n');
        text.push_str(&line(&format!("{} names in", kind.kind), heads.into_iter()));
        for (name, part) in PARTS {
            let part = part(kind);
            let cells = [
                part.animal_frames.visible.to_string(),
                percent(part.identity_accuracy),
                percent(part.coverage),
                part.mistakes.to_string(),
                part.lasting_swaps.to_string(),
            ];
            text.push_str(&line(name, cells.into_iter()));
        }
    }
    text
}

fn keypoints(figures: &Figures) -> String {
    let (points, jumps) = (&figures.keypoints, &figures.jumps);
    let mut text = String::from("\n");
    let shares = |shares: [Option<f64>; 3]| shares.map(percent).join(" / ");
    for (name, value) in [
        ("animals found", percent(figures.animal_recall)),
        ("keypoint RMSE, all given", format!("{} px", number(points.rmse_px))),
        ("keypoint RMSE, within 15 px", format!("{} px", number(points.rmse_within_15_px))),
        ("keypoints found in 15 px", percent(points.recall_15_px)),
        ("PCK 0.05/0.1/0.2, in view", shares(points.pck)),
        ("PCK 0.05/0.1/0.2, given", shares(points.pck_of_given)),
        ("OKS mAP", points.oks_map.map_or("-".to_owned(), |map| format!("{map:.4}"))),
        (
            "keypoint jumps",
            format!(
                "{} in {} episodes, {} per hour; under no name {} in {}",
                jumps.keypoints,
                jumps.episodes,
                number(jumps.episodes_per_hour),
                jumps.nameless_keypoints,
                jumps.nameless_episodes
            ),
        ),
    ] {
        text.push_str(&format!("{name:<28} {value}\n"));
    }
    if points.predicted > 0 {
        text.push_str(&format!(
            "{:<28} {} in view, RMSE {} px, {} jumps\n",
            "predicted keypoints",
            points.predicted,
            number(points.predicted_rmse_px),
            jumps.predicted_keypoints
        ));
    }
    text
}

fn oddities(odd: &Oddities) -> String {
    let mut text = String::new();
    for (count, what) in [
        (odd.frames_without_poses, "frames of the truth lie outside the poses: not judged"),
        (odd.frames_without_truth, "frames of the poses have no truth: not judged"),
        (odd.gap_frames, "frames are told as missing: their animals count as not found"),
        (odd.empty_poses, "poses have no keypoint: left out"),
        (odd.doubled_names, "poses have a name that stands twice in their frame"),
    ] {
        if count > 0 {
            text.push_str(&format!("{count} {what}\n"));
        }
    }
    for (names, what) in [
        (&odd.unknown_names, "names that the truth does not have, counted as wrong"),
        (&odd.unknown_keypoints, "body parts that the truth does not have, left out"),
    ] {
        if !names.is_empty() {
            text.push_str(&format!("{what}: {}\n", names.join(", ")));
        }
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn line(name: &str, cells: impl Iterator<Item = String>) -> String {
    let cells: String = cells.map(|cell| format!("{cell:>14}")).collect();
    format!("{name:<28}{cells}\n")
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.3} %", 100.0 * share))
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.2}"))
}
