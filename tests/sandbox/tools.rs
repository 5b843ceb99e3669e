//! What must hold of the box of a tool: here a shell.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use ipc_grade::model::Signal;
use ipc_grade::sandbox::{Access, Bounds, Held, Mount, Ran, Tool, ToolEnd, enter, run};
use tempfile::TempDir;

use crate::own_process::Case;

/// Every case by name.
pub(crate) const ALL: &[Case] = &[
    ("a tool sees what it is given and nothing else", sees),
    ("a tool writes to one folder", writes),
    ("a tool is an ordinary user without network or environment", ordinary),
    ("a tool has bounds, each with its own end", bounded),
    ("a tool that does not end is ended with all that it started", late),
    ("a tool without a box has its bounds", unboxed),
    ("a tool goes with the worker that has it run", worker_dies),
    ("a tool that is not there is an error", missing),
];

const BOUNDS: Bounds =
    Bounds { memory: 1 << 30, file: 1 << 20, scratch: 1 << 20, cpu_s: 1, wall: Duration::from_secs(60), said: 4096 };

struct Shell {
    given: TempDir,
    out: TempDir,
    held: Held,
    bounds: Bounds,
}

impl Shell {
    fn new() -> Self {
        enter().expect("namespaces of our own");
        let folder = || tempfile::tempdir().expect("a temporary folder");
        let (given, out) = (folder(), folder());
        fs::set_permissions(given.path(), PermissionsExt::from_mode(0o755)).expect("a mode");
        fs::write(given.path().join("file"), "given\n").expect("a file");
        Self { given, out, held: Held::Boxed, bounds: BOUNDS }
    }

    fn tool(&self, script: &str) -> Tool {
        let mount = |folder: &TempDir, inside, access| Mount { host: folder.path().to_owned(), inside, access };
        Tool {
            program: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: vec!["PATH=/usr/bin:/bin".to_owned()],
            folder: "/".into(),
            mounts: vec![mount(&self.given, "given", Access::Read), mount(&self.out, "out", Access::Write)],
            programs: true,
            bounds: self.bounds,
            processors: Vec::new(),
            held: self.held,
        }
    }

    fn run(&self, script: &str) -> Ran {
        run(&self.tool(script)).expect("a box")
    }

    #[track_caller]
    fn says(&self, script: &str, expected: &str) {
        let ran = self.run(script);
        assert_eq!((ran.end, String::from_utf8_lossy(&ran.said).trim()), (ToolEnd::Exited(0), expected), "{script}");
    }
}

fn sees() {
    let shell = Shell::new();
    shell.says("cat given/file; ls out | wc -l", "given\n0");
    shell.says(
        "for name in /*; do case $name in /lib*|/nix) ;; *) echo $name; esac; done | tr -d '\\n'",
        "/bin/dev/etc/given/out/proc/sbin/tmp/usr",
    );
    shell.says("ls -d /home /root /work /var /run /mnt /srv /opt 2>/dev/null; echo done", "done");
    shell.says("cat /etc/passwd 2>&1 | grep -c 'No such file'", "1");
    shell.says("ls /proc | grep -c '^[0-9]*$' | grep -qx '[2345]' && echo few", "few");
    // Without the system's programs there is not even a shell.
    assert!(run(&Tool { programs: false, ..shell.tool("true") }).is_err());
}

fn writes() {
    let shell = Shell::new();
    shell.says("echo made > out/file && echo tmp > /tmp/x && cat out/file /tmp/x", "made\ntmp");
    assert_eq!(fs::read_to_string(shell.out.path().join("file")).expect("its file"), "made\n");
    for place in ["given/x", "/x", "/usr/x", "/etc/x", "/dev/x", "/proc/sys/kernel/shmmax"] {
        shell.says(&format!("echo x 2>/dev/null > {place} || echo refused"), "refused");
    }
    shell.says("ls /tmp | wc -l", "0");
}

