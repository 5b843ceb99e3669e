//! What compiling costs, as ratios: `cargo bench --bench build`, or `-- --quick` for a short look.
//!
//! Everything is measured in one run: rounds of ours and of cargo's take turns on the same changed source, and the
//! median counts. A goal that is not met is said, and nothing fails: times belong to a machine.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ipc_grade::build::{BuildError, Built, Source, Template, cache_folder, compile};
use ipc_grade::course::Course;
use ipc_grade::pipeline::allowed;
use ipc_grade::pipeline::worker::{self, Worker};
use ipc_grade::sandbox::{self, Bounds, Held, Tool};

fn main() {
    match std::env::args().nth(1).as_deref() {
        // This program again, in a process of its own.
        Some(worker::COMMAND) => {
            let runner = std::env::args().nth(2).unwrap().parse().unwrap();
            return worker::serve(runner).unwrap();
        }
        Some("--box") => return box_alone(),
        _ => {}
    }
    let quick = std::env::args().any(|arg| arg == "--quick");
    let (rounds, cold, learners) = if quick { (7, 2, 4) } else { (21, 4, 20) };
    let course = Course::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let bench = Bench::new(&course, cache.path());
    println!("{:<52} {:>10}   goal", "", "measured");
    bench.one_changed_exercise(rounds);
    bench.many(cold, learners);
    bench.found(rounds);
    bench.one_crate(rounds);
    bench.whole_course(rounds);
}

struct Bench<'c> {
    course: &'c Course,
    template: Template,
    folder: PathBuf,
    sources: Vec<(String, String)>,
}

impl<'c> Bench<'c> {
    fn new(course: &'c Course, folder: &Path) -> Self {
        let lock = course.dir.join("exercises/Cargo.lock");
        let template = Template::prepare(&allowed(course), Some(&lock), None).unwrap();
        let source = |id: &str| std::fs::read_to_string(course.dir.join("solutions").join(id).join("main.rs")).unwrap();
        let sources =
            course.exercises.iter().map(|exercise| (exercise.name().to_owned(), source(exercise.id().as_str())));
        Self { course, template, folder: folder.to_owned(), sources: sources.collect() }
    }

    /// The source with a function more, which no other round has.
    fn changed(&self, which: usize, salt: &str) -> (String, String) {
        let (name, text) = &self.sources[which % self.sources.len()];
        static SALT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = SALT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let time = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let more = format!(
            "#[allow(dead_code)]\npub fn changed_{number}() -> String {{ format!(\"{salt} {time} {{}}\", 1) }}\n"
        );
        (name.clone(), format!("{text}\n{more}"))
    }

    fn ours(&self, name: &str, text: &str, worker: &mut Worker) -> Duration {
        self.compiled(name, &Source::of_text(text), worker)
    }

    fn compiled(&self, name: &str, source: &Source, worker: &mut Worker) -> Duration {
        timed(|| {
            let mut perform = |call: &_| worker.compile(call).map_err(|error| BuildError::Worker(error.to_string()));
            match compile(&self.template, name, source, false, &mut perform).unwrap() {
                Built::Program(program) => assert!(program.unheld.is_none(), "no box: {:?}", program.unheld),
                Built::Rejected { diagnostics, .. } => panic!("{diagnostics}"),
            }
        })
    }

    /// A package with the course's crates, as a learner has it.
    fn package(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(folder.join("src")).unwrap();
        let mut manifest = format!(
            "[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n"
        );
        for allowed in allowed(self.course) {
            let place =
                allowed.own.map_or_else(String::new, |own| format!("path = {:?}, ", own.canonicalize().unwrap()));
            manifest.push_str(&format!("{} = {{ {place}{} }}\n", allowed.name, allowed.requirement));
        }
        std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        folder
    }

