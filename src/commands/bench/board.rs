//! What `bench --board` says of the machine beside its figures: a figure without board, release, power mode and clocks is worth nothing.

use arenad::sink::board;
use arenad::sink::wire::BoardMessage;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a machine does not say.
const UNKNOWN: &str = "unknown";
/// Most of a file that is read; the package list of a Jetson has 3 MB.
const FILE_MAX_BYTES: u64 = 64 << 20;

/// One thing that a machine may say of itself.
#[derive(Debug)]
struct Fact {
    /// In the table.
    what: &'static str,
    /// In JSON.
    key: &'static str,
    said: Option<String>,
}

impl Fact {
    fn new(what: &'static str, key: &'static str, said: Option<String>) -> Self {
        Self { what, key, said: said.filter(|said| !said.is_empty()) }
    }

    fn words(&self) -> &str {
        self.said.as_deref().unwrap_or(UNKNOWN)
    }
}

/// The machine, its settings, and its heat around the run.
pub(super) struct Board {
    facts: Vec<Fact>,
    cold: BoardMessage,
    hot: BoardMessage,
}

impl Board {
    /// The machine's heat before the run.
    pub(super) fn cold() -> BoardMessage {
        board::reading()
    }

    /// The machine after the run; `engine` is what the engine says of the ground that it runs on.
    pub(super) fn after(cold: BoardMessage, engine: Option<String>) -> Self {
        let mut facts = facts(Path::new("/"), &|program, argument| asked(program, argument));
        facts.push(Fact::new("engine runs on", "engine_runs_on", engine));
        Self { facts, cold, hot: board::reading() }
    }

