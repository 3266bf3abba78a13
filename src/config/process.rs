//! The section `[process]`: how the system runs the daemon's threads.

use super::section::Section;

/// Highest priority that is taken: from 50 on the kernel's own interrupt threads run, which the network and the disk need.
pub const REALTIME_PRIORITY_MAX: u8 = 49;

/// How the system runs the daemon's threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Priority of `SCHED_FIFO` for the threads between camera and pin, 1 to `REALTIME_PRIORITY_MAX`; `None` is ordinary scheduling.
    pub realtime_priority: Option<u8>,
}

pub(super) fn read(mut section: Section<'_>) -> Process {
    let priority = section.whole("realtime_priority", 0, 0..=REALTIME_PRIORITY_MAX.into()) as u8;
    section.finish();
    Process { realtime_priority: (priority > 0).then_some(priority) }
}
