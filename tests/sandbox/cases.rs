//! What must hold of the box.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;

use ipc_grade::model::Limits;
use ipc_grade::sandbox::{Ground, Isolation, Launch, PeerSpec, Spec, enter, enter_level, launch, probe};

use crate::own_process::Case;

/// Every case by name.
pub(crate) const ALL: &[Case] = &[
    ("a program runs and ends", runs_and_ends),
    ("roots stand until they are let go", stand_until_let_go),
    ("ids are the same in each run", same_ids),
    ("an ordinary user with nothing inherited", ordinary_user),
    ("signals are as at any start", signals_restored),
    ("the host's files cannot be seen", host_files),
    ("what is not the program's cannot be written", read_only),
    ("same names never meet", same_names),
    ("no network", no_network),
    ("a fork bomb is bounded and gone", fork_bomb),
    ("memory of a run is bounded together, with a cgroup", group_bounded),
    ("files are bounded together", files_bounded),
    ("nothing is left after 20 launches", nothing_left),
    ("a launch that is dropped takes all with it", dropped),
    ("a worker that dies takes all with it", worker_dies),
    ("peers get their own descriptors and no others", peers),
    ("a program cannot pry into init and peers", pry),
    ("a probe finds what these tests use", probed),
    ("errors name step and subject", errors),
];

/// A box with one program, and the ends of its streams that are ours.
struct Run {
    launch: Launch,
    input: Option<PipeWriter>,
    output: PipeReader,
}

fn spec(args: &[&str]) -> (Spec, PipeWriter, PipeReader) {
    let (stdin, input) = std::io::pipe().expect("a pipe");
    let (output, stdout) = std::io::pipe().expect("a pipe");
    let stderr = stdout.try_clone().expect("a copy");
    let spec = Spec {
        program: std::env::current_exe().expect("this binary"),
        name: "program".into(),
        tools: Vec::new(),
        args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        env: vec![b"PATH=/usr/bin:/bin".to_vec()],
        streams: [stdin.into(), stdout.into(), stderr.into()],
        peers: Vec::new(),
        limits: Limits::default(),
        filter: Vec::new(),
        ground: Ground::default(),
    };
    (spec, input, output)
}

fn start(args: &[&str]) -> Run {
    enter().expect("namespaces of our own");
    let (spec, input, output) = spec(args);
    let launch = launch(spec).expect("a box");
    Run { launch, input: Some(input), output }
}

impl Run {
    /// Lets it go, and reads all that it prints.
    fn finish(mut self) -> String {
        self.launch.go().expect("roots that wait");
        self.input = None;
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("text");
        self.launch.end().expect("an empty box");
        text
    }

    /// Lets it go, and reads until it has printed this many lines.
    fn lines(&mut self, count: usize) -> String {
        self.launch.go().expect("roots that wait");
        let mut text = String::new();
        let mut byte = [0];
        while text.matches('\n').count() < count {
            assert_eq!(self.output.read(&mut byte).expect("a byte"), 1, "ended after {text:?}");
            text.push(byte[0].into());
        }
        text
    }
}

fn print(args: &[&str]) -> String {
    start(&[&["--inside"], args].concat()).finish()
}

fn runs_and_ends() {
    let mut run = start(&["--inside", "echo"]);
    run.input.take().expect("a pipe").write_all(b"hello\n").expect("room");
    assert_eq!(run.finish(), "hello\n");
}

fn stand_until_let_go() {
    let mut run = start(&["--inside", "nothing"]);
    let [root] = run.launch.roots() else { panic!("one root: {:?}", run.launch.roots()) };
    assert_eq!(root.name, None);
    assert_eq!(state(root.outer), 'S', "asleep on its go pipe");
    let status = fs::read_to_string(format!("/proc/{}/status", root.outer)).expect("a process");
    assert!(status.contains(&format!("NSpid:\t{}\t{}\n", root.outer, root.inner)), "{status}");
    run.launch.go().expect("roots that wait");
    run.launch.go().expect("more calls do nothing");
    assert_eq!(run.finish(), "");
}