    /// For hardware.md: the machine, then the steps (name, median and p99 in milliseconds).
    pub(super) fn markdown(&self, engine: &str, steps: &[(&str, f64, f64)], frames_per_second: f64) -> String {
        // The board's name, or the processor's.
        let name = self.facts.iter().find_map(|fact| fact.said.as_deref()).unwrap_or(UNKNOWN);
        let mut text =
            format!("### {}, arenad {}\n\n| what | this machine |\n|---|---|\n", cell(name), env!("CARGO_PKG_VERSION"));
        for fact in &self.facts {
            text.push_str(&format!("| {} | {} |\n", fact.what, cell(fact.words())));
        }
        let heat =
            |board: &BoardMessage| list(board.temperatures_c.iter().map(|(name, value)| format!("{name} {value:.0}")));
        let (cold, hot) = (heat(&self.cold), heat(&self.hot));
        let powers = list(self.hot.powers_w.iter().map(|(name, value)| format!("{name} {value:.1}")));
        let cooling = list(self.hot.cooling.iter().map(|(name, value)| format!("{name} {value}")));
        let overcurrents = list(self.hot.overcurrents.iter().map(|(name, value)| format!("{name} {value}")));
        for (what, said) in [
            ("temperatures before, °C", cold),
            ("temperatures after, °C", hot),
            ("powers after, W", powers),
            ("cooling steps after", cooling),
            ("over-currents", overcurrents),
        ] {
            text.push_str(&format!("| {what} | {} |\n", cell(&said)));
        }
        text.push_str(&format!("\n| step ({engine}) | median ms | p99 ms |\n|---|---|---|\n"));
        for (step, median, p99) in steps {
            text.push_str(&format!("| {step} | {median:.3} | {p99:.3} |\n"));
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| **the line whole** | **{frames_per_second:.1} frames/s** | |");
        text
    }

    /// The same for programs.
    pub(super) fn json(&self) -> serde_json::Value {
        let mut all: serde_json::Map<_, _> =
            self.facts.iter().map(|fact| (fact.key.to_owned(), serde_json::json!(fact.said))).collect();
        all.insert("before".to_owned(), serde_json::json!(self.cold));
        all.insert("after".to_owned(), serde_json::json!(self.hot));
        all.into()
    }
}

/// Everything that the files below `root` and the programs say. `ask` runs a program with one argument.
fn facts(root: &Path, ask: &dyn Fn(&str, &str) -> Option<String>) -> Vec<Fact> {
    let text = |file: &str| read(&root.join(file));
    let board = text("proc/device-tree/model").map(|model| model.trim_end_matches('\0').trim().to_owned());
    let system =
        text("etc/os-release").and_then(|text| valued(&text, "PRETTY_NAME=")).map(|name| name.replace('"', ""));
    let kernel = text("proc/sys/kernel/osrelease").map(|kernel| format!("Linux {}", kernel.trim()));
    let mode = ask("nvpmodel", "-q").map(|said| said.split_whitespace().collect::<Vec<_>>().join(" "));
    let cpus = clocks(&root.join("sys/devices/system/cpu"), "cpufreq/scaling_", 1000);
    let gpus = clocks(&root.join("sys/class/devfreq"), "", 1_000_000);
    let packages = text("var/lib/dpkg/status");
    vec![
        Fact::new("board", "board", board),
        Fact::new("processor", "processor", processor(&text("proc/cpuinfo").unwrap_or_default())),
        Fact::new("system", "system", system),
        Fact::new("kernel", "kernel", kernel),
        Fact::new("Jetson Linux", "jetson_linux", text("etc/nv_tegra_release").and_then(|text| tegra(&text))),
        Fact::new("JetPack", "jetpack", packages.and_then(|text| package(&text, "nvidia-jetpack"))),
        Fact::new("power mode", "power_mode", mode),
        Fact::new("CPU clocks now and at most, MHz", "cpu_clocks_mhz", cpus),
        Fact::new("GPU clocks now and at most, MHz", "gpu_clocks_mhz", gpus),
    ]
}

/// What a program of this machine prints; nothing where it is not there or fails.
fn asked(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn read(file: &Path) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(file).ok()?.take(FILE_MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What stands behind `key` on the first line that begins with it.
fn valued(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned())
}

/// "AMD EPYC 9654, 2 cores"; ARM's lists have no name.
fn processor(cpuinfo: &str) -> Option<String> {
    let named =
        |line: &str| Some(line.strip_prefix("model name")?.trim_start_matches([' ', '\t', ':']).trim().to_owned());
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let name = cpuinfo.lines().find_map(named);
    (cores > 0).then(|| format!("{}, {cores} cores", name.unwrap_or_else(|| "no name".to_owned())))
}

/// "# R36 (release), REVISION: 4.3, …" is R36.4.3.
fn tegra(text: &str) -> Option<String> {
    let line = text.lines().next()?;
    let major = line.trim_start_matches(['#', ' ']).split_whitespace().next()?;
    let minor = line.split("REVISION:").nth(1)?.split(',').next()?.trim();
    Some(format!("{major}.{minor}"))
}

/// The version of an installed package in dpkg's list.
fn package(status: &str, name: &str) -> Option<String> {
    let wanted = format!("Package: {name}");
    let entry = status.split("\n\n").find(|entry| entry.lines().next() == Some(wanted.as_str()))?;
    valued(entry, "Version:")
}

/// "cpu0 1510 of 1510": a clock of each folder below `parent` that has one, those that are alike once.
fn clocks(parent: &Path, prefix: &str, divisor: u64) -> Option<String> {
    let entries = std::fs::read_dir(parent).ok()?;
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let clock = |folder: &Path, which: &str| {
        let text = read(&folder.join(format!("{prefix}{which}_freq")))?;
        Some(text.trim().parse::<u64>().ok()? / divisor)
    };
    let mut said: Vec<(String, u64, u64)> = Vec::new();
    for folder in folders {
        let (Some(now), Some(most)) = (clock(&folder, "cur"), clock(&folder, "max")) else { continue };
        if said.last().is_none_or(|last| (last.1, last.2) != (now, most)) {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            said.push((name, now, most));
        }
    }
    Some(joined(said.into_iter().map(|(name, now, most)| format!("{name} {now} of {most}"))))
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn list(words: impl Iterator<Item = String>) -> String {
    let all = joined(words);
    if all.is_empty() { UNKNOWN.to_owned() } else { all }
}

/// Words of the machine as one cell of a table.
fn cell(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().replace('|', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jetson_says_what_it_is_and_how_it_is_set() {
        let root = tempfile::tempdir().expect("a folder");
        for (file, text) in [
            ("proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\0"),
            ("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 62.50\nprocessor\t: 1\n"),
            ("etc/os-release", "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\n"),
            ("proc/sys/kernel/osrelease", "5.15.148-tegra\n"),
            ("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\nmore\n"),
            (
                "var/lib/dpkg/status",
                "Package: a\nVersion: 1\n\nPackage: nvidia-jetpack\nStatus: ok\nVersion: 6.2+b77\n",
            ),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1510400\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "1510400\n"),
            ("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "1510400\n"),
            ("sys/devices/system/cpu/cpu1/cpufreq/scaling_max_freq", "1510400\n"),
            ("sys/class/devfreq/17000000.gpu/cur_freq", "306000000\n"),
            ("sys/class/devfreq/17000000.gpu/max_freq", "624750000\n"),
            ("sys/class/devfreq/dead/cur_freq", "N/A\n"),
        ] {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(file, text).expect("written");
        }
        let ask = |program: &str, _: &str| (program == "nvpmodel").then(|| "NV Power Mode: 15W\n0\n".to_owned());
        let said: Vec<_> = facts(root.path(), &ask).into_iter().map(|fact| fact.said.unwrap_or_default()).collect();
        assert_eq!(
            said,
            [
                "NVIDIA Jetson Orin Nano Developer Kit",
                "no name, 2 cores",
                "Ubuntu 22.04.5 LTS",
                "Linux 5.15.148-tegra",
                "R36.4.3",
                "6.2+b77",
                "NV Power Mode: 15W 0",
                "cpu0 1510 of 1510",
                "17000000.gpu 306 of 624",
            ]
        );
    }

    #[test]
    fn what_a_machine_does_not_say_is_unknown_and_its_words_stay_in_their_cell() {
        let root = tempfile::tempdir().expect("a folder");
        let mut facts = facts(root.path(), &|_, _| None);
        assert!(facts.iter().all(|fact| fact.words() == UNKNOWN), "{facts:?}");
        facts[0].said = Some("a\nb | c".to_owned());
        let board = Board { facts, cold: BoardMessage::default(), hot: BoardMessage::default() };
        let text = board.markdown("none fp32", &[("infer", 1.25, 2.5)], 30.0);
        assert!(text.contains("| board | a b / c |\n") && text.contains("| infer | 1.250 | 2.500 |\n"), "{text}");
        assert_eq!(board.json()["power_mode"], serde_json::Value::Null);
    }
}
