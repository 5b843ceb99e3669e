//! Holds the table of the layers: who may use whom, and what only some may do.
//!
//! A layer is a folder of `src/`. The table is the one of ARCHITECTURE.md; "may use" is transitive downwards, and each
//! row here is written out whole. What is found is told as `file:line`, all of it at once.

use std::fs;
use std::path::{Path, PathBuf};

/// A layer and all that it may use.
const LAYERS: [(&str, &[&str]); 14] = [
    ("model", &[]),
    ("trace", &["model"]),
    ("pattern", &["trace", "model"]),
    ("judge", &["pattern", "trace", "model"]),
    ("report", &["judge", "pattern", "trace", "model"]),
    ("course", &["pattern", "trace", "model"]),
    ("sys", &["model"]),
    ("sandbox", &["sys", "model"]),
    ("build", &["sandbox", "sys", "model"]),
    ("recorder", &["sys", "trace", "model"]),
    ("harness", &["sandbox", "recorder", "sys", "trace", "model"]),
    (
        "pipeline",
        &["harness", "recorder", "sandbox", "build", "sys", "course", "report", "judge", "pattern", "trace", "model"],
    ),
    ("store", &["report", "judge", "pattern", "trace", "model"]),
    (
        "cli",
        &[
            "store", "pipeline", "harness", "recorder", "sandbox", "build", "course", "report", "judge", "pattern",
            "trace", "model",
        ],
    ),
];

/// Words that only some layers may write, and why. `""` is `main.rs` and `lib.rs`.
const KEPT: [(&str, &[&str], &str); 7] = [
    ("unsafe", &["sys"], "unsafe code is in src/sys alone"),
    ("println!", &["cli", ""], "only the command line prints"),
    ("eprintln!", &["cli", ""], "only the command line prints"),
    ("print!", &["cli", ""], "only the command line prints"),
    ("eprint!", &["cli", ""], "only the command line prints"),
    ("process::Command", &["build", "pipeline"], "other programs are started by build and pipeline alone"),
    ("anyhow", &["cli"], "errors of the library have types"),
];

#[test]
fn layers_use_only_what_is_below_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    files.sort();
    assert!(files.len() > 10, "src/ is there");
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(&source).expect("it is below src").to_string_lossy().into_owned();
        found.extend(violations(&name, &fs::read_to_string(&file).expect("a source file")));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What a file, named below `src/`, does against the table.
fn violations(name: &str, text: &str) -> Vec<String> {
    let layer = name.split_once('/').map_or("", |(layer, _)| layer);
    let row = LAYERS.iter().find(|(known, _)| *known == layer);
    if row.is_none() && !layer.is_empty() {
        return vec![format!("src/{name}:1: `{layer}` is no layer of the table")];
    }
    let code = code_of(text);
    let line = |at: usize| code[..at].matches('\n').count() + 1;
    let mut found = Vec::new();
    for (at, used) in uses(&code) {
        let is_layer = LAYERS.iter().any(|(known, _)| *known == used);
        if is_layer && used != layer && row.is_some_and(|(_, may)| !may.contains(&used.as_str())) {
            found.push(format!("src/{name}:{}: `{layer}` may not use `{used}`", line(at)));
        }
    }
    for (word, may, why) in KEPT {
        if !may.contains(&layer) {
            found.extend(words(&code, word).map(|at| format!("src/{name}:{}: `{word}`: {why}", line(at))));
        }
    }
    found
}

/// The names that follow `crate::`, also within braces, each with its place.
fn uses(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in words(code, "crate::") {
        let rest = &code[at + "crate::".len()..];
        if !rest.starts_with('{') {
            found.push((at, ident(rest)));
            continue;
        }
        // `crate::{a, b::{c, d}}`: what stands at depth one after a brace or a comma.
        let (mut depth, mut first) = (0, true);
        for (offset, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && first && (c.is_alphabetic() || c == '_') {
                found.push((at + "crate::".len() + offset, ident(&rest[offset..])));
                first = false;
            }
            first |= depth == 1 && matches!(c, '{' | ',');
        }
    }
    found
}

fn ident(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Where a word stands that is no part of a longer one.
fn words<'c>(code: &'c str, word: &'c str) -> impl Iterator<Item = usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let after = code[at + word.len()..].chars().next();
        let open_end = !word.ends_with(part);
        !code[..*at].ends_with(part) && (open_end || !after.is_some_and(part))
    })
}

/// The text with comments, strings and the tests at its end blanked, line by line as it was.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            string_end(rest)
        } else if let Some(end) =
            raw_string_end(rest).filter(|_| !code.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        {
            end
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("'\\\"'") {
            4
        } else if rest.starts_with("#[cfg(test)]\nmod ") {
            // What tests use and do is their own affair.
            break;
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        code.extend(rest[..skipped].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[skipped..];
    }
    code
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn raw_string_end(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?.bytes().take_while(|byte| *byte == b'#').count();
    let open = hashes + 2;
    text.get(1 + hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(text[open..].find(&close).map_or(text.len(), |end| open + end + close.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, expected: &[&str]) {
        assert_eq!(violations(name, text), expected, "{text}");
    }

    #[test]
    fn what_is_forbidden_is_found_with_its_line() {
        check("model/a.rs", "\nuse crate::trace::Bytes;\n", &["src/model/a.rs:2: `model` may not use `trace`"]);
        check("trace/a.rs", "use crate::model::Signal;\nuse crate::trace::raw;", &[]);
        check(
            "course/a.rs",
            "use crate::{\n    model::{judge, Code},\n    judge,\n    cli::args};",
            &["src/course/a.rs:3: `course` may not use `judge`", "src/course/a.rs:4: `course` may not use `cli`"],
        );
        check("judge/a.rs", "fn f() -> crate::sys::Pid {}", &["src/judge/a.rs:1: `judge` may not use `sys`"]);
        check("cli/a.rs", "use crate::sys::x;", &["src/cli/a.rs:1: `cli` may not use `sys`"]);
        check("helper/a.rs", "", &["src/helper/a.rs:1: `helper` is no layer of the table"]);
        check(
            "judge/a.rs",
            "let x = 1;\nunsafe { f() }",
            &["src/judge/a.rs:2: `unsafe`: unsafe code is in src/sys alone"],
        );
        check(
            "report/a.rs",
            "use std::process::Command;\nprintln!(\"x\");",
            &[
                "src/report/a.rs:2: `println!`: only the command line prints",
                "src/report/a.rs:1: `process::Command`: other programs are started by build and pipeline alone",
            ],
        );
    }

    #[test]
    fn comments_strings_and_tests_are_none_of_it() {
        check(
            "model/a.rs",
            "// use crate::cli;\n/// [x](crate::judge)\n/* unsafe */ let x = \"unsafe \\\" crate::cli\";",
            &[],
        );
        check("model/a.rs", "let x = r#\"unsafe \"quoted\" crate::cli\"#; let c = '\"'; let unsafe_code = 1;", &[]);
        check("model/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::cli;\n}\n", &[]);
        check("sys/a.rs", "unsafe { f() }", &[]);
        check("main.rs", "ipc_grade::cli::main()", &[]);
    }
}
