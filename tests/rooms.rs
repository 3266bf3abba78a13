//! Promise: no room imports through a wall. The table below is the right of each room; ARCHITECTURE.md tells why.

mod source_text;

use source_text::{files, named};
use std::path::Path;

/// What a room may touch outside the crate, and the words by which it would.
const THINGS: &[(&str, &[&str])] = &[
    ("clock", &["Instant", "SystemTime", "UNIX_EPOCH", "stamp::Clock"]),
    ("threads", &["std::thread", "thread::spawn", "thread::Builder", "thread::sleep", "thread::scope"]),
    (
        "disk",
        &["std::fs", "fs::File", "File::open", "File::create", "OpenOptions", "fs::read", "fs::write", "tempfile"],
    ),
    ("network", &["TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs", "tokio::net"]),
    ("async", &["tokio", "futures_util"]),
    ("rtsp", &["retina"]),
    ("rtsp server", &["rtsp_types"]),
    ("video", &["rusty_h264_decoder", "rusty_h265", "zune_jpeg"]),
    ("stills", &["image"]),
    ("engine", &["rten", "rten_tensor", "ort"]),
    ("gpio", &["gpiocdev", "gpiocdev_uapi"]),
    ("system calls", &["libc"]),
    ("broker", &["rumqttc_v5", "rumqttc_v4", "rumqttc", "rumqttc_v5_next", "rumqttc_v4_next"]),
    ("embedded broker", &["rumqttd"]),
    ("columns", &["arrow_array", "arrow_schema", "arrow_ipc", "parquet"]),
    ("http", &["axum"]),
    ("jpeg", &["jpeg_encoder"]),
    ("random", &["rand_core", "rand_pcg", "RandomState", "DefaultHasher"]),
    ("hash order", &["HashMap", "HashSet"]),
    ("log", &["tracing", "println", "eprintln", "dbg"]),
    ("serde", &["serde", "serde_json", "rmp_serde", "toml"]),
    ("process", &["process::exit", "process::abort", "process::Command", "std::env", "signal_hook", "sd_notify"]),
    ("scheduler", &["thread_priority"]),
    ("terminal", &["clap", "indicatif"]),
    ("camera encoder", &["rusty_h264_encoder"]),
];

/// One room: the start of its files' module paths, the rooms it may import, the things it may touch.
struct Room {
    name: &'static str,
    imports: &'static [&'static str],
    touches: &'static [&'static str],
}

const ALL: &str = "*";
/// What every room speaks, and of these each the ones before it.
const WORDS: [&str; 3] = ["stamp", "space", "handover"];