fn state(pid: i32) -> char {
    // It may be on its way into the read: its message came before.
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).expect("a state");
        if state != 'R' {
            return state;
        }
        std::thread::yield_now();
    }
}

fn same_ids() {
    let first = print(&["pids"]);
    assert_eq!(first, print(&["pids"]));
    assert!(first.ends_with(" 1\n"), "init is its parent: {first}");
    let pid: i32 = first.split(' ').next().and_then(|pid| pid.parse().ok()).expect("a number");
    assert!(pid > 20_000, "high: {pid}");
}

fn ordinary_user() {
    assert_eq!(
        print(&["who"]),
        "1000 1000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n\
         SigIgn:\t0000000000001000\nSigBlk:\t0000000000000000\nThreads:\t1\nPATH=/usr/bin:/bin\n/work\nprogram\n\
         3 descriptors\n0x40000\n",
        "(SIGPIPE is ignored by Rust's own start)"
    );
}

/// What a worker ignores, or was started ignoring (nohup(1)), handles or masks is not the program's.
fn signals_restored() {
    use nix::sys::signal::{SigSet, Signal};
    ipc_grade::sys::process::ignore(ipc_grade::model::Signal::from_number(libc::SIGHUP).expect("a signal"));
    SigSet::from(Signal::SIGUSR1).thread_block().expect("a mask");
    let of_program = print(&["who"]);
    let line = |name: &str| of_program.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert_eq!(line("SigIgn"), "SigIgn:\t0000000000001000", "(SIGPIPE is ignored by Rust's own start)");
    assert_eq!(line("SigBlk"), "SigBlk:\t0000000000000000");
    // In init, and in peers, which no exec cleans.
    let (spec, _input, _output) = spec(&["--inside", "stay"]);
    let (mut said, theirs) = std::io::pipe().expect("a pipe");
    let run = Box::new(|start: ipc_grade::sandbox::PeerStart| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let lines = status.lines().filter(|line| line.starts_with("SigIgn") || line.starts_with("SigCgt"));
        for fd in start.kept {
            let _gone = fs::File::from(fd).write_all(lines.clone().collect::<Vec<_>>().join("\n").as_bytes());
        }
        0
    });
    let peers = vec![PeerSpec { name: "a".into(), keep: vec![theirs.into()], run }];
    let mut launch = launch(Spec { peers, ..spec }).expect("a box");
    launch.go().expect("roots that wait");
    let mut text = String::new();
    said.read_to_string(&mut text).expect("text");
    assert_eq!(text, "SigIgn:\t0000000000001000\nSigCgt:\t0000000000000000");
}

fn host_files() {
    let exe = std::env::current_exe().expect("this binary");
    let exe = exe.to_str().expect("a text");
    let hidden = [exe, "/root", "/home", "/etc/shadow", "/sys", "/var", "/dev/tty", "/dev/kmsg", "/boot", "/scratch"];
    let shown = ["/usr/bin", "/bin/sh", "/etc/passwd", "/dev/null", "/proc/self", "/box/program"];
    let text = print(&[&["look"], &hidden[..], &shown[..]].concat());
    for path in hidden {
        assert!(text.contains(&format!("{path} false\n")), "{text}");
    }
    for path in shown {
        assert!(text.contains(&format!("{path} true\n")), "{text}");
    }
    assert_eq!(print(&["list", "/work"]), "\n");
    assert_eq!(print(&["list", "/tmp"]), "\n");
}

fn read_only() {
    let closed = ["/x", "/etc/passwd", "/usr/x", "/usr/bin/env", "/box/program", "/dev/x", "/proc/sys/kernel/shmall"];
    let open = ["/work/x", "/tmp/x", "/dev/shm/x", "/dev/null"];
    let text = print(&[&["write"], &closed[..], &open[..]].concat());
    let lines: Vec<_> = text.lines().collect();
    for path in closed {
        assert!(lines.contains(&format!("{path} read-only filesystem or storage medium").as_str()), "{path}: {text}");
    }
    for path in open {
        assert!(lines.contains(&format!("{path} done").as_str()), "{path}: {text}");
    }
}

