//! `arenad run`: the daemon, until a signal or a fault ends it.

use super::claim::Claim;
use super::kept::Kept;
use super::service::{self, Watch};
use super::{Failure, configuration, fatal};
use arenad::act::ActError;
use arenad::config::{self, Config, Secrets};
use arenad::handover::{Line, Taken};
use arenad::ledger::Ledger;
use arenad::model::Contract;
use arenad::pipeline::{Daemon, Notice, PipelineError, Plan};
use arenad::stamp::Clock;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Runs until SIGTERM or SIGINT. A camera or broker that is away is waited for and retried for ever.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The configuration, see systemd/arenad.toml.
    config: PathBuf,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = Config::read_file(&args.config, &secrets()).map_err(configuration)?;
    let _claim = Claim::on(&config.arena)?;
    let mut contract = arena_contract(&config.model)?;
    let mut kept = Kept::recall(&config, &mut contract);
    let (clock, ledger) = (Clock::new(), Arc::new(Ledger::default()));
    let plan = Plan {
        config: &config,
        contract: &contract,
        clock,
        ledger: Arc::clone(&ledger),
        witness: None,
        progress: &service::starting,
    };
    let mut daemon = Daemon::start(plan).map_err(start_failure)?;
    heed_signals(&daemon.notices())?;
    service::ready();
    let precision = daemon.precision();
    tracing::info!(arena = config.arena, engine = daemon.engine(), %precision, "started");
    if let Some(address) = daemon.web_addr() {
        tracing::info!("live page: http://{address}/");
    }
    let ended = wait(&daemon, Watch::over(&daemon, &ledger, clock), &mut kept);
    service::stopping();
    daemon.stop();
    kept.keep(&daemon);
    tracing::info!("stopped");
    ended
}

/// Watches the threads until there is a reason to end.
fn wait(daemon: &Daemon, mut watch: Watch, kept: &mut Kept) -> Result<(), Failure> {
    let mut next = Instant::now() + watch.every();
    loop {
        let now = Instant::now();
        if now >= next {
            watch.look(daemon);
            kept.look(daemon, now);
            next = now + watch.every();
        }
        match daemon.wait(next.saturating_duration_since(now)) {
            Taken::Value(Notice::Stop) | Taken::Closed => return Ok(()),
            Taken::Value(Notice::Camera(error)) => return Err(configuration(error)),
            Taken::Value(Notice::Ended(thread)) => {
                return Err(fatal(format!("thread {thread}: ended by itself; the log says why")));
            }
            Taken::Value(Notice::FirstScene) => tracing::info!("first scene"),
            Taken::Nothing => {}
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

/// A full disk may be emptied, a thread or a line be had later; everything else is the configuration's.
pub(super) fn start_failure(error: PipelineError) -> Failure {
    match error {
        PipelineError::Thread { .. } => fatal(error),
        PipelineError::Act(ActError::Gpio(ref gpio)) if gpio.may_pass() => fatal(error),
        // With the program able to use it, a decoder's device may still come.
        PipelineError::Decode(_) if cfg!(feature = "nvdec") => fatal(error),
        error => configuration(error),
    }
}