/// The longest name that fits a file decides. `WORDS` need not be listed.
const ROOMS: &[Room] = &[
    Room { name: "stamp", imports: &[], touches: &["clock"] },
    Room { name: "space", imports: &[], touches: &[] },
    Room { name: "handover", imports: &[], touches: &[] },
    Room { name: "ledger", imports: &[], touches: &[] },
    Room { name: "config", imports: &[], touches: &["disk", "serde"] },
    Room { name: "model", imports: &[], touches: &["disk", "serde"] },
    Room {
        name: "source",
        imports: &["config", "ledger"],
        touches: &["network", "async", "rtsp", "disk", "clock", "threads", "log", "hash order"],
    },
    // Pure: what a device offers and what is set in it.
    Room { name: "source::v4l2::choice", imports: &["config"], touches: &[] },
    Room { name: "source::v4l2::setup", imports: &["config"], touches: &[] },
    Room {
        name: "source::v4l2",
        imports: &["config", "ledger"],
        touches: &["system calls", "disk", "async", "clock", "log"],
    },
    Room { name: "decode", imports: &["ledger", "config"], touches: &["video", "stills", "clock", "log", "threads"] },
    Room { name: "decode::nvdec::find", imports: &[], touches: &["disk", "system calls"] },
    Room { name: "decode::nvdec::v4l2", imports: &[], touches: &["log", "system calls"] },
    Room { name: "decode::nvdec::system", imports: &[], touches: &["clock", "threads", "system calls"] },
    Room { name: "preprocess", imports: &["model"], touches: &[] },
    Room {
        name: "infer",
        imports: &["config", "model", "preprocess"],
        touches: &["engine", "disk", "log", "process", "threads"],
    },
    // Pure: no clock, random, log, serde, hash order or thread.
    Room { name: "pose", imports: &["config", "model", "infer", "preprocess"], touches: &[] },
    Room { name: "paint", imports: &["model"], touches: &[] },
    Room { name: "crop", imports: &[], touches: &[] },
    Room { name: "zones", imports: &["config"], touches: &[] },
    Room { name: "track", imports: &["config", "zones"], touches: &[] },
    Room { name: "behaviour", imports: &["config", "zones"], touches: &[] },
    Room { name: "act::rules", imports: &["config", "zones"], touches: &[] },
    Room { name: "act::gpio::chardev", imports: &[], touches: &["gpio", "disk"] },
    Room { name: "act", imports: &["config", "zones", "ledger"], touches: &["clock", "threads", "log"] },
    Room { name: "sink::wire", imports: &["config", "model", "zones", "ledger"], touches: &["serde"] },
    // Pure: what a doubt is and which frames stay.
    Room { name: "sink::harvest::doubt", imports: &["config"], touches: &[] },
    Room { name: "sink::harvest::choice", imports: &[], touches: &[] },
    // It makes pictures of frames; what it writes follows from scenes alone.
    Room {
        name: "sink::harvest",
        imports: &["config", "ledger", "preprocess"],
        touches: &["disk", "threads", "log", "stills"],
    },
    Room {
        name: "sink",
        imports: &["config", "model", "zones", "ledger"],
        touches: &[
            "network",
            "async",
            "broker",
            "columns",
            "http",
            "jpeg",
            "disk",
            "clock",
            "threads",
            "log",
            "serde",
            "hash order",
        ],
    },
    // Everything a camera is, and the broker of the demo; its truth is written as poses are. The line never imports it.
    Room { name: "rehearsal", imports: &["config", "ledger", "model", "export"], touches: &[ALL] },
    Room {
        name: "pipeline",
        imports: &[
            "config",
            "ledger",
            "model",
            "source",
            "decode",
            "crop",
            "preprocess",
            "infer",
            "pose",
            "paint",
            "zones",
            "track",
            "behaviour",
            "act",
            "sink",
        ],
        touches: &["threads", "async", "clock", "log", "scheduler"],
    },
    Room { name: "transcript", imports: &[], touches: &["serde"] },
    Room { name: "eval", imports: &["config", "model", "zones", "export"], touches: &["disk", "serde"] },
    Room { name: "export", imports: &["config", "model", "sink"], touches: &["disk", "columns", "serde"] },
    Room { name: "commands", imports: &[ALL], touches: &[ALL] },
    Room { name: "main", imports: &[ALL], touches: &["process", "threads", "log", "terminal"] },
    Room { name: "lib", imports: &[ALL], touches: &[] },
];

/// Files that speak to a device and may therefore hold `unsafe`.
const UNSAFE: &[&str] = &[
    "src/decode/nvdec/nvbuf.rs",
    "src/decode/nvdec/system.rs",
    "src/infer/tensorrt/ffi.rs",
    "src/infer/tensorrt/ffi/input.rs",
    "src/source/v4l2/kernel.rs",
];

/// The file's module path: `src/track/cost.rs` is `track::cost`.
fn module_of(file: &str) -> String {
    let module = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    module.replace('/', "::")
}

fn room_of(module: &str) -> Option<&'static Room> {
    let inside = |room: &&Room| module == room.name || module.starts_with(&format!("{}::", room.name));
    ROOMS.iter().filter(inside).max_by_key(|room| room.name.len())
}

fn holds(path: &[String], words: &str) -> bool {
    let words: Vec<&str> = words.split("::").collect();
    // A crate is meant only where a path begins with it, a type or module anywhere.
    let crates = words.len() == 1 && words[0].starts_with(char::is_lowercase);
    if crates { path[0] == words[0] } else { path.windows(words.len()).any(|part| part == words) }
}

/// Every wall that the file breaks, as `file:line: what`.
fn broken(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let Some(room) = room_of(&module) else {
        return vec![format!(
            "{file}:1: the room {module} is not in the table of tests/rooms.rs; give it its rights there"
        )];
    };
    let own = room.name.split("::").next().unwrap_or_default();
    let parts: Vec<&str> =
        if ["lib", "main"].contains(&module.as_str()) { vec![] } else { module.split("::").collect() };
    let top_level = |name: &str| ROOMS.iter().any(|room| room.name.split("::").next() == Some(name));
    let mut broken = Vec::new();
    for one in named(text, &parts) {
        let (line, path) = (one.line, &one.path);
        if path[0] == "unsafe" && !UNSAFE.contains(&file) {
            broken.push(format!("{file}:{line}: unsafe is allowed in no file but {UNSAFE:?}"));
        }
        // The binary names the library by its crate name.
        if let (true, Some(target)) = (path[0] == "crate" || path[0] == "arenad", path.get(1))
            && target != own
            && top_level(target)
            && !WORDS[..WORDS.len().min(rank(own))].contains(&target.as_str())
            && !room.imports.iter().any(|allowed| *allowed == ALL || allowed == target)
        {
            broken.push(format!("{file}:{line}: {} imports {target}, through a wall", room.name));
        }
        // A lone word may be a variable with the name of a crate; where a type or a macro is meant it counts.
        for (thing, words) in THINGS {
            if words.iter().any(|words| holds(path, words))
                && (path.len() > 1 || matches!(*thing, "clock" | "hash order" | "log" | "network" | "disk" | "random"))
                && !room.touches.iter().any(|allowed| *allowed == ALL || allowed == thing)
            {
                broken.push(format!("{file}:{line}: {} touches the {thing}: {}", room.name, path.join("::")));
            }
        }
    }
    broken
}

