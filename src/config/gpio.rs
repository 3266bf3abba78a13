//! The section `[gpio]`: which line of which chip the rules drive, and for how long at most.

use super::Rule;
use super::section::Section;
use std::path::PathBuf;
use std::time::Duration;

/// The output that rules drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpio {
    /// The chip's device, `/dev/gpiochip0`.
    pub chip: PathBuf,
    /// Which of its lines.
    pub line: GpioLine,
    /// Active is the low level.
    pub active_low: bool,
    /// Names of the rules that drive it; `None`: all of them.
    pub rules: Option<Vec<String>>,
    /// It is never active for longer without a pause, whatever the rules ask for.
    pub longest_pulse: Duration,
}

impl Gpio {
    /// The rule of this name drives the line.
    pub fn driven_by(&self, rule: &str) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.iter().any(|name| name == rule))
    }
}

/// A line of a chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpioLine {
    /// Its number on the chip.
    Number(u32),
    /// The name that the board gives it.
    Name(String),
}

/// Most lines of a chip that a number may count.
const LINE_MAX: u32 = 65_535;
/// Longest name that the kernel keeps.
const NAME_MAX: usize = 31;

pub(super) fn read(mut section: Section<'_>) -> Option<Gpio> {
    let chip = section.required_text("chip", "\"/dev/gpiochip0\"").map(PathBuf::from);
    let chip = chip.filter(|chip| {
        let fine = chip.is_absolute();
        if !fine {
            section.complain("chip", format!("got {chip:?}; allowed: a path such as \"/dev/gpiochip0\""));
        }
        fine
    });
    let line = line(&mut section);
    let active_low = section.truth("active_low", false);
    let rules = section.texts("rules");
    if rules.as_ref().is_some_and(Vec::is_empty) {
        section.complain("rules", "is empty; name a rule, or leave the key out for all of them");
    }
    let longest_pulse = section.millis("longest_pulse_ms", 1000, 1..=10_000);
    section.finish();
    Some(Gpio { chip: chip?, line: line?, active_low, rules, longest_pulse })
}

fn line(section: &mut Section<'_>) -> Option<GpioLine> {
    let line = section.number_or_text("line", "17 or line = \"PAC.06\"", LINE_MAX.into())?;
    match line {
        Ok(number) => u32::try_from(number).ok().map(GpioLine::Number),
        Err(name) if name.len() <= NAME_MAX => Some(GpioLine::Name(name)),
        Err(name) => {
            section.complain("line", format!("got {name:?}; allowed: a number, or a name of at most {NAME_MAX} bytes"));
            None
        }
    }
}