    fn one_changed_exercise(&self, rounds: usize) {
        let package = self.package("learner");
        let mut worker = Worker::new(None);
        let (mut ours, mut build, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=rounds {
            let (name, text) = self.changed(round, "one");
            std::fs::write(package.join("src/main.rs"), &text).unwrap();
            let one = self.ours(&name, &text, &mut worker);
            let built = cargo(&package, &["build"]);
            let rest: Duration = ["test", "clippy", "run"].iter().map(|command| cargo(&package, &[*command])).sum();
            // The first round warms up what the others find warm.
            if round > 0 {
                ours.push(one);
                build.push(built);
                all.push(built + rest);
            }
        }
        let (ours, build, all) = (median(ours), median(build), median(all));
        row("warm cargo build, x one changed exercise", ratio(build, ours), "at least 1.3 x");
        row("build + test + clippy + run, x the same", ratio(all, ours), "at least 3.5 x");
        println!("    ours {:.0} ms, cargo build {:.0} ms, all four {:.0} ms", ms(ours), ms(build), ms(all));
        let told = Command::new("/proc/self/exe").arg("--box").output().unwrap();
        let box_ms: f64 = String::from_utf8(told.stdout).unwrap().trim().parse().unwrap();
        row("the box, % of that compile", box_ms / ms(ours) * 100.0, "at most 3 %");
        println!("    a box alone {box_ms:.2} ms");
    }

    /// Two at a time, ours and cargo's.
    fn many(&self, cold: usize, learners: usize) {
        let cold_time = timed(|| {
            std::thread::scope(|scope| {
                for half in 0..2 {
                    scope.spawn(move || {
                        for number in 0..cold / 2 {
                            let package = self.package(&format!("cold{half}{number}"));
                            std::fs::write(package.join("src/main.rs"), self.changed(number, "cold").1).unwrap();
                            cargo(&package, &["build"]);
                            std::fs::remove_dir_all(package).unwrap();
                        }
                    });
                }
            });
        });
        let count = learners * self.sources.len();
        let ours = timed(|| {
            std::thread::scope(|scope| {
                for half in 0..2 {
                    scope.spawn(move || {
                        let mut worker = Worker::new(None);
                        for number in (half..count).step_by(2) {
                            let (name, text) = self.changed(number / learners, "many");
                            self.ours(&name, &text, &mut worker);
                        }
                    });
                }
            });
        });
        let rate = |time: Duration, count: usize| count as f64 / time.as_secs_f64();
        row("throughput, x a cold cargo target each", rate(ours, count) / rate(cold_time, cold), "at least 30 x");
        println!("    ours {:.1}/s, cold {:.2}/s", rate(ours, count), rate(cold_time, cold));
    }

    fn found(&self, rounds: usize) {
        let mut worker = Worker::new(None);
        let (name, text) = self.changed(0, "found");
        self.ours(&name, &text, &mut worker);
        let found = median((0..rounds * 5).map(|_| self.ours(&name, &text, &mut worker)).collect());
        row("a program from the cache, ms", ms(found), "under 5 ms");
    }

    /// What a compile of all of a learner's exercises as modules of one crate would take, which is not done: see
    /// ARCHITECTURE.md, "What differs".
    fn one_crate(&self, rounds: usize) {
        let mut worker = Worker::new(None);
        let folder = self.folder.join("one_crate");
        std::fs::create_dir_all(&folder).unwrap();
        let (mut singly, mut together) = (Vec::new(), Vec::new());
        for round in 0..=rounds.div_ceil(3) {
            let all: Vec<_> = (0..self.sources.len()).map(|which| self.changed(which, "singly")).collect();
            let one: Duration = all.iter().map(|(name, text)| self.ours(name, text, &mut worker)).sum();
            let mut main = String::new();
            for (name, _) in &self.sources {
                main.push_str(&format!("mod {name};\n"));
            }
            main.push_str("fn main() -> std::process::ExitCode {\n match std::env::args().next().as_deref() {\n");
            for (which, (name, _)) in self.sources.iter().enumerate() {
                let (_, text) = self.changed(which, "together");
                let started =
                    "pub fn started() -> std::process::ExitCode { std::process::Termination::report(main()) }";
                std::fs::write(folder.join(format!("{name}.rs")), format!("{text}\n{started}\n")).unwrap();
                main.push_str(&format!("  Some({name:?}) => {name}::started(),\n"));
            }
            main.push_str("  _ => std::process::ExitCode::FAILURE,\n }\n}\n");
            std::fs::write(folder.join("main.rs"), main).unwrap();
            let source = Source::of_folder(&folder, Path::new("")).unwrap();
            let whole = self.compiled("one_crate", &source, &mut worker);
            if round > 0 {
                singly.push(one);
                together.push(whole);
            }
        }
        let (singly, together) = (median(singly), median(together));
        row("all exercises singly, x as one crate (not done)", ratio(singly, together), "no goal");
        println!("    singly {:.0} ms, as one crate {:.0} ms", ms(singly), ms(together));
        let (mut anew, mut compiled) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let cache = tempfile::tempdir().unwrap();
            for name in ["templates", "sysroots", "toolchains"] {
                std::os::unix::fs::symlink(cache_folder().join(name), cache.path().join(name)).unwrap();
            }
            let check = || {
                let mut command = Command::new(env!("CARGO_BIN_EXE_ipc-grade"));
                command.args(["check", "--source", "solutions", "--no-cache"]).current_dir(&self.course.dir);
                command.env("IPC_GRADE_CACHE", cache.path()).stdout(Stdio::null()).stderr(Stdio::null());
                timed(|| assert!(command.status().unwrap().success()))
            };
            anew.push(check());
            compiled.push(check());
        }
        let (anew, compiled) = (median(anew), median(compiled));
        row("check of it all anew, x with nothing to compile", ratio(anew, compiled), "no goal");
        let saved = (anew - compiled).mul_f64(1.0 - ratio(together, singly));
        row("the same, x with one crate (computed)", ratio(anew, anew - saved), "no goal");
        println!("    anew {:.0} ms, with nothing to compile {:.0} ms", ms(anew), ms(compiled));
    }

