//! All folders of one arena's harvest, within their bounds, over restarts too.

use super::HarvestError;
use super::choice::{Bounds, Choice, Kept};
use super::folder::Folder;
use super::table::{LABELED, Layout, Row};
use crate::config;
use crate::ledger::Ledger;
use crate::sink::disk::Disk;
use crate::sink::files::FileInfo;
use crate::stamp::WallTime;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most folders of one arena and day.
const MOST: u32 = 10_000;

/// The kept frames of one arena.
pub(super) struct Store {
    disk: Box<dyn Disk>,
    root: PathBuf,
    arena: String,
    layout: Layout,
    bounds: Bounds,
    folders: Vec<Folder>,
    ledger: Arc<Ledger>,
}

impl Store {
    /// Proves that the folder can be written and reads what earlier runs kept. Folders that are not as this program writes them
    /// for this model, or in which somebody has saved labels, are left alone and count no more.
    pub(super) fn open(
        disk: Box<dyn Disk>,
        config: &config::Harvest,
        info: &FileInfo,
        ledger: Arc<Ledger>,
    ) -> Result<Self, HarvestError> {
        let root = config.folder.join(LABELED);
        try_folder(&*disk, &root)?;
        let layout = Layout::new(&info.keypoints, &info.identities);
        let bounds = Bounds { frames: config.frames_max, bytes: config.bytes_max, spacing: config.spacing };
        let mut folders = Vec::new();
        for name in names(&root, &info.arena) {
            match Folder::read(&*disk, &root, name.clone(), &layout) {
                Ok(folder) => folders.push(folder),
                Err(why) => tracing::warn!("harvest: {} is left alone: {why}", root.join(name).display()),
            }
        }
        Ok(Self { disk, root, arena: info.arena.clone(), layout, bounds, folders, ledger })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Keeps a frame if it is worth its room, and says whether it was. `picture` makes its PNG and is asked only where there may
    /// be room; `row.bytes` is set here.
    pub(super) fn keep(
        &mut self,
        mut row: Row,
        picture: impl FnOnce() -> Result<Vec<u8>, HarvestError>,
    ) -> Result<bool, HarvestError> {
        row.captured = WallTime(row.captured.0.saturating_sub(row.captured.0.rem_euclid(1000)));
        row.bytes = 1;
        if self.choose(&row).is_none() {
            return Ok(false);
        }
        let png = picture()?;
        row.bytes = png.len() as u64;
        // Once more for each folder that turns out to be somebody else's by now.
        while let Some(gone) = self.choose(&row) {
            if self.remove_all(&gone)? {
                self.add(row, &png)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What has to make way for the frame, by folder and picture; `None` when it is not kept.
    fn choose(&self, row: &Row) -> Option<Vec<(String, String)>> {
        let rows: Vec<_> =
            self.folders.iter().flat_map(|folder| folder.rows().iter().map(|row| (folder.name(), row))).collect();
        let all: Vec<_> = rows.iter().map(|(_, row)| kept(row)).collect();
        match self.bounds.choose(&all, &kept(row)) {
            Choice::TooNear => None,
            Choice::NoRoom => {
                self.ledger.counters.harvest_refused.one();
                None
            }
            Choice::Keep(gone) => {
                let named =
                    |index: usize| rows.get(index).map(|(folder, row)| ((*folder).to_owned(), row.image.clone()));
                Some(gone.into_iter().filter_map(named).collect())
            }
        }
    }

    /// False when a folder was found to be somebody else's.
    fn remove_all(&mut self, gone: &[(String, String)]) -> Result<bool, HarvestError> {
        for (name, image) in gone {
            let Some(at) = self.folders.iter().position(|folder| folder.name() == name) else { continue };
            if !self.is_untouched(at)? {
                return Ok(false);
            }
            self.folders[at].remove(&*self.disk, &self.layout, image)?;
            self.ledger.counters.harvest_replaced.one();
        }
        Ok(true)
    }

    fn add(&mut self, row: Row, png: &[u8]) -> Result<(), HarvestError> {
        let captured = row.captured.rfc3339().to_string();
        let day = captured.split('T').next().unwrap_or_default();
        for n in 1..=MOST {
            let name = name(&self.arena, day, n);
            let known = self.folders.iter().position(|folder| folder.name() == name);
            let at = match known {
                // Frame numbers count from 0 in each run, so one day may have a number twice.
                Some(at) if self.folders[at].holds(&row.image) || !self.is_untouched(at)? => continue,
                Some(at) => at,
                None if !self.is_free(&name) => continue,
                None => {
                    self.folders.push(Folder::new(&self.root, name));
                    self.folders.len() - 1
                }
            };
            self.folders[at].add(&*self.disk, &self.layout, row, png)?;
            self.ledger.counters.harvest_kept.one();
            return Ok(());
        }
        let file = self.root.join(name(&self.arena, day, MOST));
        Err(HarvestError::Write { file, source: ErrorKind::AlreadyExists.into() })
    }

    /// A folder that somebody changed is theirs from then on: it is forgotten, and the indexes behind it move up.
    fn is_untouched(&mut self, at: usize) -> Result<bool, HarvestError> {
        let untouched = self.folders[at].is_untouched(&self.layout)?;
        if !untouched {
            let folder = self.folders.remove(at);
            tracing::info!("harvest: {} was changed by somebody else and is left alone", folder.path().display());
        }
        Ok(untouched)
    }

    /// Nothing of that name is there; a disk that does not tell is no proof.
    fn is_free(&self, name: &str) -> bool {
        self.root.join(name).symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
    }
}

fn kept(row: &Row) -> Kept {
    Kept { captured: row.captured, reason: row.doubt.reason, weight: row.doubt.weight, bytes: row.bytes }
}

/// `<arena>-<date>`, then `<arena>-<date>-2`, `-3`, …
fn name(arena: &str, day: &str, n: u32) -> String {
    if n == 1 { format!("{arena}-{day}") } else { format!("{arena}-{day}-{n}") }
}

/// The names of the arena's folders that are there, in order.
fn names(root: &Path, arena: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.strip_prefix(arena).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_day))
        .collect();
    names.sort();
    names
}

/// `YYYY-MM-DD`, or the same with `-` and a number.
fn is_day(text: &str) -> bool {
    let number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let lengths: Vec<_> = text.split('-').take_while(number).map(str::len).collect();
    let parts = text.split('-').count();
    lengths.len() == parts && matches!(lengths[..], [4, 2, 2] | [4, 2, 2, 1..=5])
}

/// A full disk is no reason not to start: it may be freed.
fn try_folder(disk: &dyn Disk, root: &Path) -> Result<(), HarvestError> {
    let proof = root.join(".arenad-writes-here");
    let made = disk.make_folder(root).and_then(|()| match disk.create(&proof) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => disk.remove(&proof),
    });
    match made {
        Err(source) if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            tracing::error!("{}", HarvestError::Folder { folder: root.to_owned(), source });
            Ok(())
        }
        made => made.map_err(|source| HarvestError::Folder { folder: root.to_owned(), source }),
    }
}
