//! Ctrl-C: everything that was started is ended, the terminal is as before, exit 130.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::course::SmallCourse;
use super::processes::{assert_none_left, of, until};

/// How long the grader may take to end, in milliseconds.
const PATIENCE: u16 = 30_000;

/// Nothing ends a program for a minute but the grader's end.
const PATIENT: &str = "wall_ms = 60000\ncpu_ms = 60000";

/// Starts a check of a program that computes for ever, in a process group of its own.
fn start(course: &SmallCourse, out: Stdio, err: Stdio) -> Child {
    let file = format!("{}/tests/rough/programs/spins.rs", env!("CARGO_MANIFEST_DIR"));
    let mut command = course.command(&["check", &course.name, "--source", &file]);
    command.process_group(0).stdout(out).stderr(err).spawn().expect("the grader runs")
}

/// Waits until a process of the box runs the program.
fn until_it_runs(course: &SmallCourse) {
    let program = |process: &super::processes::Process| !process.grader;
    until("the program's start", || of(&course.name).iter().any(program).then_some(()));
}

/// Everything that is written, until nobody is left who could write: no worker outlives that.
fn read_to_the_end(mut from: impl Read + AsFd) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let ready = poll(&mut [PollFd::new(from.as_fd(), PollFlags::POLLIN)], PollTimeout::from(PATIENCE));
        assert_ne!(ready, Ok(0), "the grader and its workers end in time");
        // A terminal whose other side is closed by all says EIO (pty(7)).
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return all,
            Ok(got) => all.extend_from_slice(&buffer[..got]),
        }
    }
}

fn interrupted(to_the_group: bool) {
    let course = SmallCourse::new(PATIENT);
    if !super::require::grading() {
        return;
    }
    let mut grader = start(&course, Stdio::piped(), Stdio::piped());
    until_it_runs(&course);
    let pid = Pid::from_raw(grader.id() as i32);
    let sent = if to_the_group { killpg(pid, Signal::SIGINT) } else { kill(pid, Signal::SIGINT) };
    sent.expect("it is there");
    let err = read_to_the_end(grader.stderr.take().expect("a pipe"));
    let out = read_to_the_end(grader.stdout.take().expect("a pipe"));
    let status = grader.wait().expect("it has ended");
    assert_eq!((status.code(), status.signal()), (Some(130), None));
    assert_eq!((String::from_utf8_lossy(&out).as_ref(), String::from_utf8_lossy(&err).as_ref()), ("", ""));
    assert_none_left(&course.name);
}

/// As the terminal does it: grader and workers get the signal at once.
#[test]
fn ctrl_c_for_the_whole_group() {
    interrupted(true);
}

/// As `kill -INT` does it.
#[test]
fn ctrl_c_for_the_grader_alone() {
    interrupted(false);
}

#[test]
fn the_terminal_is_as_before() {
    let course = SmallCourse::new(PATIENT);
    if !super::require::grading() {
        return;
    }
    let size = nix::pty::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = nix::pty::openpty(&size, None).expect("a terminal");
    let before = nix::sys::termios::tcgetattr(&terminal.slave).expect("settings");
    let slave = || Stdio::from(terminal.slave.try_clone().expect("a copy"));
    let mut grader = start(&course, slave(), slave());
    until_it_runs(&course);
    // Echoed as Ctrl-C is; it is not the grader's own terminal, so no signal comes of it.
    nix::unistd::write(&terminal.master, b"\x03").expect("room");
    kill(Pid::from_raw(grader.id() as i32), Signal::SIGTERM).expect("it is there");
    assert_eq!(grader.wait().expect("it ends").code(), Some(130));
    assert_none_left(&course.name);
    let after = nix::sys::termios::tcgetattr(&terminal.slave).expect("settings");
    assert_eq!(before, after);
    drop(terminal.slave);
    let shown = read_to_the_end(std::fs::File::from(terminal.master));
    let shown = String::from_utf8_lossy(&shown);
    let (before, _) = shown.split_once("^C").expect("it is echoed");
    let line = before.rsplit(['\r', '\n']).next().unwrap_or_default();
    // What follows an escape sequence's final letter is text.
    let text =
        |part: &str| part.find(|c: char| c.is_ascii_alphabetic()).map_or(0, |end| part[end + 1..].chars().count());
    let columns: usize = line.split('\x1b').skip(1).map(text).sum();
    assert!((30..=78).contains(&columns), "the echo is on the bar's line, {columns}: {shown:?}");
    let (last_hidden, last_seen) = (shown.rfind("\x1b[?25l"), shown.rfind("\x1b[?25h"));
    assert!(last_seen >= last_hidden && shown.ends_with("\x1b[?25h"), "no bar stays, the cursor is seen: {shown:?}");
}

/// What fits 80 columns is cut into lines that a narrower terminal shows whole.
#[test]
fn a_narrow_terminal_breaks_no_line() {
    let size = nix::pty::Winsize { ws_row: 24, ws_col: 50, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = nix::pty::openpty(&size, None).expect("a terminal");
    let mut list = std::process::Command::new(env!("CARGO_BIN_EXE_ipc-grade"));
    list.args(["list", "--course", env!("CARGO_MANIFEST_DIR")]).stdout(terminal.slave);
    assert!(list.status().expect("it starts").success());
    drop(list);
    let shown = read_to_the_end(std::fs::File::from(terminal.master));
    let shown = console::strip_ansi_codes(&String::from_utf8_lossy(&shown)).into_owned();
    assert!(shown.lines().any(|line| line.trim_end().ends_with("A clean end on")), "a title goes on below: {shown}");
    assert!(shown.lines().all(|line| line.trim_end().chars().count() <= 50), "{shown}");
}

/// A grader that is killed without a word takes everything with it.
#[test]
fn a_killed_grader_leaves_nothing() {
    let course = SmallCourse::new(PATIENT);
    if !super::require::grading() {
        return;
    }
    let mut grader = start(&course, Stdio::null(), Stdio::null());
    until_it_runs(&course);
    grader.kill().expect("it is there");
    grader.wait().expect("it has ended");
    assert_none_left(&course.name);
}