    fn whole_course(&self, rounds: usize) {
        let check = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ipc-grade"));
            command.args(["check", "--source", "solutions"]).current_dir(&self.course.dir);
            timed(|| assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()))
        };
        check();
        row(
            "check of the whole course, unchanged, ms",
            ms(median((0..rounds).map(|_| check()).collect())),
            "under 150 ms",
        );
    }
}

/// The box of a tool that does nothing, beside the same tool without a box.
fn box_alone() {
    sandbox::enter().unwrap();
    let tool = |held| Tool {
        program: "/bin/true".into(),
        args: Vec::new(),
        env: Vec::new(),
        folder: "/".into(),
        mounts: Vec::new(),
        programs: true,
        bounds: Bounds {
            memory: 1 << 30,
            file: 1 << 20,
            scratch: 1 << 20,
            cpu_s: 1,
            wall: Duration::from_secs(10),
            said: 0,
        },
        processors: Vec::new(),
        held,
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        with.push(timed(|| drop(sandbox::run(&tool(Held::Boxed)).unwrap())));
        without.push(timed(|| drop(sandbox::run(&tool(Held::Limits)).unwrap())));
    }
    println!("{}", ms(median(with)) - ms(median(without)));
}

fn cargo(package: &Path, args: &[&str]) -> Duration {
    let mut command = Command::new("cargo");
    command.args(args).args(["--quiet", "--offline"]).current_dir(package);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_") && name != "CARGO_HOME") {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // `run` without the program's arguments fails, as it does in a learner's hands; that costs no less.
    timed(|| assert!(command.status().is_ok()))
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn ratio(time: Duration, of: Duration) -> f64 {
    time.as_secs_f64() / of.as_secs_f64()
}

fn row(name: &str, measured: f64, goal: &str) {
    println!("{name:<52} {measured:>10.2}   {goal}");
}
