//! `arenad run`: the daemon, until a signal or a fault ends it.

use super::{Failure, configuration, fatal};
use arenad::config::{self, Config, Secrets};
use arenad::handover::{Line, Taken};
use arenad::ledger::Ledger;
use arenad::model::{Contract, FollowedCoats, WrittenCoat};
use arenad::pipeline::{Daemon, Notice, PipelineError, Plan};
use arenad::stamp::Clock;
use sd_notify::NotifyState;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Runs until SIGTERM or SIGINT. A camera or broker that is away is waited for and retried for ever.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The configuration, see systemd/arenad.toml.
    config: PathBuf,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = Config::read_file(&args.config, &secrets()).map_err(configuration)?;
    let mut contract = arena_contract(&config.model)?;
    let kept = config.files.as_ref().map(|files| Kept::recall(&files.folder.join(&config.arena), &mut contract));
    let plan = Plan {
        config: &config,
        contract: &contract,
        clock: Clock::new(),
        ledger: Arc::new(Ledger::default()),
        witness: None,
    };
    let mut daemon = Daemon::start(plan).map_err(start_failure)?;
    heed_signals(&daemon.notices())?;
    tell_systemd(&[NotifyState::Ready]);
    let precision = daemon.precision();
    tracing::info!(arena = config.arena, engine = daemon.engine(), %precision, "started");
    if let Some(address) = daemon.web_addr() {
        tracing::info!("live page: http://{address}/");
    }
    let ended = wait(&daemon, kept.as_ref());
    tell_systemd(&[NotifyState::Stopping]);
    daemon.stop();
    if let Some(kept) = &kept {
        kept.keep(&daemon);
    }
    tracing::info!("stopped");
    ended
}

/// What became of the coats is written this often, and at the end.
const KEEP_EVERY: Duration = Duration::from_secs(600);

/// Where what became of the coats is kept from one start to the next: beside the arena's files.
struct Kept {
    file: PathBuf,
    coats: Vec<WrittenCoat>,
}

impl Kept {
    /// Gives the contract's coats what was kept of them. A damaged file is told and left: the enrolled coats hold.
    fn recall(folder: &Path, contract: &mut Contract) -> Self {
        let file = folder.join("coats-followed.toml");
        let enrolled = contract.coats.as_ref().map(|coats| coats.coats.clone()).unwrap_or_default();
        match (FollowedCoats::read(&file), &mut contract.coats) {
            (Ok(Some(known)), Some(coats)) => {
                let recalled = coats.recall(&known);
                tracing::info!("{}: {recalled} coat(s) taken up as they were", file.display());
            }
            (Err(error), _) => tracing::warn!("{error}; the coats are taken as enrolled"),
            _ => {}
        }
        Self { file, coats: enrolled }
    }

    fn keep(&self, daemon: &Daemon) {
        let became = daemon.became();
        let became = became.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if became.is_empty() || self.coats.is_empty() {
            return;
        }
        if let Err(error) = FollowedCoats::new(&self.coats, &became).write(&self.file) {
            tracing::warn!("{}: {error}; the coats are taken as enrolled after a restart", self.file.display());
        }
    }
}

/// Waits for a reason to end.
fn wait(daemon: &Daemon, kept: Option<&Kept>) -> Result<(), Failure> {
    loop {
        match daemon.wait(KEEP_EVERY) {
            Taken::Value(Notice::Stop) | Taken::Closed => return Ok(()),
            Taken::Value(Notice::Camera(error)) => return Err(configuration(error)),
            Taken::Value(Notice::Ended(thread)) => {
                return Err(fatal(format!("thread {thread}: ended by itself; the log says why")));
            }
            Taken::Value(Notice::FirstScene) => tracing::info!("first scene"),
            Taken::Nothing => {
                if let Some(kept) = kept {
                    kept.keep(daemon);
                }
            }
        }
    }
}

/// SIGTERM and SIGINT end the daemon in order; a second one ends it at once.
pub(super) fn heed_signals(notices: &Arc<Line<Notice>>) -> Result<(), Failure> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT]).map_err(fatal)?;
    let notices = Arc::clone(notices);
    let heed = move || {
        let mut heard = 0;
        for _ in &mut signals {
            heard += 1;
            if heard > 1 {
                std::process::exit(1);
            }
            notices.offer(Notice::Stop);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(heed).map_err(fatal)?;
    Ok(())
}

fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd: {error}");
    }
}

/// Where systemd puts credentials; its own interface is this variable.
#[allow(clippy::disallowed_methods)]
pub(super) fn secrets() -> Secrets {
    Secrets { credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from) }
}

/// The model that `folder` means.
pub(super) fn contract(folder: Option<&Path>) -> Result<Contract, Failure> {
    Contract::find(folder).map_err(configuration)
}

/// The model with the arena's own coats.
pub(super) fn arena_contract(model: &config::Model) -> Result<Contract, Failure> {
    contract(model.folder.as_deref())?.with_coats(model.coats.as_deref()).map_err(configuration)
}

/// A full disk may be emptied and a thread may be had later; everything else is the configuration's.
pub(super) fn start_failure(error: PipelineError) -> Failure {
    match error {
        PipelineError::Thread { .. } => fatal(error),
        error => configuration(error),
    }
}