fn same_names() {
    let expected = "shm Ok(())\nqueue Ok(())\nfifo Ok(())\ntmp done\nsame\nsame\n";
    let mut first = start(&["--inside", "names"]);
    assert_eq!(first.lines(6), expected);
    let mut beside = start(&["--inside", "names"]);
    assert_eq!(beside.lines(6), expected, "beside the first");
    first.launch.end().expect("an empty box");
    beside.launch.end().expect("an empty box");
    assert_eq!(start(&["--inside", "names"]).lines(6), expected, "after the first");
}

fn no_network() {
    assert_eq!(print(&["network"]), "lo\nnetwork unreachable\nnetwork unreachable\n");
}

fn fork_bomb() {
    let mut run = start(&["--inside", "fork bomb"]);
    assert_eq!(run.lines(1), "begun\n");
    let mut byte = [0];
    assert_eq!(run.output.read(&mut byte).expect("a byte"), 1, "the bound was met");
    let inside = children();
    assert!(inside <= 80, "{inside} processes");
    run.launch.end().expect("an empty box");
    assert_eq!(children(), 0);
}

/// No one of its processes holds more than it may, and nobody counts what they hold together but the kernel.
fn group_bounded() {
    if let Err(error) = probe::works(Isolation::Cgroup).expect("one thread") {
        let required = std::env::var("IPC_GRADE_REQUIRE").is_ok_and(|list| list.split(',').any(|it| it == "cgroup"));
        println!("SKIPPED: no cgroup here: failed to {error}");
        return assert!(!required, "cgroup is required");
    }
    assert_eq!(enter_level(Some(Isolation::Cgroup)), Ok(Isolation::Cgroup));
    assert_eq!(in_group("1"), ("held\n".to_owned(), false), "what one process may hold");
    let (said, ran_out) = in_group("6");
    assert!(ran_out && said.is_empty(), "the kernel has ended them: {said}");
}

/// What a program prints whose children, this many, hold 200 MiB each, and whether the kernel has killed any for it.
fn in_group(children: &str) -> (String, bool) {
    let (spec, input, mut output) = spec(&["--inside", "hold", children]);
    drop(input);
    let limits = Limits { memory_mib: 256, files_mib: 16, ..Limits::default() };
    let mut launch = launch(Spec { limits, ..spec }).expect("a box");
    launch.go().expect("roots that wait");
    let mut text = String::new();
    output.read_to_string(&mut text).expect("text");
    let ran_out = launch.ran_out_of_memory();
    launch.end().expect("an empty box");
    (text, ran_out)
}

/// How many processes are below this one.
fn children() -> usize {
    let own = std::process::id();
    let mut below = vec![own];
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?))
        })
        .collect();
    while let Some(more) = parents.iter().find(|(pid, parent)| below.contains(parent) && !below.contains(pid)) {
        below.push(more.0);
    }
    below.len() - 1
}

fn files_bounded() {
    let text = print(&["fill"]);
    let written: u64 = text.lines().filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok()).sum();
    assert!(written <= Limits::default().files_mib, "{text}");
}

fn nothing_left() {
    enter().expect("namespaces of our own");
    let count = |path: &str| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    let descriptors = || fs::read_dir("/proc/self/fd").expect("/proc").count();
    let before = (count("/proc/self/mounts"), descriptors(), children());
    for _ in 0..20 {
        assert_eq!(print(&["nothing"]), "");
    }
    assert_eq!(before, (count("/proc/self/mounts"), descriptors(), children()));
}

fn dropped() {
    let mut run = start(&["--inside", "stay"]);
    run.launch.go().expect("roots that wait");
    drop(run);
    assert_eq!(children(), 0);
}

/// The program's output ends when the last process that has it open is gone.
fn worker_dies() {
    let (mut output, theirs) = std::io::pipe().expect("a pipe");
    let worker = std::process::Command::new(std::env::current_exe().expect("this binary"))
        .arg("--enter")
        .stdout(theirs.try_clone().expect("a copy"))
        .status();
    assert!(worker.expect("a worker").success());
    match ipc_grade::sys::process::fork().expect("one thread") {
        ipc_grade::sys::process::Side::Child => {
            enter().expect("namespaces of our own");
            let (mut spec, _input, _output) = spec(&["--inside", "stay"]);
            spec.streams[1] = theirs.into();
            let mut launch = launch(spec).expect("a box");
            launch.go().expect("roots that wait");
            ipc_grade::sys::process::exit_now(0);
        }
        ipc_grade::sys::process::Side::Parent(_) => drop(theirs),
    }
    let mut text = String::new();
    output.read_to_string(&mut text).expect("the end");
    assert_eq!(text, "");
}

