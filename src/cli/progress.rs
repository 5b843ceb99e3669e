//! What is going on while exercises are graded: a bar on a terminal, plain lines elsewhere; always on standard error,
//! so that a report on standard output stays whole.

use std::io::{self, IsTerminal};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::terminal::Terminal;
use crate::report::{ExerciseReport, Status};

/// How often the bar is drawn in a second, at most.
const RATE: u8 = 20;
/// Columns that `^C` takes, as the terminal echoes it.
const ECHO: u16 = 2;

/// A terminal whose last columns stay free. A bar fills its line; the echo of Ctrl-C would go to the next one, and the
/// bar's line would stay above the prompt.
#[derive(Debug)]
struct Narrow(Term);

/// The progress of a number of exercises.
#[derive(Debug)]
pub struct Progress {
    terminal: Terminal,
    total: usize,
    done: usize,
    bar: Option<ProgressBar>,
    lines: bool,
}

impl Progress {
    /// Begins; with a single exercise there is nothing to count, and nothing is shown elsewhere than on a terminal.
    pub fn new(terminal: Terminal, total: usize) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let target = ProgressDrawTarget::term_like_with_hz(Box::new(Narrow(Term::buffered_stderr())), RATE);
            let bar = ProgressBar::with_draw_target(Some(total as u64), target);
            let template =
                if terminal.messages.colour { "{bar:24.cyan} {pos}/{len} {msg}" } else { "{bar:24} {pos}/{len} {msg}" };
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(if terminal.messages.ascii {
                style.progress_chars("#>-")
            } else {
                style.progress_chars("━╸─")
            });
            bar
        });
        Self { terminal, total, done: 0, bar, lines: true }
    }

    /// The same without a line for each where there is no terminal: the jobs are many.
    pub fn quiet(terminal: Terminal, total: usize) -> Self {
        Self { lines: false, ..Self::new(terminal, total) }
    }

    /// An exercise is being graded.
    pub fn start(&self, name: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(name.to_owned());
        }
    }

    /// An exercise has its grade.
    pub fn done(&mut self, report: &ExerciseReport) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
        } else if self.lines && self.total > 1 {
            let words = match report.status {
                Status::Pass => "pass",
                Status::Fail if report.untouched => "not started",
                Status::Fail => "fail",
                Status::Skipped => "skipped",
                Status::Unexamined => "not examined",
                Status::Error => "error",
            };
            let (done, total, name) = (self.done, self.total, report.id.name());
            let points = format!("{}/{} points", report.points, report.max_points);
            self.terminal.note(&format!("[{done}/{total}] {name}: {words}, {points}"));
        }
    }

    /// Everything is graded, or given up: the bar goes, the terminal is as before.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        TermLike::width(&self.0).saturating_sub(ECHO).max(1)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.0)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.0.write_line(s)
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.0.write_str(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
