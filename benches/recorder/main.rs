//! What recording costs, as ratios: `cargo bench --bench recorder`, or `-- --quick` for a short look.
//!
//! Everything is measured in one run: rounds of bare, recorded and `strace -f` take turns, tracer and tracees are bound
//! to one processor, and the median counts. A goal that is not met is said, and nothing fails: times belong to a machine.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod events;
mod floor;
mod guarded;
mod schedules;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ipc_grade::model::ScheduleSeed;
use ipc_grade::pipeline::record::record;
use ipc_grade::sys::affinity;
use ipc_grade::trace::raw::{Call, RawEnd, RawKind, Recording};

/// So many calls that stop are in a round trip of the ping-pong.
const CALLS_EACH: f64 = 4.0;

/// How much is measured.
struct Size {
    rounds: usize,
    ping_pongs: u64,
    computed: u64,
    attempts: u32,
    events: u64,
    accesses: u64,
}

const FULL: Size =
    Size { rounds: 7, ping_pongs: 100_000, computed: 200_000_000, attempts: 500, events: 1_000_000, accesses: 10_000 };
const QUICK: Size =
    Size { rounds: 3, ping_pongs: 20_000, computed: 50_000_000, attempts: 100, events: 200_000, accesses: 10_000 };

/// cargo lets the loader search its own folders first, which costs each program that is started a dozen opens that it makes
/// nowhere else.
const CARGOS: &str = "LD_LIBRARY_PATH";

fn main() {
    if std::env::var_os(CARGOS).is_some() {
        let mut again = Command::new(std::env::current_exe().unwrap());
        panic!("{}", again.args(std::env::args_os().skip(1)).env_remove(CARGOS).exec());
    }
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize| args[at].parse::<u64>().unwrap();
    match args.get(1).map(String::as_str) {
        // This program again, in a process of its own.
        Some("--attempts") => return schedules::inside(Path::new(&args[2]), number(3) as u32),
        Some("--guarded") => return guarded::inside(Path::new(&args[2]), number(3), number(4)),
        Some("--events") => return events::inside(Path::new(&args[2]), number(3)),
        _ => {}
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let size = if quick { QUICK } else { FULL };
    let only: Vec<&String> = args[1..].iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part.as_str()));

    let cpu = *affinity::allowed().unwrap().first().unwrap();
    affinity::pin(cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path());
    let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok();
    if !strace {
        println!("strace is not installed: there is no peer to compare with (apt-get install strace)");
    }
    let bench = Bench { rounds: size.rounds, strace, floor: false };
    println!("{:<44} {:>12}   goal", "", "measured");
    // First, while this process, which forks what it records, is as small as that of `ipc-grade trace`.
    if wanted("true") {
        let times = Bench { rounds: size.rounds * 5, ..bench }.compare(&["/bin/true".as_ref()]);
        let more = times.recorded.saturating_sub(times.bare);
        row("/bin/true, more than bare", more.as_secs_f64() * 1e3, 2.0, "ms");
    }
    if wanted("ping_pong") {
        let bench = Bench { floor: true, ..bench };
        let times = bench.compare(&[program.as_os_str(), "ping_pong".as_ref(), size.ping_pongs.to_string().as_ref()]);
        row("pipe ping-pong, x bare", times.ratio(), 7.0, "x");
        if let Some(ratio) = times.of_strace() {
            row("pipe ping-pong, x strace -f", ratio, 0.5, "x");
        }
        let one = |time: Duration| time.as_secs_f64() * 1e6 / size.ping_pongs as f64;
        println!("    a round trip: bare {:.2} us, recorded {:.2} us", one(times.bare), one(times.recorded));
        for (what, floor) in [("looks at nothing", times.floor), ("asks for the call", times.asking)] {
            let Some(floor) = floor else { continue };
            let ratio = floor.as_secs_f64() / times.bare.as_secs_f64();
            let stop = one(floor.saturating_sub(times.bare)) / CALLS_EACH;
            println!("    a tracer that {what}: {ratio:.2} x bare, {stop:.2} us for a stop");
        }
    }
    if wanted("compute") {
        let times = bench.compare(&[program.as_os_str(), "compute".as_ref(), size.computed.to_string().as_ref()]);
        row("a program that computes, x bare", times.ratio(), 1.05, "x");
    }
    if wanted("hang") {
        let told = median((0..size.rounds * 3).map(|_| hang(&program)).collect());
        row("a deadlock, from its last call to its telling", told.as_secs_f64() * 1e3, 50.0, "ms");
    }
    if wanted("schedules") {
        schedules::measure(&program, size.attempts);
    }
    if wanted("guarded") {
        guarded::measure(&program, size.accesses, size.rounds);
    }
    if wanted("events") {
        events::measure(&program, size.events);
    }
}

