//! Progress of long work: a bar on a terminal, a line every few seconds in a log.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Tells how far a piece of work is. Drawn on stderr, so that stdout stays clean for results.
pub(super) struct Progress {
    bar: ProgressBar,
    what: &'static str,
    total: Option<u64>,
    logged: Instant,
}

const LOG_EVERY: Duration = Duration::from_secs(5);

impl Progress {
    /// Work of `total` steps, or of unknown length.
    pub(super) fn new(what: &'static str, unit: &str, total: Option<u64>) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(8));
            let template = match total {
                Some(_) => format!("{{msg}} {{bar:32}} {{pos}}/{{len}} {unit} {{per_sec}} {{eta}} left"),
                None => format!("{{msg}} {{spinner}} {{pos}} {unit} {{per_sec}}"),
            };
            // A template of ours that indicatif refuses would be a slip; its plain style then serves.
            bar.with_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            ProgressBar::hidden()
        };
        bar.set_message(what);
        Self { bar, what, total, logged: Instant::now() }
    }

    /// `done` steps are done.
    pub(super) fn at(&mut self, done: u64) {
        self.bar.set_position(done);
        if self.bar.is_hidden() && self.logged.elapsed() >= LOG_EVERY {
            self.logged = Instant::now();
            match self.total {
                Some(total) => tracing::info!("{}: {done} of {total}", self.what),
                None => tracing::info!("{}: {done}", self.what),
            }
        }
    }

    /// The work is over.
    pub(super) fn done(self) {
        self.bar.finish_and_clear();
    }
}
