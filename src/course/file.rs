//! `grader.toml`: the course as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::{Document, Fields, Item};
use super::{Chapter, Seeds, limits, seeds};
use crate::model::{ExerciseId, Limits};

/// What the file says its format is.
const SCHEMA: &str = "ipc-grade/course/1";

/// What `grader.toml` says, with the place of each exercise's name in it.
#[derive(Debug, Clone)]
pub(super) struct CourseFile {
    pub(super) title: String,
    pub(super) limits: Limits,
    pub(super) seeds: Seeds,
    pub(super) crates: BTreeMap<String, AllowedCrate>,
    pub(super) chapters: Vec<Chapter>,
    pub(super) places: Vec<(ExerciseId, std::ops::Range<usize>)>,
}

/// A crate that a learner's program may use. Prints as the right-hand side of a line of `[dependencies]`.
///
/// It comes from the registry, or is the course's own: another path or a repository could bring in what nobody has
/// looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedCrate {
    /// Where it comes from.
    pub source: CrateSource,
    /// The features that are switched on.
    pub features: Vec<String>,
    /// Whether its own default features are on.
    pub default_features: bool,
}

/// Where a crate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrateSource {
    /// The registry: the version, as Cargo writes requirements.
    Registry(String),
    /// The course: the crate's folder, as a path that is good from anywhere.
    Course(PathBuf),
}

impl AllowedCrate {
    /// What a manifest says of it besides where it is: `version = "0.2", features = []`.
    pub fn requirement(&self) -> String {
        let rest = format!("default-features = {}, features = {:?}", self.default_features, self.features);
        match &self.source {
            CrateSource::Registry(version) => format!("version = {version:?}, {rest}"),
            CrateSource::Course(_) => rest,
        }
    }
}

/// Reads the course file; `None` where it lacks what a course cannot be without.
///
/// `dir` is the course's folder: a crate of its own must be there.
pub(super) fn read(document: &Document<'_>, dir: &Path) -> Option<CourseFile> {
    let table = document.parse()?;
    let fields = Fields::of(document, "grader.toml", table.span(), table.get_ref());
    if let Some(item) = fields.required("schema", &format!("{SCHEMA:?}")) {
        item.one_of("format of a course", &[(SCHEMA, ())]);
    }
    let title = fields.required("title", "\"Processes and interprocess communication\"").and_then(|item| item.words());
    let limits = limits::read(fields.table("limits", "[limits]"), Limits::default());
    let seeds = seeds::of_course(fields.table("seeds", "[seeds]"));
    let crates = fields.table("crates", "[crates]").map(|table| crates(&table, dir)).unwrap_or_default();
    let mut places = Vec::new();
    let mut chapters: Vec<Chapter> = Vec::new();
    for table in fields.tables("chapter", "[[chapter]]") {
        if let Some(chapter) = chapter(table, &chapters, &mut places) {
            chapters.push(chapter);
        }
    }
    if chapters.is_empty() && fields.optional("chapter").is_none() {
        fields.required("chapter", "[[chapter]] tables, one at least");
    }
    fields.finish();
    Some(CourseFile { title: title?, limits, seeds, crates, chapters, places })
}

fn crates(fields: &Fields<'_, '_>, dir: &Path) -> BTreeMap<String, AllowedCrate> {
    fields.entries().filter_map(|(name, _, item)| Some((name.to_owned(), allowed(&item, dir)?))).collect()
}

fn allowed(item: &Item<'_, '_>, dir: &Path) -> Option<AllowedCrate> {
    if item.is_text() {
        let source = CrateSource::Registry(item.words()?);
        return Some(AllowedCrate { source, features: Vec::new(), default_features: true });
    }
    let fields = item.fields("an allowed crate")?;
    let source = match fields.optional("path") {
        Some(path) => {
            if fields.optional("version").is_some() {
                path.wrong("`path` and `version` exclude each other", "a crate is the registry's, or the course's own");
            }
            own(&path, dir).map(CrateSource::Course)
        }
        None => fields.required("version", "\"0.2\"").and_then(|item| item.words()).map(CrateSource::Registry),
    };
    let features = fields.optional("features").and_then(|item| item.texts()).unwrap_or_default();
    let features = features.iter().map(|text| text.text().to_owned()).collect();
    let default_features = fields.optional("default-features").and_then(|item| item.truth()).unwrap_or(true);
    fields.finish();
    Some(AllowedCrate { source: source?, features, default_features })
}

/// The folder of a crate of the course's own, which must be below the course's.
fn own(item: &Item<'_, '_>, dir: &Path) -> Option<PathBuf> {
    let folder = item.words()?;
    let whole = dir.canonicalize().ok()?;
    let there = whole.join(&folder).canonicalize().ok().filter(|there| there.starts_with(&whole));
    let there = there.filter(|there| there.join("Cargo.toml").is_file());
    if there.is_none() {
        item.wrong(format!("there is no crate in `{folder}`"), "expected: a folder of the course with a Cargo.toml");
    }
    there
}

fn chapter(
    fields: Fields<'_, '_>,
    before: &[Chapter],
    places: &mut Vec<(ExerciseId, std::ops::Range<usize>)>,
) -> Option<Chapter> {
    let id = fields.required("id", "\"02_pipes\", its folder's name");
    let title = fields.required("title", "\"Pipes and FIFOs\"").and_then(|item| item.words());
    let list = fields.required("exercises", "[\"one_line\"]");
    let name = id.as_ref().and_then(|item| folder(item, "a chapter"));
    if let (Some(item), Some(name)) = (&id, &name)
        && before.iter().any(|chapter| chapter.id == *name)
    {
        item.wrong(format!("there is a chapter `{name}` already"), "give each chapter a folder of its own");
    }
    let mut exercises = Vec::new();
    for item in list.and_then(|item| item.list()).unwrap_or_default() {
        let Some(exercise) = folder(&item, "an exercise") else { continue };
        // People name an exercise without its chapter, so the name must be one exercise's.
        if let Some((other, _)) = places.iter().find(|(other, _)| other.name() == exercise) {
            item.wrong(format!("there is an exercise `{other}` already"), "give each exercise a name of its own");
            continue;
        }
        if let Some(name) = &name {
            let id = ExerciseId::new(format!("{name}/{exercise}"));
            places.push((id.clone(), item.span()));
            exercises.push(id);
        }
    }
    fields.finish();
    Some(Chapter { id: name?, title: title?, exercises })
}

/// A name that is a folder's.
fn folder(item: &Item<'_, '_>, what: &str) -> Option<String> {
    let name = item.words()?;
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.chars().all(good) {
        item.wrong(format!("`{name}` cannot be the name of {what}"), "expected: letters, digits, _ and -");
        return None;
    }
    Some(name)
}
