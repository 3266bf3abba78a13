//! What became of the coats, kept from one start of the daemon to the next: a small file beside the arena's rolling files.

use arenad::config::Config;
use arenad::model::{Contract, FollowedCoats, WrittenCoat};
use arenad::pipeline::Daemon;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// It is written this often, and at the end.
const EVERY: Duration = Duration::from_secs(600);

/// Where it is kept; nowhere without rolling files or without coats.
pub(super) struct Kept {
    file: Option<PathBuf>,
    coats: Vec<WrittenCoat>,
    next: Instant,
}

impl Kept {
    /// Gives the contract's coats what was kept of them. A damaged file is told and left: the enrolled coats hold.
    pub(super) fn recall(config: &Config, contract: &mut Contract) -> Self {
        let folder = config.files.as_ref().map(|files| files.folder.join(&config.arena));
        let file = folder.filter(|_| contract.coats.is_some()).map(|folder| folder.join("coats-followed.toml"));
        let coats = contract.coats.as_ref().map(|coats| coats.coats.clone()).unwrap_or_default();
        if let (Some(file), Some(coats)) = (&file, &mut contract.coats) {
            match FollowedCoats::read(file) {
                Ok(Some(known)) => tracing::info!("{}: {} coat(s) as they were", file.display(), coats.recall(&known)),
                Ok(None) => {}
                Err(error) => tracing::warn!("{error}; the coats are taken as enrolled"),
            }
        }
        Self { file, coats, next: Instant::now() + EVERY }
    }

    /// Writes it, where it is due.
    pub(super) fn look(&mut self, daemon: &Daemon, now: Instant) {
        if now >= self.next {
            self.next = now + EVERY;
            self.keep(daemon);
        }
    }

    /// Writes it.
    pub(super) fn keep(&self, daemon: &Daemon) {
        let became = daemon.became();
        let became = became.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(file) = self.file.as_ref().filter(|_| !became.is_empty())
            && let Err(error) = FollowedCoats::new(&self.coats, &became).write(file)
        {
            tracing::warn!("{}: {error}; after a restart the coats are as enrolled", file.display());
        }
    }
}
