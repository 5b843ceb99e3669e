//! One call of the compiler on a learner's source, in a box of its own.
//!
//! A [`Call`] is data: who has it performed is a worker, a process with one thread, for only such a one can make a box.
//! Where files are is told by names in the arguments (`@template@`), because in the box they are elsewhere.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::toolchain::Toolchain;
use crate::sandbox::{self, Access, Bounds, Held, Isolation, Mount, SandboxError, Tool, ToolEnd};

/// The folder of the toolchain, in arguments.
pub(super) const TOOLCHAIN: &str = "@toolchain@";
/// The folder in which cargo built the template.
pub(super) const TEMPLATE: &str = "@template@";
/// The folder with `src` in it.
pub(super) const EXERCISE: &str = "@exercise@";
/// The folder that the compiler writes to.
pub(super) const OUT: &str = "@out@";

/// What the compiler may use. The memory is what rustc takes for 40 times the largest source; honest programs take
/// under a second.
const BOUNDS: Bounds = Bounds {
    memory: 4 << 30,
    file: 64 << 20,
    scratch: 256 << 20,
    cpu_s: 10,
    wall: Duration::from_secs(120),
    said: 64 << 10,
};

/// A call of the compiler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub(super) toolchain: Toolchain,
    /// The folder with the standard library's objects without debugging information, for the box alone.
    pub(super) slim: Option<PathBuf>,
    /// Where cargo built the template.
    pub(super) target: PathBuf,
    /// The folder with `src` and `out` in it.
    pub(super) stage: PathBuf,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<String>,
    /// The processors that the compiler may run on: a worker is bound to one.
    pub(super) processors: Vec<usize>,
    /// The C compiler links.
    pub(super) driver: bool,
    /// The isolation of the attempts that the same worker makes; none is the best that there is.
    pub isolation: Option<Isolation>,
}

/// How a call of the compiler ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    pub(super) end: CallEnd,
    /// The beginning of what it said.
    pub(super) said: String,
    /// How many bytes more it said.
    pub(super) unkept: u64,
    /// Why no box was around it, where none was.
    pub unheld: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CallEnd {
    Exited(i32),
    /// By the signal of this number.
    Killed(i32),
    Late,
}

impl Call {
    /// How long it may take in all.
    pub fn patience(&self) -> Duration {
        BOUNDS.wall
    }

    /// Performs it, in a box of its own where the level has namespaces. The caller has one thread, and becomes a worker of
    /// that level for good at the first call.
    ///
    /// # Errors
    /// What the machine does not give; how the compiler ended is none.
    pub fn perform(&self) -> Result<Called, SandboxError> {
        let level = sandbox::enter_level(self.isolation)?;
        let held = if level.is_own_world() { Held::Boxed } else { Held::Limits };
        let unheld = (held == Held::Limits).then(|| {
            format!(
                "at {} ({}) there are no namespaces: the compiler reads what its user reads",
                level.level(),
                level.name()
            )
        });
        let ran = sandbox::run(&self.tool(held))?;
        let end = match ran.end {
            ToolEnd::Exited(status) => CallEnd::Exited(status),
            ToolEnd::Killed(signal) => CallEnd::Killed(signal.number()),
            ToolEnd::Late => CallEnd::Late,
        };
        let said = String::from_utf8_lossy(&ran.said).into_owned();
        Ok(Called { end, said, unkept: ran.unkept, unheld })
    }

