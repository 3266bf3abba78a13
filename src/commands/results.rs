//! The folder of results that `replay` and `track` write: Parquet as the daemon writes it, and poses.csv.

use super::{Failure, fatal};
use arenad::config;
use arenad::export::PosesCsv;
use arenad::handover::{Gaps, Scene};
use arenad::ledger::Ledger;
use arenad::sink::files::{FileInfo, FilesWriter};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Scenes and gaps to files. The same ones give the same bytes.
pub(super) struct Results {
    files: FilesWriter,
    poses: PosesCsv<BufWriter<File>>,
}

impl Results {
    /// Opens the files below `out`, which is there.
    pub(super) fn new(out: &Path, info: FileInfo, ledger: Arc<Ledger>) -> Result<Self, Failure> {
        let poses = created(&out.join("poses.csv"))?;
        let poses = PosesCsv::new(poses, "arenad", &info.keypoints, &info.identities).map_err(fatal)?;
        let files = config::Files {
            folder: out.to_owned(),
            rotate_after: Duration::from_secs(3600),
            rotate_bytes: 1 << 30,
            flush_every: Duration::from_secs(1),
        };
        Ok(Self { files: FilesWriter::new(files, info, ledger).map_err(fatal)?, poses })
    }

    pub(super) fn write(&mut self, scene: &Scene) -> Result<(), Failure> {
        self.poses.write_scene(scene).map_err(fatal)?;
        self.files.write(scene);
        Ok(())
    }

    /// Frames that are missing after the last scene.
    pub(super) fn note(&mut self, gaps: &Gaps) -> Result<(), Failure> {
        for gap in gaps.iter() {
            for frame in gap.first..=gap.last {
                self.poses.write_missing(frame).map_err(fatal)?;
            }
        }
        self.files.note_gaps(gaps);
        Ok(())
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
