//! The program: command line, log, exit code.
#![deny(unsafe_code)]

mod commands;

use clap::Parser;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let line = commands::CommandLine::parse();
    let filter = match EnvFilter::try_new(&line.log) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("arenad: --log: {error}; allowed: a level such as info, or module=level pairs");
            return ExitCode::from(2);
        }
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    commands::run(line)
}
