//! Built engines on the disk: one file a model and precision, which says for what it was built and is refused where that differs.

use super::library::{About, BuildOptions};
use crate::model::Precision;
use sha2::{Digest, Sha256};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"arenad engine 1\n";
/// A key is a few lines; more is no file of ours.
const KEY_MAX_BYTES: u32 = 1 << 16;
/// An engine of a pose network is a few megabytes.
const PLAN_MAX_BYTES: u64 = 1 << 30;
const HASH_BYTES: usize = 32;

/// The place of one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    folder: PathBuf,
    name: String,
    key: String,
}

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The engine that is wanted.
    Plan(Vec<u8>),
    /// Nothing.
    Nothing,
    /// A file that must not be used, and why.
    Refused(String),
}

impl Place {
    /// Where the engine for these weights, this library and GPU and these options stands.
    pub fn new(folder: &Path, onnx: &[u8], precision: Precision, about: &About, options: BuildOptions) -> Self {
        let hash = hex(&Sha256::digest(onnx));
        let (major, minor) = about.compute;
        let key = format!(
            "onnx {hash}\ntensorrt {}\ngpu {}\ncompute {major}.{minor}\nfp16 {}\nint8 {}\ndla {}\nworkspace {}\n",
            about.version_text(),
            about.gpu.replace('\n', " "),
            options.fp16,
            options.int8,
            options.dla.map_or("none".to_owned(), |core| core.to_string()),
            options.workspace_bytes
        );
        let short = hash.get(..16).unwrap_or_default();
        let half = if options.fp16 && !options.int8 { "-fp16" } else { "" };
        let dla = options.dla.map_or(String::new(), |core| format!("-dla{core}"));
        Self { folder: folder.to_owned(), name: format!("{short}-{precision}{half}{dla}"), key }
    }

    /// The engine's file.
    pub fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.engine", self.name))
    }

    /// Reads what is there; an error where it cannot be read.
    pub fn read(&self) -> io::Result<Found> {
        let file = match File::open(self.file()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        match parts(file) {
            Ok((key, _)) if key != self.key => Ok(Found::Refused(self.difference(&key))),
            Ok((_, plan)) => Ok(Found::Plan(plan)),
            Err(Damage::Words(why)) => Ok(Found::Refused(why.to_owned())),
            Err(Damage::Disk(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(Found::Refused("it is cut off".to_owned()))
            }
            Err(Damage::Disk(error)) => Err(error),
        }
    }

    /// Writes the engine beside its place and moves it there, so that nobody finds half of it.
    pub fn write(&self, plan: &[u8]) -> io::Result<()> {
        let half = self.folder.join(format!("{}.{}.half", self.name, std::process::id()));
        let written = (|| {
            let mut file = File::create(&half)?;
            file.write_all(MAGIC)?;
            file.write_all(&u32::try_from(self.key.len()).unwrap_or(u32::MAX).to_le_bytes())?;
            file.write_all(self.key.as_bytes())?;
            file.write_all(&(plan.len() as u64).to_le_bytes())?;
            file.write_all(&Sha256::digest(plan))?;
            file.write_all(plan)?;
            file.sync_all()?;
            std::fs::rename(&half, self.file())
        })();
        if written.is_err() {
            // What is left of it is never read; the first error is the one that counts.
            std::fs::remove_file(&half).ok();
        }
        written
    }

    /// Makes the folder and takes the lock under which this engine is built; `None` while another arena has it. Free when dropped.
    pub fn lock(&self) -> io::Result<Option<File>> {
        std::fs::create_dir_all(&self.folder)?;
        let file = File::create(self.folder.join(format!("{}.lock", self.name)))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The first line of the key that is another one.
    fn difference(&self, key: &str) -> String {
        let differs = key.lines().zip(self.key.lines()).find(|(got, wanted)| got != wanted);
        let (got, wanted) = differs.unwrap_or(("another key", "this one"));
        format!("it was built for {got:?}; wanted: {wanted:?}")
    }
}

enum Damage {
    Words(&'static str),
    Disk(io::Error),
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Key and engine of a file.
fn parts(mut file: File) -> Result<(String, Vec<u8>), Damage> {
    let all = file.metadata()?.len();
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(Damage::Words("it is no engine file of arenad"));
    }
    let mut four = [0; 4];
    file.read_exact(&mut four)?;
    let key_len = u32::from_le_bytes(four);
    if key_len > KEY_MAX_BYTES {
        return Err(Damage::Words("its key is too long"));
    }
    let mut key = vec![0; key_len as usize];
    file.read_exact(&mut key)?;
    let key = String::from_utf8(key).map_err(|_| Damage::Words("its key is no text"))?;
    let mut eight = [0; 8];
    file.read_exact(&mut eight)?;
    let len = u64::from_le_bytes(eight);
    let mut hash = [0; HASH_BYTES];
    file.read_exact(&mut hash)?;
    let before = (MAGIC.len() + four.len() + key.len() + eight.len() + HASH_BYTES) as u64;
    if len > PLAN_MAX_BYTES || before.checked_add(len) != Some(all) {
        return Err(Damage::Words("its length is not what it says"));
    }
    let mut plan = Vec::new();
    file.take(len).read_to_end(&mut plan)?;
    if Sha256::digest(&plan)[..] != hash {
        return Err(Damage::Words("its hash is not what it says: it is damaged"));
    }
    Ok((key, plan))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
