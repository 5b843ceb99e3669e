//! Runs each case of a suite in a process of its own: [`ipc_grade::sandbox::enter`] is for a process with one thread,
//! once. The suite's binary is started again with `--case NAME`, and by the box with `--inside NAME`. Started by root,
//! each case runs twice: as root, and as an ordinary user, in a cgroup of its own where the machine can give one.

#[path = "delegated.rs"]
mod delegated;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use delegated::Delegated;

/// Nobody: what an ordinary user is to a test that root started.
const NOBODY: u32 = 65_534;

/// Names the folder with what root lends to an ordinary user, who may not read where target folder and checkout are.
const LENT: &str = "IPC_GRADE_LENT";

/// A case by its name.
pub(crate) type Case = (&'static str, fn());

/// Runs one case, one program, or all cases.
pub(crate) fn main(suite: &str, cases: &[Case], inside: fn(&str, &[String]) -> ExitCode) -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "--case", name] => {
            let (_, run) = cases.iter().find(|(known, _)| *known == name).expect("a case of this name");
            run();
            ExitCode::SUCCESS
        }
        // Whether this machine gives what all the cases need.
        [_, "--enter"] => match ipc_grade::sandbox::enter() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("failed to {error}");
                ExitCode::FAILURE
            }
        },
        [_, "--inside", name, ..] => inside(name, &args[3..]),
        _ => run_all(suite, cases, &args[1..]),
    }
}

/// Runs every case whose name has one of the filters in it, as cargo's own harness does.
fn run_all(suite: &str, cases: &[Case], args: &[String]) -> ExitCode {
    let filters: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    if args.iter().any(|arg| arg == "--list") {
        cases.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    // An ordinary user must be able to run it, wherever the target folder is.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join(suite);
    std::fs::copy(std::env::current_exe().expect("this binary"), &program).expect("a copy of this binary");
    let open = |path: &Path| std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("a new mode");
    open(folder.path());
    open(&program);

    let missing = Command::new(&program).arg("--enter").status().is_ok_and(|status| !status.success());
    if missing {
        let required = std::env::var("IPC_GRADE_REQUIRE").is_ok_and(|list| list.split(',').any(|x| x == "namespaces"));
        println!("{suite}: SKIPPED: this machine gives no user namespaces (ipc-grade doctor says what to change)");
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let mut failed = 0;
    let root = nix::unistd::geteuid().is_root();
    if root {
        lend(folder.path()).expect("the grader and the course's crates, copied");
    }
    for (name, _) in cases.iter().filter(|(name, _)| wanted(name)) {
        for (person, command, _group) in commands(&program, root) {
            failed += usize::from(!passes(name, person, command));
        }
    }
    println!("{suite}: {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Puts the grader and the course's crates where everybody may read them, and makes the user's own folders.
fn lend(folder: &Path) -> std::io::Result<()> {
    std::fs::copy(assert_cmd::cargo::cargo_bin("ipc-grade"), folder.join("ipc-grade"))?;
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR")).join("exercises/vendor");
    let copied = Command::new("cp").args(["-r", "--no-preserve=mode"]).arg(vendor).arg(folder).status()?;
    assert!(copied.success(), "cp");
    for own in ["home".to_owned(), format!("cache-{NOBODY}")] {
        std::fs::create_dir(folder.join(&own))?;
        std::os::unix::fs::chown(folder.join(own), Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

/// The suite as each person whom it is to run as.
fn commands(program: &Path, root: bool) -> Vec<(&'static str, Command, Option<Delegated>)> {
    if !root {
        return vec![("user", Command::new(program), None)];
    }
    let of = |user: u32| {
        let group = Delegated::new(user);
        let command = group.as_ref().map(|group| group.command(program, user));
        (command, group)
    };
    let (own, own_group) = of(0);
    let (other, other_group) = of(NOBODY);
    let mut ordinary = other.unwrap_or_else(|| {
        let mut command = Command::new(program);
        command.uid(NOBODY).gid(NOBODY);
        command
    });
    let lent = program.parent().expect("a file in a folder");
    ordinary.env(LENT, lent).env("HOME", lent.join("home"));
    ordinary.env("CARGO_BIN_EXE_ipc-grade", lent.join("ipc-grade")).env_remove("CARGO_HOME");
    vec![("root", own.unwrap_or_else(|| Command::new(program)), own_group), ("user", ordinary, other_group)]
}

fn passes(name: &str, person: &str, mut command: Command) -> bool {
    let output = command.args(["--case", name]).current_dir("/").output().expect("this binary runs");
    let passed = output.status.success();
    let said = String::from_utf8_lossy(&output.stdout);
    // A case that its machine cannot run says so.
    let skipped = said.lines().find(|line| line.starts_with("SKIPPED")).filter(|_| passed);
    println!("{name} as {person} ... {}", skipped.unwrap_or(if passed { "ok" } else { "FAILED" }));
    if !passed {
        println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    passed
}