fn ordinary() {
    let shell = Shell::new();
    shell.says("id -u; env | grep -v '^PWD=\\|^PATH=\\|^_=\\|^SHLVL=\\|^OLDPWD='; grep -c : /proc/net/dev", "1000\n1");
    shell.says(
        "grep -h '^CapEff\\|^NoNewPrivs' /proc/self/status | tr -d '\\t\\n'",
        "CapEff:0000000000000000NoNewPrivs:1",
    );
    shell.says("ls /proc/self/fd | wc -l", "4");
}

fn bounded() {
    let shell = Shell::new();
    let ends = |script: &str| shell.run(script).end;
    assert_eq!(ends("while :; do :; done"), ToolEnd::Killed(Signal::from_number(24).expect("SIGXCPU")));
    assert_eq!(ends("exec head -c 2000000 /dev/zero > out/large"), ToolEnd::Killed(Signal::XFSZ));
    assert_eq!(ends("exit 3"), ToolEnd::Exited(3));
    shell.says("head -c 900000 /dev/zero > /tmp/a; head -c 900000 /dev/zero 2>/dev/null > /tmp/b || echo full", "full");
    let ran = shell.run("head -c 10000 /dev/zero; head -c 5 /dev/zero >&2");
    assert_eq!((ran.end, ran.said.len(), ran.unkept), (ToolEnd::Exited(0), 4096, 10_005 - 4096));
}

fn late() {
    let mut shell = Shell::new();
    shell.bounds.wall = Duration::from_millis(300);
    assert_eq!(shell.run("sleep 1000 & sleep 1000").end, ToolEnd::Late);
    assert_eq!(running(b"sleep\x001000\0"), Vec::<PathBuf>::new());
}

fn unboxed() {
    let mut shell = Shell::new();
    shell.held = Held::Limits;
    shell.says("echo here; exit 0", "here");
    assert_eq!(shell.run("while :; do :; done").end, ToolEnd::Killed(Signal::from_number(24).expect("SIGXCPU")));
    shell.bounds.wall = Duration::from_millis(300);
    assert_eq!(shell.run("sleep 1001 & sleep 1001").end, ToolEnd::Late);
    assert_eq!(running(b"sleep\x001001\0"), Vec::<PathBuf>::new());
}

/// The processes with this command line.
fn running(line: &[u8]) -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    all.filter(|process| fs::read(process.join("cmdline")).is_ok_and(|its| its == line)).collect()
}

/// Killed without a word, it takes the tool and what that has started with it: they were all who could write to a pipe.
fn worker_dies() {
    for held in [Held::Boxed, Held::Limits] {
        let shell = Shell { held, ..Shell::new() };
        let fifo = shell.given.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o666)).expect("a FIFO");
        fs::set_permissions(&fifo, PermissionsExt::from_mode(0o666)).expect("a mode");
        let inside = if held == Held::Boxed { "/given/fifo".into() } else { fifo.display().to_string() };
        let script = format!("exec 9> {inside}; echo here >&9; setsid sleep 1002 & exec sleep 1002");
        let worker = match ipc_grade::sys::process::fork().expect("one thread") {
            ipc_grade::sys::process::Side::Child => {
                let _ran = run(&shell.tool(&script));
                ipc_grade::sys::process::exit_now(0)
            }
            ipc_grade::sys::process::Side::Parent(worker) => nix::unistd::Pid::from_raw(worker),
        };
        let mut from = BufReader::new(fs::File::open(&fifo).expect("the FIFO"));
        let mut line = String::new();
        from.read_line(&mut line).expect("a line");
        assert_eq!(line, "here\n");
        nix::sys::signal::kill(worker, nix::sys::signal::Signal::SIGKILL).expect("it is there");
        nix::sys::wait::waitpid(worker, None).expect("our child");
        let mut rest = String::new();
        from.read_to_string(&mut rest).expect("the end");
        assert_eq!(rest, "", "{held:?}");
    }
}

fn missing() {
    let shell = Shell::new();
    let nothing = Tool { program: "/bin/no-such-program".into(), ..shell.tool("true") };
    let error = run(&nothing).expect_err("no program").to_string();
    assert_eq!(error, "run /bin/no-such-program: No such file or directory");
    let unboxed = Tool { held: Held::Limits, ..nothing };
    assert!(run(&unboxed).is_err());
}
