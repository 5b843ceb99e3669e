//! Attacks on the grader while it compiles: what is not the learner's is neither read nor run, each attempt has its
//! named outcome, and costs points and nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::Value;

use crate::course::{LIMITS, SmallCourse, right};
use crate::own_process::Case;

/// Every case by name.
pub(crate) const ALL: &[Case] = &[
    ("a build script", build_script),
    ("a build script by another name", named_build_script),
    ("a procedural macro", proc_macro),
    ("a configuration of cargo with a compiler's wrapper", rustc_wrapper),
    ("a configuration of cargo with a linker", linker),
    ("a toolchain file", toolchain_file),
    ("a crate by a path and one that is not allowed", crates),
    ("a source that is a link", linked_source),
    ("a folder of sources that is a link", linked_folder),
    ("include_str of what is not the learner's", include_str),
    ("incbin and include in assembly", assembly),
    ("a module from elsewhere", path_attribute),
    ("the grader's environment", environment),
    ("features of the unstable compiler", unstable),
    ("a constant that is never done", endless_constant),
    ("a static of 3 GiB", large_static),
    ("a static that makes a file of 100 MiB", large_file),
    ("ten thousand errors", many_errors),
    ("nesting that the compiler cannot bear", deep_nesting),
    ("a program that calls itself a library", crate_type),
];

/// What no answer may read; it stands in the course, beside the exercise and in the grader's environment.
const SECRET: &str = "the-word-that-nobody-may-read";

/// A course with an answer that is right but for what the attack adds.
struct Attack {
    course: SmallCourse,
}

impl Attack {
    fn new() -> Self {
        // The toolchain of whoever started the tests may not be for this user to read. The part is called `compiler`.
        if !can_compile() {
            let required =
                std::env::var("IPC_GRADE_REQUIRE").is_ok_and(|list| list.split(',').any(|x| x == "compiler"));
            assert!(!required, "this user has no compiler, and IPC_GRADE_REQUIRE names it");
            println!("SKIPPED: this user has no compiler");
            std::process::exit(0);
        }
        // Relative paths lead from the exercise; the case itself starts in `/`.
        let course = SmallCourse::new(LIMITS);
        course.write("secret.txt", SECRET);
        course.write("secret.rs", format!("pub const SECRET: &str = {SECRET:?};"));
        fs::set_permissions(course.path("."), PermissionsExt::from_mode(0o755)).expect("a mode");
        Self { course }.main(&right())
    }

    /// Writes a file of the exercise's folder.
    fn file(self, name: &str, text: &str) -> Self {
        self.course.write(&format!("{}/{name}", self.course.exercise()), text);
        self
    }

    fn main(self, text: &str) -> Self {
        self.file("src/main.rs", text)
    }

    /// A file of ours, by a path that leads to it from anywhere.
    fn secret(&self, name: &str) -> String {
        self.course.path(name).display().to_string()
    }

    /// The first finding, graded in the exercise's own folder; nothing of the secret is in the report.
    fn graded(&self) -> Value {
        let folder = self.course.path(&self.course.exercise());
        let mut command = self.course.command(&["check", &self.course.name, "--format", "json"]);
        let ran = crate::course::Ran::of(command.current_dir(folder).env("SECRET", SECRET));
        assert!(ran.exit == 0 || ran.exit == 1, "{}{}", ran.out, ran.err);
        assert!(!ran.out.contains(SECRET) && !ran.err.contains(SECRET), "{}", ran.out);
        assert!(!ran.err.contains("no box"), "{}", ran.err);
        ran.graded()
    }

    /// It fails with this code, and the finding says this.
    #[track_caller]
    fn fails(&self, code: &str, says: &str) -> Value {
        let graded = self.graded();
        assert_eq!((graded["status"].as_str(), graded["points"].as_u64()), (Some("fail"), Some(0)), "{graded}");
        let finding = graded["findings"][0].clone();
        let said = format!("{} | {}", finding["message"], finding["text"]);
        assert_eq!(finding["code"], code, "{said}");
        assert!(said.contains(says), "{said}");
        finding
    }

