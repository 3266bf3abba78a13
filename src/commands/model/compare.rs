//! Runs each file of a model on the same pictures and gathers how far they differ and how well they do.

use super::pictures::{Origin, Picture};
use super::report::{Difference, Report, Row, Scores};
use arenad::config::{self, PrecisionChoice};
use arenad::eval::{AveragePrecision, Fit, Oks, TrueAnimal, TruePoint};
use arenad::handover::{Frame, Poses};
use arenad::infer::{self, Engine, Heads};
use arenad::model::{Contract, Precision};
use arenad::pose::PoseReader;
use arenad::preprocess::Preprocessor;
use arenad::space::{InCamera, Letterbox};

/// One file of the model, running.
pub(super) struct Rival {
    precision: Precision,
    name: String,
    loss_max: f32,
    engine: Box<dyn Engine>,
    reader: PoseReader,
    preprocessor: Preprocessor,
    input: Vec<f32>,
}

impl Rival {
    /// Opens the file of this precision.
    pub(super) fn open(contract: &Contract, wanted: &config::Model, precision: Precision) -> Result<Self, String> {
        let choice = match precision {
            Precision::Fp32 => PrecisionChoice::Fp32,
            Precision::Int8 => PrecisionChoice::Int8,
            Precision::U8 => PrecisionChoice::U8,
        };
        let wanted = config::Model { precision: choice, ..wanted.clone() };
        let weights = contract.weights(precision).ok_or_else(|| format!("no file is {precision}"))?;
        Ok(Self {
            precision,
            name: contract.folder.join(&weights.name).display().to_string(),
            loss_max: weights.loss_max,
            engine: infer::open(contract, &wanted).map_err(|error| error.to_string())?,
            reader: PoseReader::new(contract).map_err(|error| error.to_string())?,
            preprocessor: Preprocessor::new(contract),
            input: vec![0.0; contract.input_len()],
        })
    }

    /// The poses in `frame`, camera pixels.
    pub(super) fn poses(&mut self, frame: &Frame) -> Result<Poses, String> {
        let letterbox = self.preprocessor.fill(frame, &mut self.input);
        let heads = self.engine.run(&self.input).map_err(|error| error.to_string())?;
        Ok(self.reader.read(heads, &letterbox))
    }

    /// Heads and the poses read from them, model pixels, and where the picture lies in them.
    fn run(&mut self, frame: &Frame) -> Result<(Heads, Poses, Letterbox), String> {
        let letterbox = self.preprocessor.fill(frame, &mut self.input);
        let heads = self.engine.run(&self.input).map_err(|error| error.to_string())?.clone();
        let same = Letterbox { scale: 1.0, left: 0.0, top: 0.0 };
        let poses = self.reader.read(&heads, &same);
        Ok((heads, poses, letterbox))
    }
}

/// Sums over pictures for each file.
pub(super) struct Compared {
    rivals: Vec<Rival>,
    heads: Vec<String>,
    keypoints: Vec<String>,
    sums: Vec<Sums>,
}

struct Sums {
    differences: Vec<Difference>,
    /// By origin.
    scores: [(AveragePrecision, Fit); 2],
}

impl Compared {
    /// The first of `rivals` is FP32.
    pub(super) fn new(contract: &Contract, rivals: Vec<Rival>) -> Self {
        let written = &contract.written;
        let score = || (AveragePrecision::new(Oks::new(&written.keypoints)), Fit::new(written.identities.len()));
        let sums =
            || Sums { differences: vec![Difference::default(); written.outputs.len()], scores: [score(), score()] };
        Self {
            sums: rivals.iter().map(|_| sums()).collect(),
            heads: written.outputs.iter().map(|output| output.name.clone()).collect(),
            keypoints: written.keypoints.clone(),
            rivals,
        }
    }

    /// Runs every file on one picture.
    pub(super) fn add(&mut self, picture: &Picture) -> Result<(), String> {
        let mut first: Option<Heads> = None;
        for (rival, sums) in self.rivals.iter_mut().zip(&mut self.sums) {
            let (heads, poses, letterbox) = rival.run(&picture.frame)?;
            let fp32 = first.get_or_insert_with(|| heads.clone());
            for ((difference, got), wanted) in sums.differences.iter_mut().zip(&heads.0).zip(&fp32.0) {
                difference.add(&got.values, &wanted.values);
            }
            if let Some(truth) = &picture.truth {
                let truth: Vec<_> = truth.iter().map(|animal| in_model(animal, &letterbox)).collect();
                let (precision, fit) = &mut sums.scores[picture.origin as usize];
                precision.add(&truth, &poses);
                fit.add(&truth, &poses);
            }
        }
        Ok(())
    }

    /// What came out.
    pub(super) fn report(self, golden: &str) -> Report {
        let engine = self.rivals.first().map_or("none", |rival| rival.engine.name());
        let keypoints = self.keypoints.len();
        let rows = self.rivals.iter().zip(&self.sums).map(|(rival, sums)| Row {
            precision: rival.precision,
            file: rival.name.clone(),
            loss_max: f64::from(rival.loss_max),
            differences: sums.differences.clone(),
            scores: Origin::ALL.map(|origin| {
                let (precision, fit) = &sums.scores[origin as usize];
                Scores {
                    oks_map: precision.mean(),
                    identity_accuracy: fit.identity_accuracy(),
                    rmse_px: fit.rmse_px(),
                    found_rmse_px: fit.found_rmse_px(),
                    keypoint_rmse_px: (0..keypoints).map(|k| fit.keypoint_rmse_px(k)).collect(),
                    keypoint_recall: fit.keypoint_recall(),
                    animal_recall: fit.animal_recall(),
                }
            }),
        });
        Report { engine, golden: golden.to_owned(), rows: rows.collect(), heads: self.heads, keypoints: self.keypoints }
    }
}

/// The same animal in the model's pixels: what model.toml's own figures are in.
fn in_model(animal: &TrueAnimal, letterbox: &Letterbox) -> TrueAnimal {
    let map = |at: InCamera| {
        let at = letterbox.model_from_camera(at);
        InCamera { x: at.x, y: at.y }
    };
    let point = |point: &TruePoint| match *point {
        TruePoint::Unknown => TruePoint::Unknown,
        TruePoint::Covered(at) => TruePoint::Covered(map(at)),
        TruePoint::Seen(at) => TruePoint::Seen(map(at)),
    };
    TrueAnimal { identity: animal.identity, points: animal.points.iter().map(point).collect() }
}
