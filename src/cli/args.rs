//! The command line, as `--help` shows it.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::course::EXERCISES;
use crate::model::{Code, Token};
use crate::sandbox::Isolation;

/// A grader for processes and interprocess communication that grades what the kernel saw.
///
/// Without a command it checks every exercise.
#[derive(Debug, Parser)]
#[command(name = "ipc-grade", version, max_term_width = 80, disable_help_subcommand = true)]
#[command(after_help = "\
Exit codes: 0 all passed, 1 something did not pass, 2 wrong usage,
3 the course is broken, 4 the grader or the machine failed, 130 interrupted.")]
pub struct Cli {
    /// What to do; `check` where nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// Options of the bare command.
    #[command(flatten, next_help_heading = "Options of the bare command")]
    pub check: CheckOptions,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The course's folder [default: the nearest one upwards with a grader.toml]
    #[arg(long, global = true, value_name = "DIR")]
    pub course: Option<PathBuf>,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Colour,
    /// Nothing but ASCII in what the grader says
    #[arg(long, global = true)]
    pub ascii: bool,
}

/// When there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Grade exercises, all of them or the named ones
    Check(CheckArgs),
    /// List the exercises
    List,
    /// Show a hint for an exercise
    Hint(HintArgs),
    /// Explain the code of a finding
    Explain(ExplainArgs),
    /// Record a program and show what its processes did
    Trace(TraceArgs),
    /// Judge a recorded trace again
    Judge(JudgeArgs),
    /// Grade a folder of submissions
    Batch(BatchArgs),
    /// Prove the course: starters fail, solutions pass, wrong programs fail as they should
    Verify(VerifyArgs),
    /// Say what this machine can do and what it lacks
    Doctor,
    /// Run attempts for a grader, told over standard input
    #[command(hide = true)]
    Worker {
        /// The grader's process: without it there is nobody to answer
        runner: u32,
    },
}

/// Arguments of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Exercises by name [default: all]
    #[arg(value_name = "EXERCISE")]
    pub exercises: Vec<String>,
    /// What and how.
    #[command(flatten)]
    pub options: CheckOptions,
}

/// Options of `check`, and of the bare command.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct CheckOptions {
    /// Whose code: exercises, solutions, a folder laid out like exercises/, or one file for one exercise
    #[arg(long, value_name = "SOURCE", default_value = EXERCISES)]
    pub source: String,
    /// One run's values and order, as a report prints them: 7f3a.12, or 12 for an order alone
    #[arg(long, value_name = "TOKEN")]
    pub seed: Option<Token>,
    /// Try 256 orders of the processes instead of the course's few
    #[arg(long, conflicts_with = "seed")]
    pub thorough: bool,
    /// Only this scenario of the exercise
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// How to write the report
    #[arg(long, value_name = "FORMAT", default_value = "terminal")]
    pub format: Format,
    /// Show every exercise in full, not only the first that is not passed
    #[arg(long)]
    pub all: bool,
    /// Keep the trace of each run that is shown, to be judged again: DIR/EXERCISE.jsonl
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// What stands between programs and this machine: L0 to L3 [default: the best that there is, see doctor]
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub isolation: Option<Isolation>,
    /// Grade everything anew, also what was graded before and has not changed
    #[arg(long)]
    pub no_cache: bool,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            source: EXERCISES.to_owned(),
            seed: None,
            thorough: false,
            scenario: None,
            format: Format::default(),
            all: false,
            record: None,
            isolation: None,
            no_cache: false,
        }
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Terminal,
    /// For programs.
    Json,
}

/// Arguments of `hint`.
#[derive(Debug, Clone, Args)]
pub struct HintArgs {
    /// The exercise
    pub exercise: String,
    /// From gentle to plain
    #[arg(long, value_name = "1..3", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub level: u8,
    /// The hint for this code or check, where the exercise has one
    #[arg(long = "for", value_name = "CODE|CHECK", conflicts_with = "level")]
    pub cause: Option<String>,
}

/// Arguments of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The code, such as F001 [default: list all codes]
    pub code: Option<Code>,
}

/// Arguments of `trace`.
#[derive(Debug, Clone, Args)]
pub struct TraceArgs {
    /// How to write the trace
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TraceFormat,
    /// Write it to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The order in which its processes run: 0 is in order of creation, others are other orders
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub seed: u32,
    /// Run the program in the box that graded programs run in
    #[arg(long = "box")]
    pub boxed: bool,
    /// Tell of each event where in the program's source it happened, where it was compiled with -g; slower
    #[arg(long)]
    pub lines: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_names = ["PROGRAM", "ARG"])]
    pub program: Vec<OsString>,
}

/// How a trace is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// Processes side by side, for people.
    Text,
    /// JSON Lines, for programs and for `judge`.
    Json,
}

/// Arguments of `judge`.
#[derive(Debug, Clone, Args)]
pub struct JudgeArgs {
    /// A trace that `trace --format json` or a grade has recorded
    pub file: PathBuf,
    /// The exercise whose expected trace and checks are meant
    #[arg(long, value_name = "NAME")]
    pub exercise: String,
    /// How to write the report
    #[arg(long, value_name = "FORMAT", default_value = "terminal")]
    pub format: Format,
}

/// Arguments of `batch`.
#[derive(Debug, Clone, Args)]
pub struct BatchArgs {
    /// A folder with a folder for each student, laid out like exercises/
    pub submissions: PathBuf,
    /// Where the results go; started again, what is there already is not graded again
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How many attempts at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// What stands between programs and this machine, L0 to L3; below L1 only where it is said
    /// [default: the best that there is, see doctor]
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub isolation: Option<Isolation>,
}

fn level(text: &str) -> Result<Isolation, String> {
    Isolation::named(text).ok_or_else(|| "no level of isolation: L0, L1, L2 or L3".to_owned())
}

/// Arguments of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Exercises by name [default: all]
    #[arg(value_name = "EXERCISE")]
    pub exercises: Vec<String>,
}
