//! Findings point at the learner's own lines: wrong programs of the course, graded for real, and the text of the line that
//! each finding names. The run that is shown is made a second time for that, and comes out the same.

#[path = "support/require.rs"]
mod require;

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// Grades a file as an exercise's answer.
fn report(exercise: &str, source: &Path, seed: &str) -> Value {
    let output = Command::cargo_bin("ipc-grade")
        .expect("the program is built")
        .args(["check", exercise, "--format", "json", "--seed", seed, "--source"])
        .arg(source)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let exercise = report["exercises"][0].clone();
    assert_eq!(exercise["replay_problem"], Value::Null, "{source:?}");
    exercise
}

/// What is marked of the lines: the primary place first, each as `line text | marked | words`.
fn marked(finding: &Value) -> Vec<(String, String, String)> {
    let labels = finding["labels"].as_array().expect("labels");
    let told = labels.iter().map(|label| {
        let (source, number) = (label["source"].as_str().expect("the line"), |field: &str| label[field].as_u64());
        let (from, to) = (number("column").expect("from"), number("end_column").expect("to"));
        let chars = source.chars().skip(from as usize - 1).take((to - from) as usize);
        (source.trim().to_owned(), chars.collect(), label["text"].as_str().expect("words").to_owned())
    });
    told.collect()
}

/// Where each wrong program goes wrong: code, what is marked in which line.
const POINTED: [(&str, &str, &str, &str, &str); 13] = [
    ("02_pipes/one_line", "child_keeps_its_write_end", "F001", "file.read_to_string(&mut text)?;", "read_to_string"),
    (
        "02_pipes/one_line",
        "parent_keeps_its_write_end",
        "F001",
        "File::from(read_end).read_to_string(&mut text)?;",
        "read_to_string",
    ),
    ("02_pipes/one_line", "waits_before_it_writes", "H001", "waitpid(child, None)?;", "waitpid(child, None)"),
    ("02_pipes/one_line", "never_waits", "P001", "match unsafe { fork() }? {", "fork()"),
    (
        "02_pipes/fifo_greeter",
        "crosses_the_opens",
        "F006",
        "let mut output = File::options().write(true).open(&greetings)?;",
        "open",
    ),
    (
        "01_processes/separate_memory",
        "a_thread_instead",
        "P006",
        "let child = thread::spawn(move || {",
        "thread::spawn(move || {",
    ),
    (
        "01_processes/separate_memory",
        "child_runs_on",
        "P002",
        "println!(\"child exited with {code}\");",
        "println!(\"child exited with {code}\")",
    ),
    ("03_shared_memory/named_object", "no_size", "M002", "numbers[0].store(x, Ordering::SeqCst);", "store"),
    (
        "03_shared_memory/named_object",
        "private_mapping",
        "M001",
        "",
        "mmap(None, length, access, MapFlags::MAP_PRIVATE, &object, 0)",
    ),
    ("04_message_queues/send_and_receive", "small_buffer", "Q002", "", "mq_receive(inbox, &mut buffer, &mut priority)"),
    (
        "04_message_queues/send_and_receive",
        "receives_first",
        "H001",
        "",
        "mq_receive(inbox, &mut buffer, &mut priority)",
    ),
    ("05_signals/handle_interrupt", "passes_it_on_to_the_group", "S006", "", "kill(Pid::from_raw(0), Signal::SIGTERM)"),
    ("05_signals/handle_interrupt", "interrupt_only", "S001", "", "suspend"),
];

#[test]
fn wrong_programs_are_pointed_at() {
    if !require::grading() {
        return;
    }
    for (id, name, code, line, mark) in POINTED {
        let source = Path::new("solutions").join(id).join("rejected").join(name).with_extension("rs");
        let exercise = id.rsplit('/').next().expect("a name");
        let report = report(exercise, &source, "7f3a.0");
        let finding = &report["findings"][0];
        assert_eq!(finding["code"], code, "{name}: {finding:#}");
        let labels = marked(finding);
        let (text, what, _) = labels.first().unwrap_or_else(|| panic!("{name} has a place: {finding:#}"));
        assert_eq!(what, mark, "{name}: {text}");
        assert!(line.is_empty() || text == line, "{name}: {text}");
        let number = finding["line"].as_u64().expect("a line") as usize;
        let file = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&source)).expect("the file");
        assert_eq!(file.lines().nth(number - 1).map(str::trim), Some(text.as_str()), "{name}");
    }
}

