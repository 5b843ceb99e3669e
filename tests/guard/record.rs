//! A program compiled and recorded, and what is asked of its trace.

use std::path::{Path, PathBuf};
use std::process::Command;

use ipc_grade::harness::{Attempt, attempt};
use ipc_grade::model::{Limits, Schedule, ScheduleSeed};
use ipc_grade::trace::canonical::{ObjectKind, RunEnd, Trace, Verb};

/// A program's file, which is there as long as this is.
pub(crate) struct Program {
    _folder: Option<tempfile::TempDir>,
    file: PathBuf,
}

fn compiled(source: &str, compile: impl FnOnce(&Path, &Path) -> Command) -> Program {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("program");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guard/programs").join(source);
    let output = compile(&source, &file).output().expect("a compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Program { _folder: Some(folder), file }
}

/// A program in C, unoptimised, as a course would compile it.
pub(crate) fn c(source: &str) -> Program {
    compiled(source, |source, file| {
        let mut cc = Command::new("cc");
        cc.args(["-O0", "-pthread", "-Wall", "-Werror", "-o"]).arg(file).arg(source);
        cc
    })
}

/// This binary.
pub(crate) fn itself() -> Program {
    Program { _folder: None, file: std::env::current_exe().expect("this binary") }
}

impl Program {
    pub(crate) fn in_order(&self, args: &[&str]) -> Trace {
        self.run(args, Schedule::IN_ORDER)
    }

    pub(crate) fn seeded(&self, args: &[&str], seed: u32) -> Trace {
        self.run(args, Schedule::Seeded { seed: ScheduleSeed(seed), steps: 20 })
    }

    fn run(&self, args: &[&str], schedule: Schedule) -> Trace {
        attempt(&self.attempt(args, schedule)).expect("a trace").trace
    }

    pub(crate) fn attempt(&self, args: &[&str], schedule: Schedule) -> Attempt {
        Attempt {
            // So many accesses take long on a machine that is busy with other things.
            limits: Limits { wall_ms: 600_000, ..Limits::default() },
            schedule,
            entropy: 1,
            ..Attempt::plain(self.file.clone(), "program", args.iter().map(|arg| arg.as_bytes().to_vec()).collect())
        }
    }
}

/// What the program printed.
pub(crate) fn printed(trace: &Trace) -> String {
    let text = trace.iter().filter_map(|(_, event)| match &event.verb {
        Verb::Write { object, bytes } if trace.object(*object).kind == ObjectKind::Stdout => Some(&bytes.0[..]),
        _ => None,
    });
    String::from_utf8_lossy(&text.collect::<Vec<_>>().concat()).into_owned()
}

/// The accesses of one process: `load+0 01000000`, `store+8 05*`; a star is atomic.
pub(crate) fn accesses(trace: &Trace, life: &str) -> Vec<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let star = |atomic: bool| if atomic { "*" } else { "" };
    let own = trace.iter().filter(|(_, event)| trace.life(event.life).name == life);
    own.filter_map(|(_, event)| match &event.verb {
        Verb::Load { offset, bytes, atomic, .. } => Some(format!("load+{offset} {}{}", hex(&bytes.0), star(*atomic))),
        Verb::Store { offset, bytes, atomic, .. } => Some(format!("store+{offset} {}{}", hex(&bytes.0), star(*atomic))),
        _ => None,
    })
    .collect()
}

/// The run came to its end and the program found all as it should be.
#[track_caller]
pub(crate) fn ends_well(trace: &Trace) {
    assert_eq!(trace.end, RunEnd::Finished, "{:?}", trace.events);
    // Children answer to their parents, and those to main.
    let main = trace.iter().filter(|(_, event)| trace.life(event.life).name == "main").last();
    let verb = main.map(|(_, event)| &event.verb);
    assert_eq!(verb, Some(&Verb::Exit { status: 0 }), "{}", printed(trace));
}
