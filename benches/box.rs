//! What the box costs: a run of a program that does nothing, against a plain spawn and against bubblewrap with the same
//! layout.
//!
//! `cargo bench --bench box` prints medians and ratios of runs that are interleaved, and the throughput of two workers.
//! A start is to cost at most 0.6 ms over a plain spawn and at most 0.4 times bubblewrap's, throughput to be at least
//! three times bubblewrap's. Started by root it runs as an ordinary user. `bwrap` (Debian: bubblewrap) is left out where
//! it is missing; a number as argument says how many rounds to make.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ipc_grade::model::Limits;
use ipc_grade::sandbox::{Ground, Spec, enter, launch};

const NOBODY: u32 = 65_534;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--worker", program] => worker(Path::new(program)),
        ["--measure", folder, rounds] => measure(Path::new(folder), rounds.parse().unwrap()),
        _ => start(args.first().map_or("200", String::as_str)),
    }
}

/// Makes a folder that an ordinary user can read, with this program and the one that does nothing.
fn start(rounds: &str) {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    open(folder.path());
    let own = folder.path().join("bench");
    std::fs::copy(std::env::current_exe().unwrap(), &own).unwrap();
    open(&own);
    let source = folder.path().join("nothing.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let mut compile = Command::new("cc");
    compile.args(["-O2", "-static", "-o"]).arg(folder.path().join("nothing")).arg(&source);
    assert!(compile.status().unwrap().success());
    let mut measure = Command::new(&own);
    measure.args(["--measure", folder.path().to_str().unwrap(), rounds]).current_dir("/");
    if nix::unistd::geteuid().is_root() {
        measure.uid(NOBODY).gid(NOBODY);
    }
    assert!(measure.status().unwrap().success());
}

/// Runs the program in the box as often as each byte on standard input says.
fn worker(program: &Path) {
    enter().unwrap();
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut count = [0];
    while input.read_exact(&mut count).is_ok() {
        for _ in 0..count[0] {
            run(program);
        }
        output.write_all(&[0]).unwrap();
        output.flush().unwrap();
    }
}

/// One run, from nothing to nothing left.
fn run(program: &Path) {
    let null = || File::options().read(true).write(true).open("/dev/null").unwrap().into();
    let (mut output, stdout) = std::io::pipe().unwrap();
    let spec = Spec {
        program: program.to_owned(),
        name: "nothing".into(),
        tools: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        streams: [null(), stdout.into(), null()],
        peers: Vec::new(),
        limits: Limits::default(),
        filter: Vec::new(),
        ground: Ground::default(),
    };
    let mut launch = launch(spec).unwrap();
    launch.go().unwrap();
    // Its end is the end of its output.
    output.read_to_end(&mut Vec::new()).unwrap();
    launch.end().unwrap();
}

struct Worker(Child);

impl Worker {
    fn start(program: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--worker").arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn ask(&mut self, count: u8) {
        self.0.stdin.as_mut().unwrap().write_all(&[count]).unwrap();
    }

    fn answer(&mut self) {
        self.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// The same layout: what `sandbox::root` says of a box, without limits and filter.
fn bubblewrap(program: &Path) -> Command {
    let mut command = Command::new("bwrap");
    let words = "--unshare-user --unshare-pid --unshare-net --unshare-ipc --unshare-uts --hostname box --uid 1000 \
        --gid 1000 --cap-drop ALL --new-session --die-with-parent --clearenv --ro-bind /usr /usr --symlink usr/bin /bin \
        --symlink usr/sbin /sbin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --ro-bind /etc/passwd /etc/passwd \
        --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache --ro-bind-try /etc/alternatives /etc/alternatives --dev /dev \
        --mqueue /dev/mqueue --proc /proc --tmpfs /work --tmpfs /tmp --tmpfs /dev/shm --chdir /work";
    command.args(words.split_whitespace()).arg("--ro-bind").arg(program).args(["/box/nothing", "/box/nothing"]);
    command
}

fn spawn(mut command: Command) {
    assert!(command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success());
}

fn timed(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn measure(folder: &Path, rounds: usize) {
    let program = folder.join("nothing");
    let mut worker = Worker::start(&program);
    let wrapped = Command::new("bwrap").arg("--version").output().is_ok();
    let (mut plain, mut boxed, mut bwrap) = (Vec::new(), Vec::new(), Vec::new());
    let mut round = || {
        plain.push(timed(|| spawn(Command::new(&program))));
        boxed.push(timed(|| {
            worker.ask(1);
            worker.answer();
        }));
        if wrapped {
            bwrap.push(timed(|| spawn(bubblewrap(&program))));
        }
    };
    (0..rounds).for_each(|_| round());
    let (plain, boxed) = (median(&mut plain), median(&mut boxed));
    println!("a plain spawn         {plain:7.0} µs");
    println!("the box               {boxed:7.0} µs, {:.0} µs more", boxed - plain);
    if wrapped {
        let bwrap = median(&mut bwrap);
        println!("bubblewrap            {bwrap:7.0} µs; the box is {:.2} of it", boxed / bwrap);
    }
    throughput(&program, wrapped);
}

/// Runs in a round of two workers.
const EACH: u8 = 50;

fn throughput(program: &Path, wrapped: bool) {
    let mut workers = [Worker::start(program), Worker::start(program)];
    let (mut boxed, mut bwrap) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        boxed.push(timed(|| {
            workers.iter_mut().for_each(|worker| worker.ask(EACH));
            workers.iter_mut().for_each(Worker::answer);
        }));
        if wrapped {
            bwrap.push(timed(|| {
                let program: PathBuf = program.to_owned();
                let all = || (0..EACH).for_each(|_| spawn(bubblewrap(&program)));
                std::thread::scope(|scope| {
                    let other = scope.spawn(all);
                    all();
                    other.join().unwrap();
                });
            }));
        }
    }
    let per_second = |times: &mut [Duration]| 2.0 * f64::from(EACH) / median(times) * 1e6;
    let boxed = per_second(&mut boxed);
    println!("two workers           {boxed:7.0} runs a second");
    if wrapped {
        let bwrap = per_second(&mut bwrap);
        println!("two of bubblewrap     {bwrap:7.0} runs a second; the box has {:.2} times as many", boxed / bwrap);
    }
}
