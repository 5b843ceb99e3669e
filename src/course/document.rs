//! Reading a TOML file so that every mistake has its place: unknown keys, wrong types, missing fields.
//!
//! serde would stop at the first mistake and could not say where inside a string it is. Here each key that is asked for
//! is remembered; what is left at the end is unknown.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::Placed;
use crate::model::template::BadTemplate;
use crate::model::{Diagnostic, Template};

/// A file of the course and the mistakes found in it.
pub(super) struct Document<'a> {
    /// Its name, relative to the course's folder.
    pub(super) file: &'a str,
    /// What is in it.
    pub(super) text: &'a str,
    mistakes: RefCell<Vec<Diagnostic>>,
}

impl<'a> Document<'a> {
    /// A file that has been read.
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, mistakes: RefCell::default() }
    }

    /// The file as a table, or `None` where it is no TOML.
    pub(super) fn parse(&self) -> Option<Spanned<DeTable<'a>>> {
        match DeTable::parse(self.text) {
            Ok(table) => Some(table),
            Err(error) => {
                self.mistake(error.span().unwrap_or(0..0), error.message(), None);
                None
            }
        }
    }

    /// Notes a mistake.
    pub(super) fn mistake(&self, range: Range<usize>, message: impl Into<String>, help: Option<String>) {
        let mut diagnostic = Diagnostic::at(self.file, self.text, range, message);
        diagnostic.help = help;
        self.mistakes.borrow_mut().push(diagnostic);
    }

    /// Notes several.
    pub(super) fn mistakes(&self, mistakes: impl IntoIterator<Item = Mistake>) {
        for mistake in mistakes {
            self.mistake(mistake.range, mistake.message, mistake.help);
        }
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, place: usize) -> u32 {
        self.text.as_bytes()[..place.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count() as u32 + 1
    }

    /// The mistakes, in the order of the file.
    pub(super) fn into_mistakes(self) -> Vec<Diagnostic> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        mistakes
    }
}

/// A mistake with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The bytes of the file that are meant.
    pub(super) range: Range<usize>,
    /// What is wrong.
    pub(super) message: String,
    /// What was expected.
    pub(super) help: Option<String>,
}

impl Mistake {
    /// A mistake and what was expected instead.
    pub(super) fn new(range: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { range, message: message.into(), help: Some(help.into()) }
    }
}

/// A table that is being read.
pub(super) struct Fields<'d, 't> {
    document: &'d Document<'d>,
    /// How the file writes it: `[[check]]`.
    header: &'static str,
    span: Range<usize>,
    table: &'t DeTable<'t>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'d, 't> Fields<'d, 't> {
    /// Begins to read a table.
    pub(super) fn of(
        document: &'d Document<'d>,
        header: &'static str,
        span: Range<usize>,
        table: &'t DeTable<'t>,
    ) -> Self {
        Self { document, header, span, table, asked: RefCell::default() }
    }

    /// Where the table is: its header, or all of it where it is written in one line.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// A field that need not be there.
    pub(super) fn optional(&self, key: &'static str) -> Option<Item<'d, 't>> {
        self.asked.borrow_mut().push(key);
        let value = self.table.get(key)?;
        Some(Item { document: self.document, key: key.to_owned(), value })
    }

    /// A field that must be there; its lack is noted with what it should have been.
    pub(super) fn required(&self, key: &'static str, expected: &str) -> Option<Item<'d, 't>> {
        let item = self.optional(key);
        if item.is_none() {
            let message = format!("{} has no `{key}`", self.header);
            self.document.mistake(self.place_of_lack(), message, Some(format!("expected: {key} = {expected}")));
        }
        item
    }

    /// The file as a whole has no header that could be shown.
    fn place_of_lack(&self) -> Range<usize> {
        if self.span.start == 0 && self.span.end >= self.document.text.trim_end().len() { 0..0 } else { self.span() }
    }

    /// A field of tables, as `[[key]]` or as a list of inline tables; empty where there is none.
    pub(super) fn tables(&self, key: &'static str, header: &'static str) -> Vec<Fields<'d, 't>> {
        self.optional(key).map(|item| item.tables(header)).unwrap_or_default()
    }

    /// A field that is a table, if it is there.
    pub(super) fn table(&self, key: &'static str, header: &'static str) -> Option<Fields<'d, 't>> {
        self.optional(key)?.fields(header)
    }

    /// All fields, for tables whose keys are the author's choice; none is unknown then.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'t str, Range<usize>, Item<'d, 't>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries.into_iter().map(|(key, value)| {
            let item = Item { document: self.document, key: key.get_ref().to_string(), value };
            (key.get_ref().as_ref(), key.span(), item)
        })
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.into_inner();
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !asked.contains(&name) {
                let message = format!("{} has no key `{name}`", self.header);
                self.document.mistake(key.span(), message, Some(instead(name, asked.iter().copied())));
            }
        }
    }
}