/// Nothing is tried that cannot help: without its FIFO open for both ways this program cannot read either.
#[test]
fn what_cannot_help_is_not_tried() {
    if !require::grading() {
        return;
    }
    let source = Path::new("solutions/02_pipes/fifo_greeter/rejected/opens_names_for_writing_too.rs");
    let report = report("fifo_greeter", source, "7f3a.0");
    assert_eq!(report["findings"][0]["code"], "F001");
    assert_eq!(report["findings"][0]["tried"], Value::Array(Vec::new()));
}

/// Who is stuck has not sent every signal yet; those that it has sent went where they should.
#[test]
fn a_signal_to_one_of_several_is_no_mistake() {
    if !require::grading() {
        return;
    }
    let source = Path::new("solutions/05_signals/supervisor/rejected/later_workers_keep_the_pipes.rs");
    let report = report("supervisor", source, "7f3a.0");
    let codes: Vec<&Value> = report["findings"].as_array().expect("findings").iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, ["F001"], "{report:#}");
}

/// Tabs, characters of several bytes, a handler, a thread, inlined functions and a macro of one's own: the place is the
/// learner's.
#[test]
fn odd_sources_are_pointed_at() {
    if !require::grading() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let answer = |text: &str| {
        let path = folder.path().join("answer.rs");
        std::fs::write(&path, text).expect("the file is written");
        report("one_line", &path, "7f3a.0")
    };
    let read = "let mut text = String::new();";
    let program = |end: &str, helpers: &str| {
        format!(
            "use std::{{fs::File, io::{{Read, Write}}}};\r\nuse nix::{{sys::wait::waitpid, \
             unistd::{{fork, pipe, ForkResult}}}};\r\n{helpers}\r\nfn main() {{\r\n\tlet word = \
             std::env::args().nth(1).unwrap();\r\n\tlet (r, w) = pipe().unwrap();\r\n\tmatch unsafe \
             {{ fork() }}.unwrap() {{\r\n\t\tForkResult::Child => {{\r\n{end}\r\n\t\t}}\r\n\t\tForkResult::Parent {{ child }} \
             => {{ drop(r); writeln!(File::from(w), \"{{word}}\").unwrap(); waitpid(child, None).unwrap(); }}\r\n\t}}\r\n}}\r\n"
        )
    };
    let cases = [
        (
            program(
                &format!("\t\t\t{read} /* größer, 日本 */ File::from(r).read_to_string(&mut text).unwrap(); drop(w);"),
                "",
            ),
            "read_to_string",
        ),
        (
            program(
                &format!(
                    "\t\t\t{read} std::thread::spawn(move || {{ File::from(r).read_to_end(&mut vec![]).unwrap(); text.clear(); }}).join().unwrap(); drop(w);"
                ),
                "",
            ),
            "read_to_end",
        ),
        (
            program(
                &format!("\t\t\t{read} all(File::from(r), &mut text); drop(w);"),
                "#[inline(always)]\r\nfn all(mut file: File, text: &mut String) {\r\n\tfile.read_to_string(text).unwrap();\r\n}",
            ),
            "read_to_string",
        ),
        (
            program(
                &format!("\t\t\t{read} println!(\"{{}}\", File::from(r).read_to_string(&mut text).unwrap()); drop(w);"),
                "",
            ),
            "read_to_string",
        ),
    ];
    for (text, mark) in cases {
        let report = answer(&text);
        let finding = &report["findings"][0];
        assert_eq!(finding["code"], "F001", "{text}\n{report:#}");
        let labels = marked(finding);
        let stuck = labels.iter().find(|label| label.2.ends_with("is stuck here")).expect("who is stuck");
        assert_eq!(stuck.1, mark, "{labels:?}");
        let open = labels.iter().find(|label| label.2.ends_with("still has this open")).expect("what is open");
        assert_eq!(open.1, "w", "{labels:?}");
    }
}