/// The rules that drive the line are there, and none asks for more than the line gives.
pub(super) fn check(top: &mut Section<'_>, gpio: Option<&Gpio>, rules: &[Rule]) {
    let Some(gpio) = gpio else { return };
    let known: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
    for name in gpio.rules.iter().flatten().filter(|name| !known.contains(&name.as_str())) {
        let allowed = if known.is_empty() { "none: write a [[rule]] first".to_owned() } else { known.join(", ") };
        top.complain("gpio.rules", format!("names {name:?}; allowed: {allowed}"));
    }
    for rule in rules.iter().filter(|rule| gpio.driven_by(&rule.name) && rule.pulse > gpio.longest_pulse) {
        let (pulse, longest) = (rule.pulse.as_millis(), gpio.longest_pulse.as_millis());
        top.complain(
            "gpio.longest_pulse_ms",
            format!(
                "is {longest}, and rule {:?} has pulse_ms = {pulse}; allowed: at least as long as each pulse",
                rule.name
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, Secrets};

    const LEAST: &str = "arena = \"a1\"\n[camera]\nurl = \"rtsp://10.0.0.20/stream\"\n";
    const RULE: &str = "[[zone]]\nname = \"Z\"\ncorners_px = [[0, 0], [9, 0], [9, 9]]\n\
                        [[rule]]\nname = \"reward\"\nkeypoint = \"nose\"\nzone = \"Z\"\npulse_ms = 50\n";

    fn read(gpio: &str) -> Result<Option<Gpio>, ConfigError> {
        Config::read(&format!("{LEAST}{RULE}[gpio]\n{gpio}"), &Secrets::default()).map(|config| config.gpio)
    }

    #[test]
    fn a_chip_and_a_line_are_enough() {
        let gpio = read("chip = \"/dev/gpiochip0\"\nline = 17\n").expect("valid").expect("a line");
        assert_eq!(
            gpio,
            Gpio {
                chip: "/dev/gpiochip0".into(),
                line: GpioLine::Number(17),
                active_low: false,
                rules: None,
                longest_pulse: Duration::from_secs(1),
            }
        );
        assert!(gpio.driven_by("reward"));
    }

    #[test]
    fn a_line_has_a_name_a_sense_and_rules() {
        let written = "chip = \"/dev/laser\"\nline = \"PAC.06\"\nactive_low = true\nrules = [\"reward\"]\nlongest_pulse_ms = 50\n";
        let gpio = read(written).expect("valid").expect("a line");
        assert_eq!((gpio.line, gpio.active_low), (GpioLine::Name("PAC.06".into()), true));
        assert_eq!((gpio.rules, gpio.longest_pulse), (Some(vec!["reward".into()]), Duration::from_millis(50)));
    }

    #[test]
    fn each_bad_value_is_named_with_what_is_allowed() {
        const CHIP: &str = "chip = \"/dev/gpiochip0\"\n";
        const BOTH: &str = "chip = \"/dev/gpiochip0\"\nline = 17\n";
        let long = format!("{CHIP}line = \"{}\"\n", "x".repeat(32));
        for (written, expected) in [
            ("line = 17\n".to_owned(), "gpio.chip: is missing; write for example chip = \"/dev/gpiochip0\"".to_owned()),
            (
                "chip = \"gpiochip0\"\nline = 17\n".to_owned(),
                "gpio.chip: got \"gpiochip0\"; allowed: a path such as \"/dev/gpiochip0\"".to_owned(),
            ),
            ("chip = 0\nline = 17\n".to_owned(), "gpio.chip: got 0; allowed: text in quotes".to_owned()),
            (CHIP.to_owned(), "gpio.line: is missing; write for example line = 17 or line = \"PAC.06\"".to_owned()),
            (
                format!("{CHIP}line = -1\n"),
                "gpio.line: got -1; allowed: a whole number from 0 to 65535, or a name in quotes".to_owned(),
            ),
            (
                format!("{CHIP}line = 65536\n"),
                "gpio.line: got 65536; allowed: a whole number from 0 to 65535, or a name in quotes".to_owned(),
            ),
            (
                format!("{CHIP}line = true\n"),
                "gpio.line: got true; allowed: a whole number from 0 to 65535, or a name in quotes".to_owned(),
            ),
            (
                format!("{CHIP}line = \"\"\n"),
                "gpio.line: got \"\"; allowed: a whole number from 0 to 65535, or a name in quotes".to_owned(),
            ),
            (
                long,
                format!("gpio.line: got \"{}\"; allowed: a number, or a name of at most 31 bytes", "x".repeat(32)),
            ),
            (format!("{BOTH}active_low = 1\n"), "gpio.active_low: got 1; allowed: true or false".to_owned()),
            (
                format!("{BOTH}rules = \"reward\"\n"),
                "gpio.rules: got \"reward\"; allowed: a list of names in quotes".to_owned(),
            ),
            (
                format!("{BOTH}rules = [3]\n"),
                "gpio.rules: got a list of 1; allowed: a list of names in quotes".to_owned(),
            ),
            (
                format!("{BOTH}rules = []\n"),
                "gpio.rules: is empty; name a rule, or leave the key out for all of them".to_owned(),
            ),
            (format!("{BOTH}rules = [\"rewrd\"]\n"), "gpio.rules: names \"rewrd\"; allowed: reward".to_owned()),
            (
                format!("{BOTH}longest_pulse_ms = 0\n"),
                "gpio.longest_pulse_ms: got 0; allowed: a whole number from 1 to 10000".to_owned(),
            ),
            (
                format!("{BOTH}longest_pulse_ms = 20\n"),
                "gpio.longest_pulse_ms: is 20, and rule \"reward\" has pulse_ms = 50; allowed: at least as long as each pulse"
                    .to_owned(),
            ),
            (
                format!("{BOTH}pin = 3\n"),
                "gpio.pin: is not a key here; allowed: chip, line, active_low, rules, longest_pulse_ms".to_owned(),
            ),
        ] {
            let said = read(&written).expect_err(&written).to_string();
            assert_eq!(said, format!("configuration: 1 thing(s) to mend\n  {expected}"), "{written}");
        }
    }

    #[test]
    fn a_rule_that_does_not_drive_the_line_may_pulse_for_longer() {
        let other = "[[rule]]\nname = \"long\"\nkeypoint = \"nose\"\nzone = \"Z\"\npulse_ms = 900\n";
        let gpio = "[gpio]\nchip = \"/dev/gpiochip0\"\nline = 1\nrules = [\"reward\"]\nlongest_pulse_ms = 60\n";
        let config = Config::read(&format!("{LEAST}{RULE}{other}{gpio}"), &Secrets::default()).expect("valid");
        let gpio = config.gpio.expect("a line");
        assert_eq!((gpio.driven_by("reward"), gpio.driven_by("long")), (true, false));
    }

    #[test]
    fn rules_that_are_nowhere_are_told() {
        let text = format!("{LEAST}[gpio]\nchip = \"/dev/gpiochip0\"\nline = 1\nrules = [\"reward\"]\n");
        let said = Config::read(&text, &Secrets::default()).expect_err("refused").to_string();
        assert!(said.contains("gpio.rules: names \"reward\"; allowed: none: write a [[rule]] first"), "{said}");
    }
}
