//! The command line: arguments, settings, progress, exit codes.
//!
//! Architecture invariant: nothing is graded here. A command checks its arguments, asks the pipeline, and shows what
//! comes back. This is the only layer that prints, and the only one that uses anyhow: errors end here, and
//! [`Exit::of_error`] says whose fault each is.

pub mod args;
pub mod batch;
pub mod check;
pub mod doctor;
pub mod exit;
pub mod explain;
pub mod grading;
pub mod hint;
mod isolation;
pub mod judge;
pub mod list;
pub mod progress;
pub mod settings;
pub mod terminal;
pub mod trace;
pub mod verify;

use std::process::ExitCode;

use args::{CheckArgs, CheckOptions, Cli, Command};
use clap::Parser;
use exit::{Exit, Usage};
use settings::Settings;

/// Runs the program with the arguments that it was started with.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => run(&cli).into(),
        // clap writes to standard output for --help and --version; a reader that has gone is no error there either.
        Err(error) => {
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Passed }.into()
        }
    }
}

fn run(cli: &Cli) -> Exit {
    let settings = Settings::new(&cli.global);
    dispatch(cli, &settings).unwrap_or_else(|error| {
        settings.terminal.complain(&told(&error));
        Exit::of_error(&error)
    })
}

/// An error with its causes, those left out that it has told of itself.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn dispatch(cli: &Cli, settings: &Settings) -> anyhow::Result<Exit> {
    if cli.command.is_some() && cli.check != CheckOptions::default() {
        let message = "options of `check` stand before another command: write them behind `check`";
        return Err(Usage(message.to_owned()).into());
    }
    match &cli.command {
        None => check::run(&CheckArgs { exercises: Vec::new(), options: cli.check.clone() }, settings),
        Some(Command::Check(args)) => check::run(args, settings),
        Some(Command::List) => list::run(settings),
        Some(Command::Hint(args)) => hint::run(args, settings),
        Some(Command::Explain(args)) => explain::run(args, settings),
        Some(Command::Trace(args)) => trace::run(args, settings),
        Some(Command::Judge(args)) => judge::run(args, settings),
        Some(Command::Batch(args)) => batch::run(args, settings),
        Some(Command::Verify(args)) => verify::run(args, settings),
        Some(Command::Doctor) => doctor::run(settings),
        Some(Command::Worker { runner }) => Ok(crate::pipeline::worker::serve(*runner).map(|()| Exit::Passed)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::record::RecordError;

    #[test]
    fn a_cause_is_told_once() {
        let failed = RecordError::Start(nix::errno::Errno::EAGAIN);
        let once = failed.to_string();
        assert!(once.contains("EAGAIN"), "{once}");
        let error = anyhow::Error::new(failed);
        assert_eq!(told(&error), once);
        assert_eq!(told(&error.context("failed to look")), format!("failed to look: {once}"));
    }
}