    /// It is not built: the file that is named, and its line.
    #[track_caller]
    fn refused(&self, file: &str, line: Option<u64>, says: &str) {
        let finding = self.fails("B002", says);
        let place = format!("{}/{file}", self.course.exercise());
        let told = finding["file"].as_str().unwrap_or_default();
        assert!(place.ends_with(told.trim_start_matches("../")), "{told} is not {place}");
        assert_eq!(finding["line"].as_u64(), line);
        assert!(!self.course.path("was_run").exists(), "it was run");
    }

    /// A program that leaves a trace of its having been run.
    fn witness(&self) -> String {
        let witness = self.course.path("witness.sh");
        fs::write(&witness, format!("#!/bin/sh\ntouch {}\nexec \"$@\"\n", self.secret("was_run"))).expect("a script");
        fs::set_permissions(&witness, PermissionsExt::from_mode(0o755)).expect("a mode");
        witness.display().to_string()
    }
}

/// A right answer with a statement before it.
fn after(statement: &str) -> String {
    crate::course::right_after(&format!("{statement};"))
}

fn can_compile() -> bool {
    std::process::Command::new("rustc").arg("-vV").output().is_ok_and(|output| output.status.success())
}

fn build_script() {
    let attack = Attack::new();
    let script = format!("fn main() {{ std::fs::write({:?}, \"\").unwrap(); }}", attack.secret("was_run"));
    attack.file("build.rs", &script).refused("build.rs", None, "a build script is no part of an answer");
}

fn named_build_script() {
    let attack = Attack::new();
    let script = format!("fn main() {{ std::fs::write({:?}, \"\").unwrap(); }}", attack.secret("was_run"));
    let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nbuild = \"src/make.rs\"\n";
    attack.file("src/make.rs", &script).file("Cargo.toml", manifest).refused("Cargo.toml", Some(4), "a build script");
}

fn proc_macro() {
    let manifest = "[package]\nname = \"x\"\n\n[lib]\nproc-macro = true\n";
    Attack::new().file("Cargo.toml", manifest).refused("Cargo.toml", Some(5), "a procedural macro");
    let source = format!(
        "#[proc_macro]\npub fn now(x: proc_macro::TokenStream) -> proc_macro::TokenStream {{ x }}\n{}",
        right()
    );
    Attack::new().main(&source).fails("B001", "proc-macro");
}

fn rustc_wrapper() {
    let attack = Attack::new();
    let text = format!("[build]\nrustc-wrapper = {:?}\n", attack.witness());
    attack.file(".cargo/config.toml", &text).refused(".cargo/config.toml", None, "a configuration of cargo");
}

fn linker() {
    let attack = Attack::new();
    let text = format!("[target.x86_64-unknown-linux-gnu]\nlinker = {:?}\n", attack.witness());
    attack.file(".cargo/config", &text).refused(".cargo/config", None, "a configuration of cargo");
}

fn toolchain_file() {
    let attack = Attack::new();
    let text = format!("[toolchain]\npath = {:?}\n", attack.secret("toolchain"));
    let rustc = attack.course.path("toolchain/bin/rustc");
    fs::create_dir_all(rustc.parent().expect("a folder")).expect("folders");
    fs::copy(attack.witness(), &rustc).expect("a compiler");
    attack.file("rust-toolchain.toml", &text).refused("rust-toolchain.toml", None, "a toolchain file");
    // Above the exercise it is no part of the answer, and not heeded either.
    let attack = Attack::new();
    attack.course.write("exercises/rust-toolchain.toml", "[toolchain]\nchannel = \"no-such-channel\"\n");
    assert_eq!(attack.graded()["status"], "pass");
}

fn crates() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nlibc = \"0.2\"\nevil = { path = \"../evil\" }\n";
    Attack::new().file("Cargo.toml", manifest).refused("Cargo.toml", Some(5), "`evil` is no crate of this course");
    let manifest = "[dependencies.libc]\npath = \"../evil\"\n";
    Attack::new().file("Cargo.toml", manifest).refused("Cargo.toml", Some(1), "`libc` from another place");
    let source = format!("extern crate regex;\n{}", right());
    Attack::new().main(&source).fails("B001", "can't find crate for `regex`");
}

fn linked_source() {
    let attack = Attack::new();
    let main = attack.course.path(&format!("{}/src/main.rs", attack.course.exercise()));
    fs::remove_file(&main).expect("removed");
    symlink(attack.course.path("secret.rs"), &main).expect("a link");
    attack.fails("B001", "src/main.rs is a link that leads out of its folder");
}