/// How many of `WORDS` a room may speak.
fn rank(room: &str) -> usize {
    WORDS.iter().position(|word| *word == room).unwrap_or(WORDS.len())
}

#[test]
fn no_room_imports_through_a_wall() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for file in files(&root.join("src")) {
        let name = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        all.extend(broken(&name, &std::fs::read_to_string(&file).unwrap()));
    }
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

#[test]
fn each_kind_of_hole_is_found_with_file_and_line() {
    let holes = [
        (
            "src/track/cost.rs",
            "use std::{fmt, time::Instant};",
            "src/track/cost.rs:1: track touches the clock: std::time::Instant",
        ),
        (
            "src/track.rs",
            "\n\nfn f() { let t = std::time::SystemTime::now(); }",
            "src/track.rs:3: track touches the clock: std::time::SystemTime::now",
        ),
        (
            "src/pose.rs",
            "use crate::stamp::{Clock, Stamp};",
            "src/pose.rs:1: pose touches the clock: crate::stamp::Clock",
        ),
        (
            "src/zones.rs",
            "use std::collections::HashMap;",
            "src/zones.rs:1: zones touches the hash order: std::collections::HashMap",
        ),
        (
            "src/track.rs",
            "fn f() { std::thread::spawn(|| ()); }",
            "src/track.rs:1: track touches the threads: std::thread::spawn",
        ),
        (
            "src/act/rules.rs",
            "fn f() { tracing::info!(\"x\"); }",
            "src/act/rules.rs:1: act::rules touches the log: tracing::info",
        ),
        (
            "src/behaviour.rs",
            "#[derive(serde::Serialize)] struct A;",
            "src/behaviour.rs:1: behaviour touches the serde: serde::Serialize",
        ),
        (
            "src/decode/h264.rs",
            "use tokio::sync::Mutex;",
            "src/decode/h264.rs:1: decode touches the async: tokio::sync::Mutex",
        ),
        ("src/track.rs", "use crate::sink::wire;", "src/track.rs:1: track imports sink, through a wall"),
        ("src/act/pin.rs", "use super::super::sink::Wire;", "src/act/pin.rs:1: act imports sink, through a wall"),
        (
            "src/pipeline.rs",
            "use crate::{config, rehearsal};",
            "src/pipeline.rs:1: pipeline imports rehearsal, through a wall",
        ),
        ("src/handover.rs", "use crate::ledger::Ledger;", "src/handover.rs:1: handover imports ledger, through a wall"),
        ("src/stamp.rs", "use crate::handover::Scene;", "src/stamp.rs:1: stamp imports handover, through a wall"),
        (
            "src/track.rs",
            "fn f() { unsafe { g() } }",
            "src/track.rs:1: unsafe is allowed in no file but [\"src/decode/nvdec/nvbuf.rs\", \
             \"src/decode/nvdec/system.rs\", \"src/infer/tensorrt/ffi.rs\", \"src/infer/tensorrt/ffi/input.rs\", \
             \"src/source/v4l2/kernel.rs\"]",
        ),
        (
            "src/attic.rs",
            "",
            "src/attic.rs:1: the room attic is not in the table of tests/rooms.rs; give it its rights there",
        ),
    ];
    for (file, text, told) in holes {
        assert_eq!(broken(file, text), [told], "{text}");
    }
}

#[test]
fn comments_strings_and_tests_are_no_imports() {
    for text in [
        "// use std::time::Instant;",
        "/* a /* nested */ std::thread::spawn */ fn f() {}",
        "fn f() -> &'static str { \"std::thread::spawn \\\" unsafe\" }",
        "fn f() -> &'static str { r#\"use \"crate::sink\" unsafe\"# }",
        "fn f(c: char) -> bool { c == '\"' || c == '\\'' } // unsafe",
        "#[cfg(test)]\nmod tests {\n    use std::time::Instant;\n    fn f() { if true { unsafe {} } }\n}",
        "#![deny(unsafe_code)]",
        "use crate::{stamp::Stamp, zones::Zones}; use super::config;",
    ] {
        assert_eq!(broken("src/track.rs", text), [""; 0], "{text}");
    }
}
