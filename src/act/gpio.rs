//! A line of a GPIO chip as the pin: found on its chip, held as an output, inactive whenever no pulse runs.
//!
//! The kernel gives a held line back when the process ends, however it ends. What the line's level is from then on is the
//! chip's driver's and the board's business; `hardware.md` (Wiring) says what that means for the wiring.

#[cfg(feature = "gpio")]
mod chardev;
#[cfg(test)]
mod tests;

use super::pin::{Pin, PinError};
use crate::config::{Gpio, GpioLine};
use std::io;

/// Why a line cannot be the pin.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    /// The program was built without it.
    #[error(
        "gpio: [gpio] is configured, and this arenad was built without the feature gpio; build it with cargo build --release \
         --features gpio, or leave [gpio] out (rules are then told and timed all the same)"
    )]
    NotBuilt,
    /// The device is not there, or is something else.
    #[error("gpio: chip {chip} {what}; there: {}; correct gpio.chip (gpiodetect tells the chips apart)", listed(.there))]
    NoChip {
        /// As configured.
        chip: String,
        /// `is not there` or `is no GPIO chip`.
        what: &'static str,
        /// Chips that are there.
        there: Vec<String>,
    },
    /// The device is not this user's to open.
    #[error("gpio: chip {chip}: permission denied; {remedy}")]
    Forbidden {
        /// As configured.
        chip: String,
        /// Who may open it, and what to do.
        remedy: String,
    },
    /// The chip has fewer lines.
    #[error("gpio: line {number} of {chip} is not there; allowed: 0 to {last}; correct gpio.line")]
    NoLine {
        /// The chip's name.
        chip: String,
        /// As configured.
        number: u32,
        /// Its last line.
        last: u32,
    },
    /// No line has this name.
    #[error("gpio: line {name:?} is not on {chip}; named there: {}; correct gpio.line or give its number", listed(.there))]
    NoName {
        /// The chip's name.
        chip: String,
        /// As configured.
        name: String,
        /// Names of some lines that have one.
        there: Vec<String>,
    },
    /// The name does not tell which line.
    #[error(
        "gpio: line {name:?} of {chip} stands for {count} lines; allowed: a name that one line has; give its number"
    )]
    Ambiguous {
        /// The chip's name.
        chip: String,
        /// As configured.
        name: String,
        /// How many lines have it.
        count: usize,
    },
    /// Somebody else holds the line.
    #[error(
        "gpio: {line} is in use by {by:?}; a line has one holder at a time; stop that program or choose another line"
    )]
    InUse {
        /// The line in words.
        line: String,
        /// What the holder calls itself.
        by: String,
    },
    /// The system does not do it.
    #[error("gpio: {what}: {source}; the line must be able to be an output; look into the kernel's log (dmesg)")]
    System {
        /// The chip or line in words.
        what: String,
        /// The system's words.
        source: io::Error,
    },
}

impl GpioError {
    /// It may go away by itself: trying again later makes sense.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::System { .. })
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A GPIO chip: the kernel's character device, or a simulated one in tests.
pub trait Chip {
    /// Its name in messages, `gpiochip0 [label]`.
    fn name(&self) -> &str;

    /// How many lines it has.
    fn lines(&self) -> u32;

    /// What is known of a line.
    fn line(&self, number: u32) -> Result<LineState, io::Error>;

    /// Holds the line under the name `holder` as an output that is inactive from the first moment on. Dropping what is
    /// returned gives the line back.
    fn hold(&self, number: u32, active_low: bool, holder: &str) -> Result<Box<dyn Line>, io::Error>;
}

/// What is known of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineState {
    /// The name that the board gives it; may be empty.
    pub name: String,
    /// Who holds it.
    pub held_by: Option<String>,
}

/// A line that is held.
pub trait Line: Send {
    /// Makes it active or inactive.
    fn set(&mut self, active: bool) -> Result<(), io::Error>;
}

/// A held line as the pin; high is active. Dropping it makes the line inactive, then gives it back.
pub struct GpioPin {
    name: String,
    line: Box<dyn Line>,
}

impl std::fmt::Debug for GpioPin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GpioPin").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Longest name of a holder that the kernel keeps, bytes.
const HOLDER_MAX: usize = 31;
/// Names that a message lists at most.
const NAMES_TOLD: usize = 12;

impl GpioPin {
    /// Opens the configured chip and holds its line for `arena`.
    #[cfg(feature = "gpio")]
    pub fn open(gpio: &Gpio, arena: &str) -> Result<Self, GpioError> {
        Self::on(&chardev::Device::open(&gpio.chip)?, gpio, arena)
    }

    /// Says that this program cannot.
    #[cfg(not(feature = "gpio"))]
    pub fn open(_: &Gpio, _: &str) -> Result<Self, GpioError> {
        Err(GpioError::NotBuilt)
    }

    /// Holds the configured line of `chip` for `arena`.
    pub fn on(chip: &dyn Chip, gpio: &Gpio, arena: &str) -> Result<Self, GpioError> {
        let number = find(chip, &gpio.line)?;
        let state = look(chip, number)?;
        let name = in_words(chip, number, &state.name);
        if let Some(by) = state.held_by {
            return Err(GpioError::InUse { line: name, by });
        }
        let mut holder = format!("arenad {arena}");
        holder.truncate(holder.floor_char_boundary(HOLDER_MAX));
        match chip.hold(number, gpio.active_low, &holder) {
            Ok(line) => Ok(Self { name, line }),
            // Somebody was quicker.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                let by = look(chip, number)?.held_by.unwrap_or_else(|| "somebody".to_owned());
                Err(GpioError::InUse { line: name, by })
            }
            Err(source) => Err(GpioError::System { what: name, source }),
        }
    }
}

impl Pin for GpioPin {
    fn name(&self) -> &str {
        &self.name
    }

    fn set(&mut self, high: bool) -> Result<(), PinError> {
        self.line.set(high).map_err(|error| PinError {
            pin: self.name.clone(),
            what: format!("could not be made {}: {error}", if high { "active" } else { "inactive" }),
        })
    }
}

impl Drop for GpioPin {
    fn drop(&mut self) {
        // A line that refuses is given back all the same; there is nothing else to do with it.
        let _ = self.line.set(false);
    }
}

/// The number of the line that is meant.
fn find(chip: &dyn Chip, line: &GpioLine) -> Result<u32, GpioError> {
    let lines = chip.lines();
    match line {
        GpioLine::Number(number) if *number < lines => Ok(*number),
        GpioLine::Number(number) => {
            Err(GpioError::NoLine { chip: chip.name().to_owned(), number: *number, last: lines.saturating_sub(1) })
        }
        GpioLine::Name(name) => {
            let (mut found, mut there) = (Vec::new(), Vec::new());
            for number in 0..lines {
                let state = look(chip, number)?;
                if state.name == *name {
                    found.push(number);
                } else if !state.name.is_empty() && there.len() < NAMES_TOLD {
                    there.push(state.name);
                }
            }
            let chip = chip.name().to_owned();
            match found[..] {
                [number] => Ok(number),
                [] => Err(GpioError::NoName { chip, name: name.clone(), there }),
                _ => Err(GpioError::Ambiguous { chip, name: name.clone(), count: found.len() }),
            }
        }
    }
}

fn look(chip: &dyn Chip, number: u32) -> Result<LineState, GpioError> {
    chip.line(number).map_err(|source| GpioError::System { what: in_words(chip, number, ""), source })
}

fn in_words(chip: &dyn Chip, number: u32, name: &str) -> String {
    let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
    format!("line {number}{name} of {}", chip.name())
}
