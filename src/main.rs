//! The program: command line, log, exit code.
#![deny(unsafe_code)]

mod commands;

use clap::Parser;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let line = commands::CommandLine::parse();
    // The demo's broker logs each ordinary goodbye as an error, retina each habit of a camera; `--log` can ask for both again.
    let filter = match EnvFilter::try_new(format!("rumqttd=off,retina=warn,{}", line.log)) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("arenad: --log: {error}; allowed: a level such as info, or module=level pairs");
            return ExitCode::from(2);
        }
    };
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
    commands::run(line)
}