/// One line of the table; the goal is at most this.
fn row(what: &str, measured: f64, goal: f64, unit: &str) {
    say(what, measured, goal, unit, measured <= goal, "at most");
}

/// One line of the table; the goal is at least this.
fn row_at_least(what: &str, measured: f64, goal: f64, unit: &str) {
    say(what, measured, goal, unit, measured >= goal, "at least");
}

fn say(what: &str, measured: f64, goal: f64, unit: &str, met: bool, bound: &str) {
    let verdict = if met { "met" } else { "NOT MET" };
    println!("{what:<44} {measured:>9.3} {unit:<2}   {bound} {goal} {unit}: {verdict}");
}

#[derive(Clone, Copy)]
struct Bench {
    rounds: usize,
    strace: bool,
    floor: bool,
}

/// Medians.
struct Times {
    bare: Duration,
    recorded: Duration,
    strace: Option<Duration>,
    floor: Option<Duration>,
    asking: Option<Duration>,
}

impl Times {
    fn ratio(&self) -> f64 {
        self.recorded.as_secs_f64() / self.bare.as_secs_f64()
    }

    fn of_strace(&self) -> Option<f64> {
        Some(self.recorded.as_secs_f64() / self.strace?.as_secs_f64())
    }
}

impl Bench {
    /// Runs the command bare, recorded, and under strace, in turns.
    fn compare(&self, command: &[&std::ffi::OsStr]) -> Times {
        let (mut bare, mut recorded, mut strace) = (Vec::new(), Vec::new(), Vec::new());
        let (mut floor, mut asking) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            bare.push(time(|| run(Command::new(command[0]).args(&command[1..]))));
            recorded.push(time(|| drop(recording(command, round as u32))));
            if self.strace {
                let mut peer = Command::new("strace");
                strace.push(time(|| run(peer.args(["-f", "-o", "/dev/null"]).args(command))));
            }
            if self.floor {
                floor.push(time(|| floor::trace(command, false)));
                asking.push(time(|| floor::trace(command, true)));
            }
        }
        let if_any = |times: Vec<Duration>| (!times.is_empty()).then(|| median(times));
        Times {
            bare: median(bare),
            recorded: median(recorded),
            strace: if_any(strace),
            floor: if_any(floor),
            asking: if_any(asking),
        }
    }
}

fn recording(command: &[&std::ffi::OsStr], seed: u32) -> Recording {
    let command: Vec<OsString> = command.iter().map(|part| OsString::from(*part)).collect();
    record(&command, ScheduleSeed(seed), None).unwrap()
}

fn run(command: &mut Command) {
    assert!(command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success());
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// From the last call before a deadlock to the recording's end.
fn hang(program: &Path) -> Duration {
    let recording = recording(&[program.as_os_str(), "deadlock".as_ref()], 0);
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    assert_eq!(recording.end, RawEnd::Blocked);
    // The program wrote what the clock showed.
    let told = recording.events.iter().find_map(|event| match &event.kind {
        RawKind::Returned { call: Call::Write { bytes, .. }, .. } if bytes.0.len() == 16 => Some(&bytes.0),
        _ => None,
    });
    let told = told.unwrap();
    let word = |at: usize| i64::from_ne_bytes(told[at..at + 8].try_into().unwrap());
    Duration::from(now).saturating_sub(Duration::new(word(0) as u64, word(8) as u32))
}

fn compile(folder: &Path) -> PathBuf {
    let program = folder.join("programs");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/recorder/programs.c");
    let status = Command::new("cc").args(["-O1", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).status();
    assert!(status.unwrap().success());
    // The box runs it as another user.
    let open = |path: &Path| std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755));
    open(folder).and_then(|()| open(&program)).unwrap();
    program
}
