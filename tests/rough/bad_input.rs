//! What is wrong before anything runs: said by name and place, and whose fault it is by the exit code.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ipc_grade::sys::seccomp::{self, Rule};

use super::course::{Ran, SmallCourse, right};

#[test]
fn course_files_that_are_missing() {
    let course = SmallCourse::new("");
    let folder = course.exercise();
    for file in ["exercise.toml", "expected.trace"] {
        let path = format!("{folder}/{file}");
        let text = fs::read_to_string(course.path(&path)).expect("a file");
        course.remove(&path);
        course.run(&["check"]).complains(3, &["this file is missing", &format!("--> {path}")]);
        fs::create_dir(course.path(&path)).expect("a folder");
        course.run(&["check"]).complains(3, &["this is a folder, where a file should be", &path]);
        fs::remove_dir(course.path(&path)).expect("removed");
        course.write(&path, b"\xff");
        course.run(&["check"]).complains(3, &["UTF-8", &path]);
        course.write(&path, text);
    }
    course.remove("grader.toml");
    course.run(&["check"]).complains(3, &["there is no grader.toml here or in any folder above", "--course DIR"]);
}

#[test]
fn course_files_that_are_broken() {
    let course = SmallCourse::new("");
    let folder = course.exercise();
    let broken = |file: &str, from: &str, to: &str, words: &[&str]| {
        let text = fs::read_to_string(course.path(file)).expect("a file");
        assert!(text.contains(from), "{from} is in {file}");
        course.write(file, text.replacen(from, to, 1));
        course.run(&["check"]).complains(3, words);
        course.write(file, text);
    };
    broken("grader.toml", "title = \"Small\"", "title = ", &["--> grader.toml:2:", "2 | title =", "expected"]);
    broken(
        &format!("{folder}/exercise.toml"),
        "kind = \"trace\"",
        "kind = \"trase\"",
        &[&format!("--> {folder}/exercise.toml:14:9"), "14 | kind = \"trase\"", "did you mean `trace`?"],
    );
    broken(
        &format!("{folder}/expected.trace"),
        "then wait child",
        "then wiat child",
        &[&format!("--> {folder}/expected.trace:2:"), "2 |     pipe data", "wiat", "wait"],
    );
}

/// What is wrong with an expected trace only under a scenario's values shows in grading, and is the author's there too.
#[test]
fn a_value_that_nobody_draws() {
    let course = SmallCourse::new("");
    if !super::require::grading() {
        return;
    }
    let expected = format!("{}/expected.trace", course.exercise());
    let text = fs::read_to_string(course.path(&expected)).expect("a file");
    course.write(&expected, text.replacen("{word}", "{wort}", 1));
    course.write(&format!("{}/src/main.rs", course.exercise()), right());
    let place = format!("--> {expected}:2:35");
    course.run(&["check"]).complains(3, &["no value is called `wort`", &place, "2 |     pipe data"]);
    course.submit("ada", right());
    course.run(&["batch", "submissions", "--out", "out"]).complains(3, &["no value is called `wort`", &place]);
}

#[test]
fn exercises_that_do_not_exist() {
    let course = SmallCourse::new("");
    let near = format!("{}x", course.name);
    course.run(&["check", &near]).complains(2, &[&format!("no exercise is called `{near}`"), &course.name]);
}

#[test]
fn sources_that_cannot_be() {
    let course = SmallCourse::new("");
    let name = course.name.clone();
    let main = format!("{}/src/main.rs", course.exercise());
    let check = |words: &str| {
        let ran = course.run(&["check", &name, "--format", "json"]);
        let graded = ran.graded();
        assert_eq!((ran.exit, graded["status"].as_str()), (1, Some("fail")), "{}", ran.out);
        let finding = &graded["findings"][0];
        assert_eq!(finding["code"], "B001");
        assert!(finding["message"].as_str().is_some_and(|message| message.contains(words)), "{finding}");
    };
    check("there is no src/main.rs");
    fs::create_dir_all(course.path(&main)).expect("folders");
    check("src/main.rs is a folder, not a file");
    fs::remove_dir(course.path(&main)).expect("removed");
    course.write(&main, b"fn main() { \xe4 }");
    check("src/main.rs is not UTF-8 text");
    course.remove(&main);
    symlink("/etc/passwd", course.path(&main)).expect("a link");
    check("src/main.rs is a link that leads out of its folder");
    course.remove(&main);
    course.write(&main, "fn main() { let x: u8 = \"no number\"; }");
    check("does not compile");
    assert!(course.run(&["check", &name]).out.contains("mismatched types"), "rustc's own words");
}

