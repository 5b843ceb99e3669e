//! What an answer may not bring: files that would tell cargo or the compiler what to do, and crates that the course
//! does not allow. Grading runs none of it; it is named all the same, because an answer that rests on it is not one
//! that the course asked for.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::template::Allowed;

/// A thing that an answer may not bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// The file, below the exercise's folder.
    pub file: String,
    /// The line of it, where a line says so.
    pub line: Option<u32>,
    what: String,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Files that cargo or rustup would heed, and what each is.
const FILES: [(&str, &str); 5] = [
    ("build.rs", "a build script"),
    (".cargo/config.toml", "a configuration of cargo"),
    (".cargo/config", "a configuration of cargo"),
    ("rust-toolchain.toml", "a toolchain file"),
    ("rust-toolchain", "a toolchain file"),
];

/// The first forbidden thing of an exercise's folder; `manifest` is the text of its Cargo.toml, where it has one.
pub(super) fn find(folder: &Path, manifest: Option<&str>, allowed: &[Allowed]) -> Option<Forbidden> {
    let file = FILES.iter().find(|(name, _)| folder.join(name).symlink_metadata().is_ok());
    let of_file = |(name, what): &(&str, &str)| {
        let what = format!("{what} is no part of an answer, and is not run: remove it");
        Forbidden { file: (*name).to_owned(), line: None, what }
    };
    file.map(of_file).or_else(|| of_manifest(manifest?, allowed))
}

/// The first forbidden thing of a manifest. One that is no TOML tells cargo nothing.
fn of_manifest(text: &str, allowed: &[Allowed]) -> Option<Forbidden> {
    let manifest = DeTable::parse(text).ok()?;
    let manifest = manifest.get_ref();
    let mut found: Vec<(Range<usize>, String)> = Vec::new();
    let mut no_part = |key: Option<(Range<usize>, &DeValue<'_>)>, what: &str| {
        if let Some((at, value)) = key
            && !matches!(value, DeValue::Boolean(false))
        {
            found.push((at, format!("{what} is no part of an answer, and is not run: take it out of Cargo.toml")));
        }
    };
    let within = |table: &str, name: &str| entry(manifest.get(table)?.get_ref().as_table()?, name);
    no_part(within("package", "build"), "a build script");
    no_part(within("package", "links"), "a library of its own");
    no_part(within("lib", "proc-macro"), "a procedural macro");
    no_part(within("lib", "proc_macro"), "a procedural macro");
    for name in ["build-dependencies", "build_dependencies"] {
        no_part(entry(manifest, name), "a build script's crate");
    }
    for name in ["patch", "replace"] {
        no_part(entry(manifest, name), "another version of a crate");
    }
    let targets = manifest.get("target").and_then(|target| target.get_ref().as_table());
    let targets = targets.into_iter().flat_map(|table| table.values()).filter_map(|value| value.get_ref().as_table());
    for table in [manifest].into_iter().chain(targets) {
        let dependencies = table.get("dependencies").and_then(|table| table.get_ref().as_table());
        for (key, value) in dependencies.into_iter().flatten() {
            if let Some(what) = of_dependency(key.get_ref(), value, allowed) {
                found.push((key.span(), what));
            }
        }
    }
    let (at, what) = found.into_iter().min_by_key(|(at, _)| at.start)?;
    let line = text.as_bytes()[..at.start].iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
    Some(Forbidden { file: "Cargo.toml".to_owned(), line: Some(line), what })
}

/// A key of a table with its place.
fn entry<'t, 'a>(table: &'t DeTable<'a>, name: &str) -> Option<(Range<usize>, &'t DeValue<'a>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((key.span(), value.get_ref()))
}

/// What is wrong with a dependency.
fn of_dependency(key: &str, value: &Spanned<DeValue<'_>>, allowed: &[Allowed]) -> Option<String> {
    let table = value.get_ref().as_table();
    let text = |name: &str| table.and_then(|table| table.get(name)?.get_ref().as_str());
    let name = text("package").unwrap_or(key);
    let same = |one: &str, other: &str| one.replace('-', "_") == other.replace('-', "_");
    let Some(known) = allowed.iter().find(|known| same(&known.name, name)) else {
        let names: Vec<&str> = allowed.iter().map(|known| known.name.as_str()).collect();
        return Some(format!("`{name}` is no crate of this course, which allows {}", listed(&names)));
    };
    // The course's own crates are found by a path; which one does not matter, for grading takes the course's.
    let elsewhere = text("git").is_some() || text("path").is_some() && known.own.is_none();
    elsewhere.then(|| {
        format!("`{name}` from another place than the registry is no part of an answer: name its version alone")
    })
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> [Allowed; 2] {
        let allowed = |name: &str, own: Option<&str>| Allowed {
            name: name.to_owned(),
            requirement: String::new(),
            own: own.map(Into::into),
        };
        [allowed("nix", None), allowed("unix_ipc", Some("/course/unix_ipc"))]
    }

    #[test]
    fn a_manifest_for_an_editor_is_let_be() {
        for text in [
            "[package]\nname = \"x\"\nbuild = false\n[dependencies]\nnix = \"0.31\"\nunix_ipc = { path = \"../..\" }\n",
            "[dependencies]\nnix.workspace = true\nunix-ipc.workspace = true\n[dev-dependencies]\nproptest = \"1\"\n",
            "[[bin]]\nname = \"feed\"\npath = \"tools/feed.rs\"\n[lints.rust]\nunused = \"allow\"\n",
            "no TOML at all",
        ] {
            assert_eq!(of_manifest(text, &allowed()), None, "{text}");
        }
    }

    #[test]
    fn each_forbidden_thing_has_its_line() {
        let check = |text: &str, line: u32, says: &str| {
            let found = of_manifest(text, &allowed()).unwrap_or_else(|| panic!("nothing in {text}"));
            assert_eq!((found.line, found.to_string().contains(says)), (Some(line), true), "{found}");
        };
        check("[package]\nname = \"x\"\nbuild = \"make.rs\"\n", 3, "a build script");
        check("[package]\nlinks = \"ssl\"\n", 2, "a library of its own");
        check("[lib]\nproc-macro = true\n", 2, "a procedural macro");
        check("[lib]\nproc-macro = true\n", 2, "take it out of Cargo.toml");
        check("[build-dependencies]\ncc = \"1\"\n", 1, "a build script's crate");
        check("[patch.crates-io]\nnix = { path = \"nix\" }\n", 1, "another version");
        check(
            "[dependencies]\nnix = \"0.31\"\nrand = \"0.9\"\n",
            3,
            "`rand` is no crate of this course, which allows nix and unix_ipc",
        );
        check("[dependencies.serde]\nversion = \"1\"\n", 1, "`serde` is no crate");
        check("[target.'cfg(unix)'.dependencies]\nrand = \"0.9\"\n", 2, "`rand` is no crate");
        check("[dependencies]\nnix = { package = \"evil\", version = \"1\" }\n", 2, "`evil` is no crate");
        check("[dependencies]\nnix = { path = \"nix\" }\n", 2, "from another place");
        check("[dependencies]\nnix = { git = \"https://example.org/nix\" }\n", 2, "from another place");
    }
}