    fn tool(&self, held: Held) -> Tool {
        let (stage, out) = (self.stage.join("exercise"), self.stage.join("out"));
        let hosts = [&self.toolchain.sysroot, &self.target, &stage, &out];
        let names = [TOOLCHAIN, TEMPLATE, EXERCISE, OUT];
        let (places, scratch): ([&Path; 4], String) = match held {
            Held::Boxed => (["/toolchain", "/template", "/exercise", "/out"].map(Path::new), "/tmp".to_owned()),
            Held::Limits => (hosts.map(PathBuf::as_path), out.display().to_string()),
        };
        let placed = |text: &String| {
            let pairs = names.iter().zip(places);
            pairs.fold(text.clone(), |text, (name, place)| text.replace(name, &place.display().to_string()))
        };
        let mut args: Vec<String> = self.args.iter().map(placed).collect();
        let access = [Access::Read, Access::Read, Access::Read, Access::Write];
        let inside = ["toolchain", "template", "exercise", "out"];
        let mounts = hosts.iter().zip(inside).zip(access);
        let mut mounts: Vec<Mount> =
            mounts.map(|((host, inside), access)| Mount { host: host.to_path_buf(), inside, access }).collect();
        if let (Some(slim), Held::Boxed) = (&self.slim, held) {
            mounts.push(Mount { host: slim.clone(), inside: "slim", access: Access::Read });
            args.extend(["--sysroot".to_owned(), "/slim".to_owned()]);
        }
        // What is compiled may hold its compiler's environment (env!), so in the box there is nothing of this machine.
        let path = match held {
            Held::Boxed => "/usr/local/bin:/usr/bin:/bin".to_owned(),
            Held::Limits => std::env::var("PATH").unwrap_or_default(),
        };
        let mut env = vec![format!("TMPDIR={scratch}"), format!("PATH={path}"), "LC_ALL=C".to_owned()];
        env.extend(self.env.iter().cloned());
        Tool {
            program: places[0].join("bin/rustc"),
            args,
            env,
            folder: places[2].to_owned(),
            mounts,
            programs: self.driver,
            bounds: BOUNDS,
            processors: self.processors.clone(),
            held,
        }
    }
}

/// rustc's exit status after a panic of its own, an "internal compiler error" (rustc_driver, EXIT_FAILURE is 1).
const PANICKED: i32 = 101;

impl Called {
    /// Whether the compiler panicked: a mistake of its own, or something that the machine did not give at that moment.
    pub(super) fn broke_down(&self) -> bool {
        self.end == CallEnd::Exited(PANICKED)
    }

    /// Why the compiler gave no answer about the source, and what to do: nobody's fault who is graded.
    pub(super) fn no_answer(&self) -> String {
        match self.end {
            CallEnd::Exited(PANICKED) => format!(
                "rustc broke down over {}, with an internal error of its own, each time. That is neither the program's \
                 fault nor the grader's: write what is there in another way, or grade with another toolchain \
                 (RUSTUP_TOOLCHAIN); https://github.com/rust-lang/rust/issues takes reports of it",
                self.place().as_deref().unwrap_or("the source")
            ),
            CallEnd::Exited(status) => format!("rustc ended with status {status}, which it has no meaning for"),
            CallEnd::Killed(number) => {
                format!("rustc was killed by signal {number}: the machine does that where memory runs out")
            }
            CallEnd::Late => format!("rustc gave no answer in {} s: is the machine busy?", BOUNDS.wall.as_secs()),
        }
    }

    /// The first place in the source that the compiler named.
    fn place(&self) -> Option<String> {
        let said = console::strip_ansi_codes(&self.said);
        said.lines().find_map(|line| line.trim_start().strip_prefix("--> ").map(|place| place.trim().to_owned()))
    }

    /// Why there is no program although the compiler did not say what is wrong with the source; none where it did, or
    /// where the machine is to blame.
    pub(super) fn gave_up(&self) -> Option<String> {
        let CallEnd::Killed(number) = self.end else { return None };
        Some(match number {
            libc::SIGXCPU => format!("compiling it takes more than {} s of CPU time", BOUNDS.cpu_s),
            libc::SIGXFSZ => format!("the program is larger than {} MiB", BOUNDS.file >> 20),
            libc::SIGABRT if self.said.contains("memory allocation") => {
                format!("compiling it takes more than {} GiB of memory", BOUNDS.memory >> 30)
            }
            libc::SIGABRT | libc::SIGSEGV | libc::SIGBUS => "the compiler breaks down over it".to_owned(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_names_its_place() {
        let called = |end, said: &str| Called { end, said: said.to_owned(), unkept: 0, unheld: None };
        let said = "\u{1b}[1merror: internal compiler error: broken MIR\u{1b}[0m\n \u{1b}[94m-->\u{1b}[0m src/main.rs:4:5\n  |\n\
                    note: we would appreciate a bug report\n";
        let broken = called(CallEnd::Exited(101), said);
        assert_eq!((broken.broke_down(), broken.place().as_deref()), (true, Some("src/main.rs:4:5")));
        assert!(broken.gave_up().is_none(), "nothing that the program is to blame for");
        assert!(broken.no_answer().starts_with("rustc broke down over src/main.rs:4:5, with"));
        let wordless = called(CallEnd::Exited(101), "thread 'rustc' panicked at compiler/rustc_x/src/lib.rs:1:1:\n");
        assert_eq!((wordless.broke_down(), wordless.place()), (true, None));
        assert!(!called(CallEnd::Exited(1), said).broke_down());
    }
}