fn peers() {
    enter().expect("namespaces of our own");
    let (mut own, theirs) = std::io::pipe().expect("a pipe");
    let (spec, input, mut output) = spec(&["--inside", "echo"]);
    let peer = |name: &str, keep: Vec<OwnedFd>| PeerSpec {
        name: name.into(),
        keep,
        run: Box::new(|start| {
            let open = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() - 1);
            let text = format!("{} {} {}\n", std::process::id(), start.program, open);
            for fd in start.kept {
                let _gone = fs::File::from(fd).write_all(text.as_bytes());
            }
            0
        }),
    };
    let spec = Spec { peers: vec![peer("a", vec![theirs.into()]), peer("b", vec![input.into()])], ..spec };
    let mut launch = launch(spec).expect("a box");
    let roots = launch.roots().to_vec();
    let names: Vec<_> = roots.iter().map(|root| root.name.as_deref()).collect();
    assert_eq!(names, [Some("a"), Some("b"), None]);
    launch.go().expect("roots that wait");
    let (mut said, mut printed) = (String::new(), String::new());
    own.read_to_string(&mut said).expect("text");
    output.read_to_string(&mut printed).expect("text");
    assert_eq!(said, format!("{} {} 4\n", roots[0].inner, roots[2].inner));
    assert_eq!(printed, format!("{} {} 4\n", roots[1].inner, roots[2].inner));
    launch.end().expect("an empty box");
}

fn pry() {
    enter().expect("namespaces of our own");
    let (spec, input, mut output) = spec(&["--inside", "pry"]);
    drop(input);
    let run = Box::new(|_| {
        loop {
            nix::unistd::pause();
        }
    });
    let peers = vec![PeerSpec { name: "a".into(), keep: Vec::new(), run }];
    let mut launch = launch(Spec { peers, ..spec }).expect("a box");
    launch.go().expect("roots that wait");
    let mut text = String::new();
    // The peer stays; it is the last line that says that the program is done.
    let mut byte = [0];
    while !text.ends_with("finished\n") {
        assert_eq!(output.read(&mut byte).expect("a byte"), 1, "ended after {text:?}");
        text.push(byte[0].into());
    }
    let peer = launch.roots()[0].inner;
    for pid in [1, peer] {
        for file in ["mem", "environ", "maps", "fd/0", "root", "exe"] {
            assert!(text.contains(&format!("{pid} {file} permission denied\n")), "{text}");
        }
    }
    launch.end().expect("an empty box");
}

fn probed() {
    for facility in probe::probe().expect("one thread") {
        assert!(facility.works() || facility.need == probe::Need::Better, "{facility:?}");
    }
    assert_eq!(children(), 0);
}

fn errors() {
    let (bad, ..) = spec(&[]);
    assert!(launch(bad).is_err_and(|error| error.to_string().contains("not entered")));
    enter().expect("namespaces of our own");
    let (bad, ..) = spec(&[]);
    let missing = launch(Spec { program: "/no/such/program".into(), ..bad }).expect_err("no such program");
    assert_eq!(missing.to_string(), "open /no/such/program: No such file or directory");
    let (bad, ..) = spec(&[]);
    let named = launch(Spec { name: "a/b".into(), ..bad }).expect_err("no name");
    assert!(named.to_string().contains("a/b"), "{named}");
    let (bad, _input, mut output) = spec(&[]);
    let mut run = launch(Spec { program: "/etc/passwd".into(), ..bad }).expect("a box");
    run.go().expect("roots that wait");
    output.read_to_string(&mut String::new()).expect("the end");
    let error = run.end().expect_err("no program");
    assert!(error.to_string().starts_with("run /box/program: Permission denied"), "{error}");
    assert_eq!(children(), 0);
}