#[test]
fn a_disk_that_is_full() {
    let course = SmallCourse::new("");
    let full = || fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let ran =
        Ran::of(course.command(&["trace", "-o", "/dev/full", "--", "/bin/true"]).stdin(std::process::Stdio::null()));
    ran.complains(4, &["cannot be written to /dev/full", "No space left on device"]);
    let nowhere = course.run(&["trace", "-o", "no/such/folder", "--", "/bin/true"]);
    nowhere.complains(2, &["cannot be written to no/such/folder"]);
    let output = course.command(&["list"]).stdout(full()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left on device"));
    // Where messages cannot be written either, the exit code is what is left.
    let status = course.command(&["list"]).stdout(full()).stderr(full()).status().expect("it runs");
    assert_eq!(status.code(), Some(4));
    let closed = course.command(&["check", "nothing"]).stderr(full()).status().expect("it runs");
    assert_eq!(closed.code(), Some(2));
}

#[test]
fn a_cache_that_cannot_be_written() {
    let course = SmallCourse::new("");
    course.write(&format!("{}/src/main.rs", course.exercise()), right());
    course.write("a file", "");
    for cache in ["/proc/cache", "a file", "/dev/null/cache"] {
        let ran = Ran::of(course.command(&["check"]).env("IPC_GRADE_CACHE", cache));
        ran.complains(4, &[cache, "IPC_GRADE_CACHE"]);
        let doctor = Ran::of(course.command(&["doctor"]).env("IPC_GRADE_CACHE", cache));
        assert_eq!(doctor.exit, 4, "{}", doctor.out);
        assert!(doctor.out.contains(&format!("cache in {cache}")) && doctor.out.contains("IPC_GRADE_CACHE"));
    }
}

#[test]
fn no_compiler() {
    let course = SmallCourse::new("");
    course.write(&format!("{}/src/main.rs", course.exercise()), right());
    let without = |args: &[&str]| {
        let mut command = course.command(args);
        command.env("PATH", course.path("bin")).env_remove("CARGO").env_remove("RUSTC");
        Ran::of(&mut command)
    };
    without(&["check"]).complains(4, &["failed to run `rustc`", "https://rustup.rs"]);
    let doctor = without(&["doctor"]);
    assert_eq!(doctor.exit, 4);
    for tool in ["cargo", "rustc", "cc"] {
        assert!(doctor.out.contains(&format!("MISSING  {tool}: not on the PATH")), "{}", doctor.out);
    }
}

/// Runs the grader on a machine that refuses a call. The filter stays with the thread that starts it, and with all that
/// it starts.
fn refused(course: &SmallCourse, number: i64, args: &[&str]) -> Ran {
    let mut command = course.command(args);
    let start = move || {
        seccomp::install(&seccomp::build(&[Rule::Fail(number, libc::EPERM)])).expect("a filter");
        Ran::of(&mut command)
    };
    std::thread::spawn(start).join().expect("it ran")
}

#[test]
fn a_machine_that_lacks_something() {
    let course = SmallCourse::new("");
    if !super::require::grading() {
        return;
    }
    course.write(&format!("{}/src/main.rs", course.exercise()), right());
    for (call, in_check, in_doctor) in [
        (libc::SYS_ptrace, "ptrace(2) must be allowed", "MISSING  ptrace of our own children"),
        (libc::SYS_seccomp, "install the filter", "MISSING  seccomp filters"),
    ] {
        let ran = refused(&course, call, &["check", "--format", "json"]);
        let graded = ran.graded();
        assert_eq!((ran.exit, graded["status"].as_str()), (4, Some("error")), "{}{}", ran.out, ran.err);
        let problem = graded["problem"].as_str().unwrap_or_default();
        assert!(problem.contains(in_check), "{problem}");
        let doctor = refused(&course, call, &["doctor"]);
        assert_eq!(doctor.exit, 4, "{}", doctor.out);
        assert!(doctor.out.contains(in_doctor), "{in_doctor}\n{}", doctor.out);
    }
}

/// What Docker's default filter refuses of what a grader may call, in a container without capabilities of its own
/// (moby/profiles, seccomp/default.json): most of it with EPERM, clone3(2) with ENOSYS.
const DOCKER: [Rule; 17] = [
    Rule::Fail(libc::SYS_clone3, libc::ENOSYS),
    Rule::Fail(libc::SYS_unshare, libc::EPERM),
    Rule::Fail(libc::SYS_setns, libc::EPERM),
    Rule::Fail(libc::SYS_mount, libc::EPERM),
    Rule::Fail(libc::SYS_umount2, libc::EPERM),
    Rule::Fail(libc::SYS_mount_setattr, libc::EPERM),
    Rule::Fail(libc::SYS_move_mount, libc::EPERM),
    Rule::Fail(libc::SYS_open_tree, libc::EPERM),
    Rule::Fail(libc::SYS_fsopen, libc::EPERM),
    Rule::Fail(libc::SYS_pivot_root, libc::EPERM),
    Rule::Fail(libc::SYS_sethostname, libc::EPERM),
    Rule::Fail(libc::SYS_kcmp, libc::EPERM),
    Rule::Fail(libc::SYS_pidfd_getfd, libc::EPERM),
    Rule::Fail(libc::SYS_process_madvise, libc::EPERM),
    Rule::Fail(libc::SYS_userfaultfd, libc::EPERM),
    Rule::Fail(libc::SYS_keyctl, libc::EPERM),
    Rule::Fail(libc::SYS_bpf, libc::EPERM),
];

/// Its rules by argument: clone(2) with a new namespace, and personality(2) but for two old ones and a look.
fn docker_by_argument() -> Vec<seccomp::Instruction> {
    const NEW_NAMESPACES: u32 = 0x7e02_0000;
    let load =
        |at| seccomp::Instruction { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: at };
    let jump =
        |kind: u32, k, jt, jf| seccomp::Instruction { code: (libc::BPF_JMP | kind | libc::BPF_K) as u16, jt, jf, k };
    let end = |k| seccomp::Instruction { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k };
    vec![
        load(0),
        jump(libc::BPF_JEQ, libc::SYS_clone as u32, 0, 2),
        load(16),
        jump(libc::BPF_JSET, NEW_NAMESPACES, 6, 5),
        jump(libc::BPF_JEQ, libc::SYS_personality as u32, 0, 4),
        load(16),
        jump(libc::BPF_JEQ, u32::MAX, 2, 0),
        jump(libc::BPF_JSET, !(0x20_000 | 8), 2, 1),
        end(libc::SECCOMP_RET_ALLOW),
        end(libc::SECCOMP_RET_ALLOW),
        end(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
    ]
}

/// Runs the grader as in a container of Docker's. Its other half, masked files of /proc, needs mounts that are none of ours.
fn in_docker(course: &SmallCourse, args: &[&str]) -> Ran {
    let mut command = course.command(args);
    let start = move || {
        seccomp::install(&docker_by_argument()).expect("a filter");
        seccomp::install(&seccomp::build(&DOCKER)).expect("another");
        Ran::of(&mut command)
    };
    std::thread::spawn(start).join().expect("it ran")
}

/// Landlock, ptrace and rlimits are all that is left there, and one's own work is graded with them.
#[test]
fn dockers_default_filter() {
    let course = SmallCourse::new("");
    if !super::require::grading() {
        return;
    }
    course.write(&format!("{}/src/main.rs", course.exercise()), right());
    let doctor = in_docker(&course, &["doctor"]);
    assert_eq!(doctor.exit, 0, "{}{}", doctor.out, doctor.err);
    for said in [
        "lacks    mount namespaces: needs user namespaces\nlacks    pid namespaces: needs",
        "L1  namespaces: failed to make a user namespace",
        "L2  landlock: works: programs run at this level",
    ] {
        assert!(doctor.out.contains(said), "{said}\n{}", doctor.out);
    }
    assert_eq!(doctor.out.matches("what to do: allow user namespaces").count(), 1, "once for all:\n{}", doctor.out);
    for level in ["L2", "L3"] {
        let ran = in_docker(&course, &["check", "--format", "json", "--isolation", level]);
        let report: serde_json::Value = serde_json::from_str(&ran.out).expect("a report");
        assert_eq!((ran.exit, report["isolation_level"].as_str()), (0, Some(level)), "{}{}", ran.out, ran.err);
    }
}

/// As a container of Docker's, whose filter refuses namespaces and mounts; the filter is ours, not Docker's own.
#[test]
fn a_machine_without_namespaces() {
    let course = SmallCourse::new("");
    if !super::require::grading() {
        return;
    }
    course.write(&format!("{}/src/main.rs", course.exercise()), right());
    course.submit("ada", right());
    for (call, why) in
        [(libc::SYS_unshare, "failed to make a user namespace"), (libc::SYS_mount, "failed to make mounts private")]
    {
        let doctor = refused(&course, call, &["doctor"]);
        assert_eq!(doctor.exit, 0, "{}", doctor.out);
        for said in [
            &format!("L1  namespaces: {why}") as &str,
            "kernel.apparmor_restrict_unprivileged_userns=0",
            "seccomp=unconfined",
            "L2  landlock: works: programs run at this level",
            "not held: names of shared memory",
        ] {
            assert!(doctor.out.contains(said), "{said}\n{}", doctor.out);
        }
        // One's own work runs at the best level there is.
        let ran = refused(&course, call, &["check", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_str(&ran.out).expect("a report");
        let level = (report["isolation"].as_str(), report["isolation_level"].as_str());
        assert_eq!((ran.exit, level), (0, (Some("landlock"), Some("L2"))), "{}{}", ran.out, ran.err);
        assert!(ran.err.contains("isolation L2 (landlock): names of shared memory"), "{}", ran.err);
        // Other people's does not, unless somebody says so; then each result says what was not held.
        let batch = ["batch", "submissions", "--out", "out"];
        let ran = refused(&course, call, &batch);
        ran.complains(4, &["L2 (landlock) and no better", "--isolation L2", "to get L1"]);
        assert!(!course.path("out/students/ada.json").exists());
        let ran = refused(&course, call, &[&batch[..], &["--isolation", "L3"]].concat());
        assert_eq!(ran.exit, 0, "{}", ran.err);
        let text = fs::read_to_string(course.path("out/students/ada.json")).expect("a student's file");
        let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((report["points"].as_u64(), report["isolation_level"].as_str()), (Some(10), Some("L3")), "{text}");
        assert!(report["not_held"].to_string().contains("every file that this user may read"), "{text}");
        let ran = refused(&course, call, &[&batch[..], &["--isolation", "L1"]].concat());
        ran.complains(4, &["failed to isolate programs at L1"]);
        fs::remove_dir_all(course.path("out")).expect("results");
    }
    let ran = course.run(&["batch", "submissions", "--out", "out", "--isolation", "L9"]);
    ran.complains(2, &["no level of isolation"]);
    let ran = course.run(&["check", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).expect("a report");
    assert!(["L0", "L1"].contains(&report["isolation_level"].as_str().unwrap_or_default()), "{}", ran.out);
}

/// No terminal, no home, no input: nothing of it is needed.
#[test]
fn hardly_any_surroundings() {
    let course = SmallCourse::new("");
    let mut command = course.command(&["list"]);
    command.env_clear().stdin(std::process::Stdio::null());
    let ran = Ran::of(&mut command);
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""));
    let gone = tempfile::tempdir().expect("a folder");
    let inside = gone.path().join("inside");
    fs::create_dir(&inside).expect("a folder");
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o755)).expect("a mode");
    let named = course.path("");
    let ran =
        Ran::of(course.command(&["list", "--course", named.to_str().expect("UTF-8")]).current_dir(Path::new("/")));
    assert_eq!(ran.exit, 0, "{}", ran.err);
}
