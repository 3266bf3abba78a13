//! The thread `board`: reads the machine's heat and power every few seconds, apart from everything that a slow sensor could hold up.

use crate::handover::{Line, Taken};
use crate::sink::wire::BoardMessage;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Time between two readings: heat is slow, and each costs some bus transfers.
const EVERY: Duration = Duration::from_secs(5);
/// Most sensors of one kind.
const SENSORS_MAX: usize = 32;
/// Most characters of a sensor's name.
const NAME_CHARS: usize = 32;

/// Ends the thread when dropped. It is not waited for: a sensor's driver may hang.
#[derive(Debug)]
pub(super) struct BoardReader {
    ending: Arc<Line<()>>,
}

impl BoardReader {
    /// Starts reading below `/sys/class`.
    pub(super) fn start() -> std::io::Result<(Self, watch::Receiver<BoardMessage>)> {
        let (readings, seen) = watch::channel(BoardMessage::default());
        let ending = Arc::new(Line::new(1));
        let ended = Arc::clone(&ending);
        let work = move || {
            loop {
                readings.send_replace(read(Path::new("/sys/class")));
                if !matches!(ended.take_within(EVERY), Taken::Nothing) {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("board".into()).spawn(work)?;
        Ok((Self { ending }, seen))
    }
}

impl Drop for BoardReader {
    fn drop(&mut self) {
        self.ending.close();
    }
}

/// What the machine says of its heat and power now. A sensor whose driver hangs holds the caller up.
pub fn reading() -> BoardMessage {
    read(Path::new("/sys/class"))
}

/// Everything that is known below `class` (`/sys/class`). What cannot be read is left out.
fn read(class: &Path) -> BoardMessage {
    let mut board = BoardMessage::default();
    for folder in folders(&class.join("thermal")) {
        let Some(name) = word(&folder.join("type")) else { continue };
        if let Some(milli) = number(&folder.join("temp")) {
            // A sensor that is asleep answers with nonsense.
            if (-50_000..=200_000).contains(&milli) {
                board.temperatures_c.entry(name).or_insert(milli as f64 / 1e3);
            }
        } else if let Some(step) = number(&folder.join("cur_state")).and_then(|step| u64::try_from(step).ok()) {
            // Many parts may share a name: the most slowed one counts.
            let most = board.cooling.entry(name).or_insert(0);
            *most = step.max(*most);
        }
    }
    for folder in folders(&class.join("hwmon")) {
        for channel in 1..=8 {
            let file = |what: &str| folder.join(what.replace('N', &channel.to_string()));
            let power = || Some(number(&file("inN_input"))? as f64 * number(&file("currN_input"))? as f64 / 1e6);
            if let (Some(rail), Some(watts)) = (word(&file("inN_label")), power()) {
                board.powers_w.entry(rail).or_insert((watts * 1e3).round() / 1e3);
            }
            if let Some(events) = number(&file("ocN_event_cnt")).and_then(|events| u64::try_from(events).ok()) {
                board.overcurrents.entry(format!("oc{channel}")).or_insert(events);
            }
        }
    }
    board
}

/// The first folders in `parent`, by name.
fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).take(4 * SENSORS_MAX).collect();
    found.sort();
    found.truncate(2 * SENSORS_MAX);
    found
}

/// The start of a file, as text.
fn text(file: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(64).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn number(file: &Path) -> Option<i64> {
    text(file)?.parse().ok()
}

/// A name in plain characters.
fn word(file: &Path) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = text(file)?.chars().take(NAME_CHARS).map(plain).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sys(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (name, content) in files {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(file, content).expect("written");
        }
        root
    }

    #[test]
    fn a_boards_heat_power_and_throttling_are_read() {
        let root = sys(&[
            ("thermal/thermal_zone0/type", b"cpu-thermal\n"),
            ("thermal/thermal_zone0/temp", b"51500\n"),
            ("thermal/cooling_device0/type", b"cpu-throttle-alert\n"),
            ("thermal/cooling_device0/cur_state", b"0\n"),
            ("thermal/cooling_device1/type", b"cpu-throttle-alert\n"),
            ("thermal/cooling_device1/cur_state", b"2\n"),
            ("hwmon/hwmon1/in1_label", b"VDD_IN\n"),
            ("hwmon/hwmon1/in1_input", b"4968\n"),
            ("hwmon/hwmon1/curr1_input", b"1208\n"),
            ("hwmon/hwmon2/oc3_event_cnt", b"4\n"),
        ]);
        let board = serde_json::to_value(read(root.path())).expect("JSON");
        let wanted = serde_json::json!({
            "temperatures_c": {"cpu-thermal": 51.5}, "powers_w": {"VDD_IN": 6.001},
            "cooling": {"cpu-throttle-alert": 2}, "overcurrents": {"oc3": 4},
        });
        assert_eq!(board, wanted);
    }

    #[test]
    fn a_machine_without_sensors_or_with_broken_ones_says_nothing() {
        let long = [b'x'; 5000];
        let root = sys(&[
            ("thermal/thermal_zone0/type", b"asleep\n"),
            ("thermal/thermal_zone0/temp", b"-274000\n"),
            ("thermal/thermal_zone1/type", b"dead\n"),
            ("thermal/thermal_zone1/temp", b"N/A\n"),
            ("thermal/thermal_zone2/temp", b"20000\n"),
            ("thermal/thermal_zone3/type", b"\n"),
            ("thermal/thermal_zone3/temp", b"20000\n"),
            ("thermal/cooling_device0/type", b"fan\n"),
            ("thermal/cooling_device0/cur_state", b"-1\n"),
            ("hwmon/hwmon0/in1_label", &long),
            ("hwmon/hwmon0/in1_input", b"99999999999999999999\n"),
            ("hwmon/hwmon0/curr1_input", b"1\n"),
        ]);
        assert!(read(root.path()).is_empty());
        assert!(read(Path::new("/nonexistent")).is_empty());
        let strange = sys(&[
            ("thermal/thermal_zone0/type", "a \"b\"\u{7}\nü".as_bytes()),
            ("thermal/thermal_zone0/temp", b"1\n"),
        ]);
        let names: Vec<_> = read(strange.path()).temperatures_c.into_keys().collect();
        assert_eq!(names, ["a__b____"]);
    }
}