/// A value that is being read.
pub(super) struct Item<'d, 't> {
    document: &'d Document<'d>,
    key: String,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'d, 't> Item<'d, 't> {
    /// Where it is.
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Notes that it is wrong.
    pub(super) fn wrong(&self, message: impl Display, expected: impl Into<String>) {
        self.document.mistake(self.span(), message.to_string(), Some(expected.into()));
    }

    fn wrong_type(&self, expected: &str) {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.wrong(format!("`{}` is {found}", self.key), format!("expected: {expected}"));
    }

    /// A string with its places.
    pub(super) fn text(&self) -> Option<Placed> {
        match self.value.get_ref() {
            DeValue::String(text) => {
                Some(Placed::toml(&self.document.text[self.span()], self.span().start, text.as_ref()))
            }
            _ => {
                self.wrong_type("a string");
                None
            }
        }
    }

    /// A string that says something.
    pub(super) fn words(&self) -> Option<String> {
        let text = self.text()?;
        if text.text().trim().is_empty() {
            self.wrong(format!("`{}` is empty", self.key), "expected: a text");
            return None;
        }
        Some(text.text().to_owned())
    }

    /// One of several words, by which the value is known.
    pub(super) fn one_of<T: Copy>(&self, what: &str, known: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = known.iter().find(|(name, _)| *name == text.text()).map(|(_, value)| *value);
        if found.is_none() {
            let help = instead(text.text(), known.iter().map(|(name, _)| *name));
            self.document.mistake(text.whole(), format!("no {what} is called `{}`", text.text()), Some(help));
        }
        found
    }

    /// A whole number of at least `least` that fits.
    pub(super) fn number<T: TryFrom<i128>>(&self, least: i128) -> Option<T> {
        let expected = format!("a whole number, {least} or more");
        let DeValue::Integer(digits) = self.value.get_ref() else {
            self.wrong_type(&expected);
            return None;
        };
        let number = i128::from_str_radix(digits.as_str(), digits.radix()).ok();
        let fits = number.filter(|number| *number >= least).and_then(|number| T::try_from(number).ok());
        if fits.is_none() {
            self.wrong(format!("`{}` cannot be {}", self.key, digits.as_str()), format!("expected: {expected}"));
        }
        fits
    }

    /// True or false.
    pub(super) fn truth(&self) -> Option<bool> {
        let truth = self.value.get_ref().as_bool();
        if truth.is_none() {
            self.wrong_type("true or false");
        }
        truth
    }

    /// Whether it is a string.
    pub(super) fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// Whether it is a whole number.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Integer(_))
    }

    /// The items of a list.
    pub(super) fn list(&self) -> Option<Vec<Item<'d, 't>>> {
        let DeValue::Array(values) = self.value.get_ref() else {
            self.wrong_type("a list");
            return None;
        };
        let item = |value| Item { document: self.document, key: self.key.clone(), value };
        Some(values.iter().map(item).collect())
    }

    /// The strings of a list; what is no string in it is noted and left out.
    pub(super) fn texts(&self) -> Option<Vec<Placed>> {
        Some(self.list()?.iter().filter_map(Item::text).collect())
    }

    /// A table.
    pub(super) fn fields(&self, header: &'static str) -> Option<Fields<'d, 't>> {
        let DeValue::Table(table) = self.value.get_ref() else {
            self.wrong_type("a table");
            return None;
        };
        Some(Fields::of(self.document, header, self.span(), table))
    }

    fn tables(&self, header: &'static str) -> Vec<Fields<'d, 't>> {
        let Some(items) = self.list() else { return Vec::new() };
        items.iter().filter_map(|item| item.fields(header)).collect()
    }
}

/// The names of drawn values that a template may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scope {
    /// For each scenario that the template is used in, its name and the names that it draws.
    pub(super) scenarios: Vec<(String, Vec<String>)>,
}

impl Scope {
    /// Reads a template whose holes must be drawn in every scenario.
    pub(super) fn template(&self, text: &Placed) -> Result<Template, Mistake> {
        let template = Template::parse(text.text()).map_err(|bad| {
            let length = match &bad {
                BadTemplate::Name(_, name) | BadTemplate::Filter(_, name) => name.len().max(1),
                BadTemplate::Open(_) | BadTemplate::Close(_) => 1,
            };
            let range = text.range(bad.at()..text.text().len().min(bad.at() + length));
            Mistake::new(range, bad.to_string(), "expected: text with holes such as {name} or {name|upper}")
        })?;
        for (range, name) in holes(text.text()) {
            for (scenario, drawn) in &self.scenarios {
                if !drawn.contains(&name) {
                    let message = format!("the scenario \"{scenario}\" draws no value `{name}`");
                    let help = match drawn.is_empty() {
                        true => "it draws none: add `values = { … }` to it".to_owned(),
                        false => instead(&name, drawn.iter().map(String::as_str)),
                    };
                    return Err(Mistake::new(text.range(range), message, help));
                }
            }
        }
        Ok(template)
    }
}

/// The names in the holes of a good template, each with its place.
fn holes(text: &str) -> Vec<(Range<usize>, String)> {
    let mut holes = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '}']) {
        let open = at + found;
        if matches!(text.as_bytes().get(open + 1), Some(b) if *b == text.as_bytes()[open]) {
            at = open + 2;
            continue;
        }
        let close = text[open..].find('}').map_or(text.len(), |close| open + close);
        let name = text[open + 1..close.max(open + 1)].split('|').next().unwrap_or_default();
        holes.push((open + 1..open + 1 + name.len(), name.to_owned()));
        at = (close + 1).min(text.len());
    }
    holes
}

/// "did you mean", or what there is: the help for a name that is unknown.
pub(super) fn instead<'n>(given: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match super::nearest(given, known.iter().copied()).first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of: {}", known.join(", ")),
    }
}
