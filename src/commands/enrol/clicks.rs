//! Clicks into a recording: the model finds the animals, a click says who one of them is.

use super::super::run::{contract, start_failure};
use super::super::{Failure, RunnerArgs, configuration, fatal};
use super::Pictures;
use arenad::config;
use arenad::decode::Decode;
use arenad::handover::{Frame, MAX_ANIMALS};
use arenad::infer::{self, Engine};
use arenad::ledger::Ledger;
use arenad::paint::{self, Anatomy, Eye};
use arenad::pose::PoseReader;
use arenad::preprocess::Preprocessor;
use arenad::source::FileSource;
use arenad::space::InCamera;
use arenad::stamp::Clock;
use heapless::Vec as Few;
use std::path::Path;
use std::sync::Arc;

/// Who is where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Click {
    name: String,
    frame: u64,
    at: InCamera,
}

/// Reads `NAME@FRAME:X,Y`.
pub(super) fn parse(text: &str) -> Result<Click, String> {
    let allowed = || "allowed: NAME@FRAME:X,Y, for example white@120:310.5,208".to_owned();
    let (name, rest) = text.split_once('@').ok_or_else(allowed)?;
    let (frame, at) = rest.split_once(':').ok_or_else(allowed)?;
    let (x, y) = at.split_once(',').ok_or_else(allowed)?;
    if let Some(odd) = arenad::model::odd_name(name) {
        return Err(odd);
    }
    let number =
        |text: &str| text.trim().parse::<f32>().ok().filter(|value| (0.0..1e5).contains(value)).ok_or_else(allowed);
    let frame = frame.trim().parse().map_err(|_| allowed())?;
    Ok(Click { name: name.to_owned(), frame, at: InCamera { x: number(x)?, y: number(y)? } })
}

/// From frames to measured animals.
struct Looking {
    preprocessor: Preprocessor,
    input: Vec<f32>,
    engine: Box<dyn Engine>,
    reader: PoseReader,
    anatomy: Anatomy,
}

pub(super) fn read(
    input: &Path,
    clicks: &[Click],
    model: Option<&Path>,
    runner: &RunnerArgs,
) -> Result<Pictures, Failure> {
    let contract = contract(model)?;
    let settings = config::Model { folder: model.map(Path::to_owned), ..runner.meant() };
    let mut looking = Looking {
        preprocessor: Preprocessor::new(&contract),
        input: vec![0.0; contract.input_len()],
        engine: infer::open(&contract, &settings).map_err(|error| start_failure(error.into()))?,
        reader: PoseReader::new(&contract).map_err(|error| start_failure(error.into()))?,
        anatomy: Anatomy::of(&contract.written.keypoints),
    };
    let mut pictures = Pictures { made_of: format!("clicks in {}", input.display()), ..Pictures::default() };
    let last = clicks.iter().map(|click| click.frame).max().unwrap_or(0);
    let mut decode = Decode::new(2, Arc::new(Ledger::default()), Clock::new());
    let (mut shown, mut failure) = (0u64, None);
    let mut take = |frame: Frame| {
        let number = frame.stamp.frame;
        shown = shown.max(number + 1);
        let mine: Vec<_> = clicks.iter().filter(|click| click.frame == number).collect();
        if !mine.is_empty()
            && let Err(what) = looking.measure(&frame, &mine, &mut pictures)
        {
            failure.get_or_insert(what);
        }
    };
    for unit in FileSource::open(input).map_err(configuration)? {
        let unit = unit.map_err(fatal)?;
        let number = unit.stamp.frame;
        decode.decode(&unit, &mut take).map_err(configuration)?;
        // Pictures may come out later than their access units, though not by more than decoders reorder.
        if number > last.saturating_add(32) {
            break;
        }
    }
    decode.flush(&mut take);
    if let Some(what) = failure {
        return Err(configuration(what));
    }
    match clicks.iter().find(|click| click.frame >= shown) {
        Some(click) => Err(configuration(format!(
            "enrol: --click {} is on frame {}; {} has frames 0 to {}",
            click.name,
            click.frame,
            input.display(),
            shown.saturating_sub(1)
        ))),
        None => Ok(pictures),
    }
}

impl Looking {
    /// The tints of the animals that were clicked on in one frame.
    fn measure(&mut self, frame: &Frame, clicks: &[&Click], pictures: &mut Pictures) -> Result<(), String> {
        let letterbox = self.preprocessor.fill(frame, &mut self.input);
        let heads = self.engine.run(&self.input).map_err(|error| error.to_string())?;
        let poses = self.reader.read(heads, &letterbox);
        let trunks: Few<_, MAX_ANIMALS> = poses.iter().map(|pose| self.anatomy.trunk(pose)).collect();
        let eye = Eye::new(frame).ok_or("enrol: the input is grey; allowed: colour")?;
        for click in clicks {
            let place = format!("--click {}@{}:{},{}", click.name, click.frame, click.at.x, click.at.y);
            let found =
                trunks.iter().position(|trunk| trunk.is_some_and(|trunk| trunk.holds(click.at))).ok_or_else(|| {
                    let centres: Vec<_> =
                        poses.iter().map(|pose| format!("{:.0},{:.0}", pose.centre.x, pose.centre.y)).collect();
                    let centres = if centres.is_empty() { "none".to_owned() } else { centres.join(" ") };
                    format!("enrol: {place}: no animal is found there; the model finds animals at: {centres}")
                })?;
            match paint::measure(&eye, &trunks, found) {
                Some((tint, _)) => pictures.add(&click.name, tint),
                None => pictures.left_out.push(format!("{place}: too little of its back is in view")),
            }
        }
        Ok(())
    }
}
