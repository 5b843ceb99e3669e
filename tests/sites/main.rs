//! Where in a program's own source things happen: through libc and std, handlers, threads, forks, vfork and what was inlined;
//! with frame pointers and without. Recorded by `ipc-grade trace --lines`.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/traced.rs"]
mod traced;

use std::path::{Path, PathBuf};
use std::process::Command;

use ipc_grade::trace::canonical::RunEnd;
use ipc_grade::trace::{Site, Trace, Verb};

/// A program, compiled by a command into a folder of its own, and its source.
struct Program {
    folder: tempfile::TempDir,
    source: PathBuf,
}

impl Program {
    fn compiled(file: &str, compiler: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join(file);
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sites").join(file), &source).unwrap();
        let mut command = Command::new(compiler);
        command.args(options).arg("-o").arg(folder.path().join("program")).arg(&source).current_dir(folder.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder, source }
    }

    fn trace(&self, options: &[&str]) -> Trace {
        let program = self.folder.path().join("program").to_str().unwrap().to_owned();
        traced::trace(&[&["--lines"], options].concat(), &[program], self.folder.path()).trace
    }

    /// The line that a place names.
    #[track_caller]
    fn line(&self, site: Option<&Site>) -> String {
        let site = site.expect("it has a place");
        assert_eq!(site.file, self.source.file_name().unwrap().to_str().unwrap(), "relative to where it was started");
        let text = std::fs::read_to_string(&self.source).unwrap();
        text.lines().nth(site.line as usize - 1).expect("such a line").to_owned()
    }

    /// Each write to standard output has the place of the line with its text.
    fn check(&self, trace: &Trace, wanted: &[&str]) {
        let mut seen = Vec::new();
        for (_, event) in trace.iter() {
            let Verb::Write { bytes, .. } = &event.verb else { continue };
            let text = bytes.to_string();
            if text == "tool\\n" {
                assert_eq!(event.site, None, "another program's write is nobody's line");
            } else {
                let line = self.line(event.site.as_deref());
                assert!(line.contains(&format!("\"{text}\"")), "{text}: {:?} {line}", event.site);
            }
            seen.push(text);
        }
        assert_eq!(seen, wanted);
        let (RunEnd::Deadlock { waits } | RunEnd::AllBlocked { waits }) = &trace.end else { panic!("{:?}", trace.end) };
        assert!(self.line(waits[0].site.as_ref()).contains("\"stuck\""), "{waits:?}");
    }
}

const C: [&str; 9] = ["before", "handler", "inlined", "stdio", "compare", "thread", "child", "deep", "tool\\n"];

fn functions(trace: &Trace) -> Vec<String> {
    let writes = trace.events.iter().filter(|event| matches!(event.verb, Verb::Write { .. }));
    writes.filter_map(|event| event.site.as_ref()?.function.clone()).collect()
}

#[test]
fn a_c_program() {
    let program = Program::compiled("program.c", "cc", &["-g", "-O0", "-pthread"]);
    let trace = program.trace(&[]);
    program.check(&trace, &C);
    assert_eq!(functions(&trace), ["main", "handler", "inlined", "main", "compare", "thread", "main", "deep"]);
    for (_, event) in trace.iter() {
        let at = |text: &str| assert!(program.line(event.site.as_deref()).contains(text), "{event:?}");
        match &event.verb {
            Verb::Take { .. } => at("raise"),
            Verb::Exec { .. } => at("execl"),
            Verb::Fork { .. } => at("fork() == 0"),
            Verb::Thread { .. } => at("pthread_create"),
            _ => {}
        }
    }
}

#[test]
fn without_frame_pointers_and_in_the_box() {
    let options = ["-g", "-O1", "-fomit-frame-pointer", "-fno-optimize-sibling-calls", "-pthread"];
    let program = Program::compiled("program.c", "cc", &options);
    program.check(&program.trace(&["--box"]), &C);
    let program = Program::compiled("program.c", "cc", &["-g", "-O0", "-static", "-pthread"]);
    program.check(&program.trace(&[]), &C);
}

#[test]
fn with_frame_pointers_alone() {
    let options =
        ["-g", "-O0", "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-pthread"];
    let program = Program::compiled("program.c", "cc", &options);
    program.check(&program.trace(&[]), &C);
}

#[test]
fn a_rust_program() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let options = ["--edition=2024", "-Cdebuginfo=line-tables-only", "-Cforce-frame-pointers=yes"];
    let program = Program::compiled("program.rs", &rustc, &options);
    program.check(&program.trace(&[]), &["macro", "thread", "closure", "closure", "dropped", "tool\\n"]);
    let functions = functions(&program.trace(&[]));
    assert_eq!(functions.last().map(String::as_str), Some("program::write::{{closure}}"), "{functions:?}");
    let spawned = program.trace(&[]).events.into_iter().find(|event| matches!(event.verb, Verb::Fork { .. }));
    assert!(program.line(spawned.unwrap().site.as_deref()).contains("\"command\""));
}

#[test]
fn without_debug_information_there_are_no_places() {
    let program = Program::compiled("program.c", "cc", &["-O0", "-pthread"]);
    assert!(program.trace(&[]).events.iter().all(|event| event.site.is_none()));
}

/// The same events, with places or without: stacks are looked at and nothing is changed.
#[test]
fn places_change_nothing_else() {
    let program = Program::compiled("program.c", "cc", &["-g", "-O0", "-pthread"]);
    let path = program.folder.path().join("program").to_str().unwrap().to_owned();
    let plain = traced::trace(&["--box"], &[path], program.folder.path()).trace;
    let mut placed = program.trace(&["--box"]);
    placed.events.iter_mut().for_each(|event| event.site = None);
    assert_eq!(placed.events, plain.events);
}
