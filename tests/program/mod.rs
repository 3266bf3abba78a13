//! Runs the program as its user does, with a bound on how long that may take, and reads what it left in files.
#![allow(dead_code)] // each test file uses its own part

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// A program that has not ended by then has failed, also on an emulated processor.
const LIMIT: Duration = Duration::from_secs(600);

/// How the program ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// The program ended well; what it printed.
    pub fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// The last line of what it said: why it ended.
    pub fn why(&self) -> &str {
        self.err.lines().last().unwrap_or("")
    }
}

/// Runs `arenad` with these arguments to its end.
pub fn arenad<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_arenad"))
        .args(args)
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let out = all_of(child.stdout.take().expect("a pipe"));
    let err = all_of(child.stderr.take().expect("a pipe"));
    let (Ok(out), Ok(err)) = (out.recv_timeout(LIMIT), err.recv_timeout(LIMIT)) else {
        child.kill().expect("it ends");
        panic!("arenad did not end within {LIMIT:?}");
    };
    Ended { code: child.wait().expect("an exit code").code(), out, err }
}

/// Everything that comes out of a pipe until it is closed.
fn all_of(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (give, take) = sync_channel(1);
    let read = move || {
        let mut text = Vec::new();
        // What was read before an error is what the program said.
        let _ = pipe.read_to_end(&mut text);
        give.send(String::from_utf8_lossy(&text).into_owned())
    };
    std::thread::Builder::new().spawn(read).expect("a thread");
    take
}

/// The arguments of a command as one text with `{}` for each path: `replay {} -o {}`.
pub fn line(text: &str, paths: &[&Path]) -> Vec<std::ffi::OsString> {
    let mut paths = paths.iter();
    text.split(' ')
        .map(|word| if word == "{}" { paths.next().expect("a path").as_os_str().to_owned() } else { word.into() })
        .collect()
}

/// Every file below a folder: its path from there and its bytes.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").to_owned();
                found.insert(name, fs::read(&path).expect("readable"));
            }
        }
    }
    found
}

/// What rolling files tell of each frame number.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Numbers that became scenes.
    pub scenes: BTreeSet<u64>,
    /// Numbers that did not, with the reason.
    pub gaps: BTreeMap<u64, String>,
    /// Names that were given.
    pub names: BTreeSet<String>,
    /// Names that the files say can be given, as JSON.
    pub identities: String,
}

impl Account {
    /// Of the Parquet files below a folder, of which there is at least one and beside which no stream is left.
    pub fn of(folder: &Path) -> Self {
        let mut account = Self::default();
        let all = files(folder);
        let ends = |path: &PathBuf, ending: &str| path.extension().is_some_and(|found| found == ending);
        assert!(!all.keys().any(|path| ends(path, "arrows")), "a stream is left: {:?}", all.keys());
        let finished: Vec<_> = all.keys().filter(|path| ends(path, "parquet")).collect();
        assert!(!finished.is_empty(), "no Parquet file: {:?}", all.keys());
        for path in finished {
            let file = fs::File::open(folder.join(path)).expect("readable");
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
            account.identities = builder.schema().metadata()["arenad.identities"].clone();
            for batch in builder.build().expect("Parquet") {
                account.take(&batch.expect("a batch"));
            }
        }
        account
    }

    fn take(&mut self, batch: &RecordBatch) {
        let column = |name: &str| batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
        let frames = column("frame").as_primitive::<UInt64Type>();
        let states = column("state").as_string::<i32>();
        let names = column("identity").as_string::<i32>();
        let lengths = column("gap_frames").as_primitive::<UInt64Type>();
        let reasons = column("gap_reason").as_string::<i32>();
        for row in 0..batch.num_rows() {
            let frame = frames.value(row);
            if states.value(row) == "gap" {
                for missing in frame..frame + lengths.value(row) {
                    let before = self.gaps.insert(missing, reasons.value(row).to_owned());
                    assert_eq!(before, None, "frame {missing} is in two gaps");
                }
            } else {
                self.scenes.insert(frame);
                if !names.is_null(row) {
                    self.names.insert(names.value(row).to_owned());
                }
            }
        }
    }

    /// How many numbers there are, each of which is a scene's or a gap's from 0 on.
    pub fn whole(&self) -> u64 {
        let mut next = 0;
        let all: BTreeSet<u64> = self.scenes.iter().chain(self.gaps.keys()).copied().collect();
        assert_eq!(all.len(), self.scenes.len() + self.gaps.len(), "a number is a scene's and a gap's: {self:?}");
        for number in all {
            assert_eq!(number, next, "a hole: {self:?}");
            next += 1;
        }
        next
    }
}

/// The numbers of the rows of a `poses.csv`.
pub fn csv_numbers(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).expect("a CSV");
    let rows = text.lines().skip(4);
    rows.map(|row| row.split(',').next().expect("a column").parse().expect("a number")).collect()
}
