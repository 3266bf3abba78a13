//! The folder of results that `replay` and `track` write: Parquet as the daemon writes it, and poses.csv.

use super::{Failure, fatal};
use arenad::config;
use arenad::export::PosesCsv;
use arenad::handover::{Gaps, Scene, Settled};
use arenad::ledger::Ledger;
use arenad::sink::files::{FileInfo, FilesWriter};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Scenes and gaps to files, and the first thing that went wrong with them. The same ones give the same bytes.
pub(super) struct Results {
    files: FilesWriter,
    poses: PosesCsv<BufWriter<File>>,
    /// `poses` takes live scenes, not settled ones.
    live: bool,
    failure: Option<Failure>,
}

impl Results {
    /// Opens the files below `out`, which is there. With `live`, poses.csv has the names as they went out live.
    pub(super) fn new(out: &Path, info: FileInfo, live: bool, ledger: Arc<Ledger>) -> Result<Self, Failure> {
        let poses = created(&out.join("poses.csv"))?;
        let poses = PosesCsv::new(poses, "arenad", &info.keypoints, &info.identities).map_err(fatal)?;
        let files = config::Files {
            folder: out.to_owned(),
            rotate_after: Duration::from_secs(3600),
            rotate_bytes: 1 << 30,
            flush_every: Duration::from_secs(1),
        };
        Ok(Self { files: FilesWriter::new(files, info, ledger).map_err(fatal)?, poses, live, failure: None })
    }

    /// A scene as it goes out live.
    pub(super) fn live(&mut self, scene: &Scene) {
        if self.live {
            self.poses(scene);
        }
    }

    /// The same frame once it is settled.
    pub(super) fn settled(&mut self, settled: &Settled) {
        if !self.live {
            self.poses(&settled.scene);
        }
        self.files.write(settled);
    }

    fn poses(&mut self, scene: &Scene) {
        if let Err(error) = self.poses.write_scene(scene) {
            self.fail(fatal(error));
        }
    }

    /// Frames that are missing after the last scene.
    pub(super) fn missing(&mut self, gaps: &Gaps) {
        for frame in gaps.iter().flat_map(|gap| gap.first..=gap.last) {
            if let Err(error) = self.poses.write_missing(frame) {
                self.fail(fatal(error));
            }
        }
        self.files.note_gaps(gaps);
    }

    /// Remembers what went wrong first.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// What went wrong first, if anything did.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Writes out what is held and tells the Parquet files.
    pub(super) fn finish(mut self) -> Result<Vec<PathBuf>, Failure> {
        self.poses.finish().map_err(fatal)?;
        self.files.finish().map_err(fatal)
    }
}

/// A new file below the folder for results.
pub(super) fn created(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file = File::create(path)
        .map_err(|error| fatal(format!("{}: {error}; give -o a folder that can be written", path.display())))?;
    Ok(BufWriter::new(file))
}