fn linked_folder() {
    let attack = Attack::new().main(&format!("mod net;\n{}", right()));
    symlink(attack.course.path("."), attack.course.path(&format!("{}/src/net", attack.course.exercise())))
        .expect("a link");
    attack.fails("B001", "src/net is a link that leads out of its folder");
}

fn include_str() {
    let attack = Attack::new();
    for file in [attack.secret("secret.txt"), "/etc/passwd".to_owned(), attack.secret("grader.toml")] {
        Attack::new().main(&after(&format!("print!(\"{{}}\", include_str!({file:?}))"))).fails("B001", "No such file");
    }
    for file in ["../exercise.toml", "../expected.trace", "../../../../secret.txt"] {
        Attack::new().main(&after(&format!("let _ = include_bytes!({file:?})"))).fails("B001", "No such file");
    }
    let attack = Attack::new();
    let file = attack.secret("secret.rs");
    attack.main(&format!("include!({file:?});\n{}", right())).fails("B001", "No such file");
}

fn assembly() {
    let attack = Attack::new();
    for directive in [".incbin", ".include"] {
        let text = format!("{directive} \\\"{}\\\"", attack.secret("secret.txt"));
        Attack::new()
            .main(&format!("core::arch::global_asm!(\"{text}\");\n{}", right()))
            .fails("B001", "Could not find");
    }
}

fn path_attribute() {
    let attack = Attack::new();
    let file = attack.secret("secret.rs");
    attack.main(&format!("#[path = {file:?}]\nmod stolen;\n{}", right())).fails("B001", "couldn't read");
}

fn environment() {
    for name in ["SECRET", "HOME", "USER"] {
        Attack::new().main(&after(&format!("let _ = env!({name:?})"))).fails("B001", "not defined at compile time");
    }
    let source = after("if option_env!(\"SECRET\").is_some() { print!(\"seen\") }");
    assert_eq!(Attack::new().main(&source).graded()["status"], "pass");
}

fn unstable() {
    Attack::new().main(&format!("#![feature(rustc_private)]\n{}", right())).fails("B001", "E0554");
}

fn endless_constant() {
    let source = format!(
        "#![allow(long_running_const_eval)]\nconst fn spin() -> u64 {{ let mut n = 1u64; loop {{ n = n.wrapping_mul(3); \
         if n == 0 {{ return n }} }} }}\nconst DONE: u64 = spin();\n{}",
        after("print!(\"{DONE}\")")
    );
    Attack::new().main(&source).fails("B001", "compiling it takes more than 10 s of CPU time");
}

fn large_static() {
    let source = format!("static LARGE: [u8; 3 << 30] = [1; 3 << 30];\n{}", after("print!(\"{}\", LARGE[7])"));
    Attack::new().main(&source).fails("B001", "allocate more memory than available to compiler");
}

fn large_file() {
    let source = format!("static LARGE: [u8; 100 << 20] = [1; 100 << 20];\n{}", after("print!(\"{}\", LARGE[7])"));
    let finding = Attack::new().main(&source).fails("B001", "");
    let told = finding.to_string();
    assert!(told.contains("larger than 64 MiB") || told.contains("File too large"), "{told}");
}

fn many_errors() {
    let lines: String = (0..10_000).map(|number| format!("fn f{number}() -> u8 {{ \"{number}\" }}\n")).collect();
    let finding = Attack::new().main(&format!("{}{lines}", right())).fails("B001", "mismatched types");
    let text = finding["text"].as_str().unwrap_or_default();
    assert!(text.len() < 70_000, "{} bytes", text.len());
    assert!(text.trim_end().ends_with("KiB more"), "{}", &text[text.len() - 200..]);
}

fn deep_nesting() {
    let source = after(&format!("let _ = {}1{}", "(".repeat(200_000), ")".repeat(200_000)));
    let told = Attack::new().main(&source).fails("B001", "").to_string();
    assert!(told.contains("the compiler breaks down over it") || told.contains("recursion"), "{told}");
}

fn crate_type() {
    let graded = Attack::new().main(&format!("#![crate_type = \"proc-macro\"]\n{}", right())).graded();
    assert_eq!(graded["status"], "pass", "{graded}");
}
