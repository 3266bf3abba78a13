//! Scenes and gaps to rows: one row per frame and animal, one per gap, held until they are on the disk.

use super::missing::Missing;
use super::{FileInfo, FilesError, schema};
use crate::handover::{Animal, Gap, Identity, LiveName, Settled, Zone};
use crate::space::InCamera;
use crate::stamp::{CaptureClock, Stamp, WallTime};
use arrow_array::builder::{
    BooleanBuilder, Float32Builder, StringBuilder, TimestampMicrosecondBuilder, UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// Rows that are not on the disk yet, and what they stand for.
pub(super) struct Rows {
    info: Arc<FileInfo>,
    columns: Columns,
    rows: usize,
    /// Frame number and capture time of each scene inside.
    scenes: Vec<(u64, WallTime)>,
    gaps: Vec<Gap>,
}

#[derive(Default)]
struct Columns {
    frame: UInt64Builder,
    captured: TimestampMicrosecondBuilder,
    captured_error_ms: Float32Builder,
    capture_clock: StringBuilder,
    state: StringBuilder,
    identity: StringBuilder,
    p: Float32Builder,
    live_identity: StringBuilder,
    live_p: Float32Builder,
    track: UInt32Builder,
    zone: StringBuilder,
    centre: [Float32Builder; 2],
    /// x, y and score of each keypoint.
    keypoints: Vec<[Float32Builder; 3]>,
    /// Whether each keypoint was seen; null where it is missing.
    seen: Vec<BooleanBuilder>,
    gap_frames: UInt64Builder,
    gap_reason: StringBuilder,
}

impl Rows {
    pub(super) fn new(info: Arc<FileInfo>) -> Self {
        let columns = Columns::new(info.keypoints.len());
        Self { info, columns, rows: 0, scenes: Vec::new(), gaps: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// The scenes inside: frame number and capture time.
    pub(super) fn scenes(&self) -> &[(u64, WallTime)] {
        &self.scenes
    }

    /// One row for each animal; one without an animal where the scene has none, so that the frame is not missing.
    pub(super) fn push_scene(&mut self, settled: &Settled) {
        let Settled { scene, live, .. } = settled;
        for (index, animal) in scene.animals.iter().enumerate() {
            self.columns.push_when(&scene.stamp);
            self.columns.push_animal(&self.info, animal, live.get(index).copied().unwrap_or_default());
        }
        if scene.animals.is_empty() {
            self.columns.push_when(&scene.stamp);
            self.columns.push_nobody(schema::NOBODY);
        }
        self.rows += scene.animals.len().max(1);
        self.scenes.push((scene.stamp.frame, scene.stamp.captured));
    }

    /// One row that stands for all frames of the gap.
    pub(super) fn push_gap(&mut self, gap: Gap) {
        self.columns.push_gap(gap);
        self.rows += 1;
        self.gaps.push(gap);
    }

    /// All rows. They stay inside until `clear`.
    pub(super) fn batch(&self, schema: &SchemaRef) -> Result<RecordBatch, FilesError> {
        RecordBatch::try_new(Arc::clone(schema), self.columns.arrays())
            .map_err(|error| FilesError::Rows(error.to_string()))
    }

    /// Forgets the rows, which are on the disk.
    pub(super) fn clear(&mut self) {
        self.columns = Columns::new(self.info.keypoints.len());
        self.rows = 0;
        self.scenes.clear();
        self.gaps.clear();
    }

    /// Gives the rows up: what they stand for goes to `missing`. Gives the number of scenes lost.
    pub(super) fn give_up(&mut self, missing: &mut Missing) -> u64 {
        missing.extend(&self.gaps);
        self.scenes.iter().for_each(|(frame, _)| missing.note_unwritten(*frame));
        let lost = self.scenes.len() as u64;
        self.clear();
        lost
    }
}

impl Columns {
    fn new(keypoints: usize) -> Self {
        let seen = (0..keypoints).map(|_| BooleanBuilder::default()).collect();
        let keypoints = (0..keypoints).map(|_| Default::default()).collect();
        Self { keypoints, seen, ..Self::default() }
    }

    fn push_when(&mut self, stamp: &Stamp) {
        self.frame.append_value(stamp.frame);
        self.captured.append_value(stamp.captured.0.div_euclid(1000));
        self.captured_error_ms.append_value((stamp.captured_error_ns as f64 / 1e6) as f32);
        self.capture_clock.append_value(clock_word(stamp.capture_clock));
        self.gap_frames.append_null();
        self.gap_reason.append_null();
    }

    fn push_animal(&mut self, info: &FileInfo, animal: &Animal, live: LiveName) {
        let name = |of: Option<Identity>| of.and_then(|Identity(index)| info.identities.get(usize::from(index)));
        let never_seen = animal.centre.is_none();
        self.state.append_value(animal.state.word());
        self.identity.append_option(name(animal.identity));
        self.p.append_option(Some(animal.p).filter(|p| p.is_finite() && !never_seen));
        self.live_identity.append_option(name(live.identity));
        self.live_p.append_option(live.p.filter(|p| p.is_finite() && !never_seen));
        self.track.append_option(animal.track.map(|track| track.0));
        let zone = animal.zone.and_then(|Zone(index)| info.zones.get(usize::from(index)));
        self.zone.append_option(zone.map(|zone| zone.name.as_str()));
        append_point(&mut self.centre, animal.centre);
        for (index, (column, seen)) in self.keypoints.iter_mut().zip(&mut self.seen).enumerate() {
            let keypoint = animal.keypoints.get(index).copied().flatten();
            let keypoint = keypoint.filter(|keypoint| keypoint.at.is_finite() && keypoint.score.is_finite());
            let [x, y, score] = column;
            x.append_option(keypoint.map(|keypoint| keypoint.at.x));
            y.append_option(keypoint.map(|keypoint| keypoint.at.y));
            score.append_option(keypoint.map(|keypoint| keypoint.score));
            seen.append_option(keypoint.map(|_| !animal.predicted.contains(index)));
        }
    }

    /// The animal's columns of a row without one.
    fn push_nobody(&mut self, state: &str) {
        self.state.append_value(state);
        self.identity.append_null();
        self.p.append_null();
        self.live_identity.append_null();
        self.live_p.append_null();
        self.track.append_null();
        self.zone.append_null();
        append_point(&mut self.centre, None);
        self.keypoints.iter_mut().flatten().for_each(Float32Builder::append_null);
        self.seen.iter_mut().for_each(BooleanBuilder::append_null);
    }

    fn push_gap(&mut self, gap: Gap) {
        self.frame.append_value(gap.first);
        self.captured.append_null();
        self.captured_error_ms.append_null();
        self.capture_clock.append_null();
        self.push_nobody(schema::GAP);
        self.gap_frames.append_value(gap.frames());
        self.gap_reason.append_value(gap.reason.word());
    }

    /// In the order of the schema.
    fn arrays(&self) -> Vec<ArrayRef> {
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(self.frame.finish_cloned()),
            Arc::new(self.captured.finish_cloned().with_timezone("UTC")),
            Arc::new(self.captured_error_ms.finish_cloned()),
            Arc::new(self.capture_clock.finish_cloned()),
            Arc::new(self.state.finish_cloned()),
            Arc::new(self.identity.finish_cloned()),
            Arc::new(self.p.finish_cloned()),
            Arc::new(self.live_identity.finish_cloned()),
            Arc::new(self.live_p.finish_cloned()),
            Arc::new(self.track.finish_cloned()),
            Arc::new(self.zone.finish_cloned()),
        ];
        arrays.extend(self.centre.iter().map(|column| Arc::new(column.finish_cloned()) as ArrayRef));
        for (numbers, seen) in self.keypoints.iter().zip(&self.seen) {
            arrays.extend(numbers.iter().map(|column| Arc::new(column.finish_cloned()) as ArrayRef));
            arrays.push(Arc::new(seen.finish_cloned()));
        }
        arrays.push(Arc::new(self.gap_frames.finish_cloned()));
        arrays.push(Arc::new(self.gap_reason.finish_cloned()));
        arrays
    }
}

fn append_point([x, y]: &mut [Float32Builder; 2], at: Option<InCamera>) {
    let at = at.filter(|at| at.is_finite());
    x.append_option(at.map(|at| at.x));
    y.append_option(at.map(|at| at.y));
}

fn clock_word(clock: CaptureClock) -> &'static str {
    match clock {
        CaptureClock::SenderReport => "sender-report",
        CaptureClock::Kernel => "kernel",
        CaptureClock::Arrival => "arrival",
        CaptureClock::Recording => "recording",
    }
}
