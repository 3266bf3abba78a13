//! The seam to the disk: what sinks that write files need of it, so that tests can fill it at a chosen byte.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Seek, SeekFrom, Write};
use std::path::Path;

/// What makes, renames and removes files.
pub(super) trait Disk: Send {
    /// Makes a folder and those above it.
    fn make_folder(&self, folder: &Path) -> Result<()>;
    /// A new file; an error where one stands already.
    fn create(&self, file: &Path) -> Result<Box<dyn DiskFile>>;
    /// Renames within one folder and makes it last.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Renames within one folder over whatever file stands there, and makes it last.
    fn replace(&self, from: &Path, to: &Path) -> Result<()>;
    /// Removes a file.
    fn remove(&self, file: &Path) -> Result<()>;
    /// Makes the names in a folder last.
    fn sync_folder(&self, folder: &Path) -> Result<()>;
}

/// A file that is being written.
pub(super) trait DiskFile: Write + Send {
    /// Waits until what was written is on the disk.
    fn sync(&mut self) -> Result<()>;
    /// Cuts the file to `length` and goes on writing there.
    fn cut(&mut self, length: u64) -> Result<()>;
    /// Nobody can find the file any more: it was removed.
    fn is_removed(&self) -> bool;
}

/// The disk of the system.
pub(super) struct SystemDisk;

impl Disk for SystemDisk {
    fn make_folder(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)
    }

    fn create(&self, file: &Path) -> Result<Box<dyn DiskFile>> {
        let made = OpenOptions::new().write(true).create_new(true).open(file)?;
        // Tells another daemon on this folder that the file is in use. Where there are no locks, nobody is told.
        let _ = made.try_lock();
        Ok(Box::new(made))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        if to.try_exists()? {
            return Err(Error::from(ErrorKind::AlreadyExists));
        }
        std::fs::rename(from, to)?;
        to.parent().map_or(Ok(()), |folder| self.sync_folder(folder))
    }

    fn replace(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to)?;
        to.parent().map_or(Ok(()), |folder| self.sync_folder(folder))
    }

    fn remove(&self, file: &Path) -> Result<()> {
        std::fs::remove_file(file)
    }

    fn sync_folder(&self, folder: &Path) -> Result<()> {
        File::open(folder)?.sync_all()
    }
}

impl DiskFile for File {
    fn sync(&mut self) -> Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(|_| ())
    }

    #[cfg(unix)]
    fn is_removed(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        self.metadata().is_ok_and(|about| about.nlink() == 0)
    }

    /// An open file cannot be removed here.
    #[cfg(not(unix))]
    fn is_removed(&self) -> bool {
        false
    }
}

/// What to do about an error of the disk.
pub(super) fn advice(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space",
        ErrorKind::ReadOnlyFilesystem => "mount it writable",
        ErrorKind::PermissionDenied => "change its owner or its rights",
        ErrorKind::NotFound => "make it, or mount what holds it",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "move the file that stands in its place",
        _ => "check the disk",
    }
}

/// A disk for tests that fails when told to.
#[cfg(test)]
pub(super) mod faulty {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::Relaxed};

    /// Takes so many more bytes; beyond it every change fails with the error of this number (28 full, 30 read-only).
    #[derive(Clone)]
    pub(in super::super) struct FaultyDisk {
        bytes: Arc<AtomicU64>,
        error: Arc<AtomicI32>,
        cuts: Arc<AtomicBool>,
    }

    impl FaultyDisk {
        pub(in super::super) fn new() -> Self {
            Self {
                bytes: Arc::new(AtomicU64::new(u64::MAX)),
                error: Arc::new(AtomicI32::new(28)),
                cuts: Arc::new(AtomicBool::new(true)),
            }
        }

        /// Fails with `error` after `bytes` more bytes; `cuts` says whether files can still be cut.
        pub(in super::super) fn fail_after(&self, bytes: u64, error: i32, cuts: bool) {
            self.bytes.store(bytes, Relaxed);
            self.error.store(error, Relaxed);
            self.cuts.store(cuts, Relaxed);
        }

        pub(in super::super) fn mend(&self) {
            self.fail_after(u64::MAX, 28, true);
        }

        fn check(&self) -> Result<()> {
            if self.bytes.load(Relaxed) == 0 { Err(Error::from_raw_os_error(self.error.load(Relaxed))) } else { Ok(()) }
        }
    }

    struct FaultyFile {
        file: Box<dyn DiskFile>,
        disk: FaultyDisk,
    }

    impl Disk for FaultyDisk {
        fn make_folder(&self, folder: &Path) -> Result<()> {
            self.check()?;
            SystemDisk.make_folder(folder)
        }
        fn create(&self, file: &Path) -> Result<Box<dyn DiskFile>> {
            self.check()?;
            Ok(Box::new(FaultyFile { file: SystemDisk.create(file)?, disk: self.clone() }))
        }
        fn rename(&self, from: &Path, to: &Path) -> Result<()> {
            self.check()?;
            SystemDisk.rename(from, to)
        }
        fn replace(&self, from: &Path, to: &Path) -> Result<()> {
            self.check()?;
            SystemDisk.replace(from, to)
        }
        fn remove(&self, file: &Path) -> Result<()> {
            if !self.cuts.load(Relaxed) {
                self.check()?;
            }
            SystemDisk.remove(file)
        }
        fn sync_folder(&self, folder: &Path) -> Result<()> {
            SystemDisk.sync_folder(folder)
        }
    }

    impl Write for FaultyFile {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.disk.check()?;
            let left = self.disk.bytes.load(Relaxed);
            let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.file.write_all(&bytes[..taken])?;
            self.disk.bytes.store(left - taken as u64, Relaxed);
            Ok(taken)
        }
        fn flush(&mut self) -> Result<()> {
            self.file.flush()
        }
    }

    impl DiskFile for FaultyFile {
        fn sync(&mut self) -> Result<()> {
            self.file.sync()
        }
        fn cut(&mut self, length: u64) -> Result<()> {
            if !self.disk.cuts.load(Relaxed) {
                self.disk.check()?;
            }
            self.file.cut(length)
        }
        fn is_removed(&self) -> bool {
            self.file.is_removed()
        }
    }
}
