//! The twin of what the machine says about its heat and power.

use serde::Serialize;
use std::collections::BTreeMap;

/// The machine's own readings, by the system's names; a kind that the machine does not have is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BoardMessage {
    /// Temperatures, degrees Celsius.
    pub temperatures_c: BTreeMap<String, f64>,
    /// Powers of the supply rails, watts.
    pub powers_w: BTreeMap<String, f64>,
    /// Steps by which each part is cooled or slowed down; 0 is not at all.
    pub cooling: BTreeMap<String, u64>,
    /// How often each rail drew too much since the machine started.
    pub overcurrents: BTreeMap<String, u64>,
}

impl BoardMessage {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
