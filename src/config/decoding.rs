//! The section `[decode]`: what decodes H.264 and H.265.

use super::section::Section;
use std::path::PathBuf;

/// What decodes pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoding {
    /// What decodes H.264 and H.265.
    pub engine: DecodeEngine,
    /// The decoder's device; `None` looks where a Jetson has it.
    pub device: Option<PathBuf>,
}

/// What decodes H.264 and H.265. One that is asked for and cannot be used is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecodeEngine {
    /// The decoders in the program, on the CPU.
    #[default]
    BuiltIn,
    /// A V4L2 memory-to-memory decoder.
    Nvdec,
}

impl DecodeEngine {
    /// The words of the configuration.
    pub const WORDS: [(&'static str, Self); 2] = [("built-in", Self::BuiltIn), ("nvdec", Self::Nvdec)];
}

pub(super) fn read(mut section: Section<'_>) -> Decoding {
    let engine = section.choice("engine", DecodeEngine::BuiltIn, &DecodeEngine::WORDS);
    let device = section.path("device");
    if let Some(device) = &device {
        if engine != DecodeEngine::Nvdec {
            section.complain("device", "goes with engine = \"nvdec\"; write both or neither");
        } else if !device.is_absolute() {
            section.complain("device", format!("got {device:?}; allowed: a path such as \"/dev/video0\""));
        }
    }
    section.finish();
    Decoding { engine, device }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Secrets};

    const LEAST: &str = "arena = \"a1\"\n[camera]\nurl = \"rtsp://10.0.0.20/stream\"\n";

    fn read(decode: &str) -> Result<Decoding, String> {
        let text = format!("{LEAST}[decode]\n{decode}");
        Config::read(&text, &Secrets::default()).map(|config| config.decode).map_err(|error| error.to_string())
    }

    #[test]
    fn the_decoders_in_the_program_are_the_default() {
        let config = Config::read(LEAST, &Secrets::default()).expect("valid");
        assert_eq!(config.decode, Decoding { engine: DecodeEngine::BuiltIn, device: None });
    }

    #[test]
    fn a_device_is_named_with_its_engine() {
        let decoding = read("engine = \"nvdec\"\ndevice = \"/dev/video10\"\n").expect("valid");
        assert_eq!(decoding, Decoding { engine: DecodeEngine::Nvdec, device: Some("/dev/video10".into()) });
        assert_eq!(read("engine = \"nvdec\"\n").expect("valid").device, None);
    }

    #[test]
    fn each_bad_value_is_named_with_what_is_allowed() {
        for (written, expected) in [
            ("engine = \"cuda\"\n", "decode.engine: got \"cuda\"; allowed: \"built-in\", \"nvdec\""),
            ("device = \"/dev/video0\"\n", "decode.device: goes with engine = \"nvdec\"; write both or neither"),
            (
                "engine = \"nvdec\"\ndevice = \"video0\"\n",
                "decode.device: got \"video0\"; allowed: a path such as \"/dev/video0\"",
            ),
            ("codec = 1\n", "decode.codec: is not a key here; allowed: engine, device"),
        ] {
            assert_eq!(read(written), Err(format!("configuration: 1 thing(s) to mend\n  {expected}")), "{written}");
        }
    }
}
