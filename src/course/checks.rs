//! The `[[check]]` tables of an exercise.

use super::document::{Document, Fields, Item, Scope, instead};
use super::place::Placed;
use super::scenario::accept;
use super::steps::{check_number, check_posix_name, check_signal, no_scalar};
use crate::model::exercise::SignalFate;
use crate::model::peer::Scalar;
use crate::model::{CheckId, CheckKind, CheckSpec, Scenario, Template};

/// Reads the checks of an exercise.
pub(super) fn read(document: &Document<'_>, fields: &Fields<'_, '_>, scenarios: &[Scenario]) -> Vec<CheckSpec> {
    let drawn = |scenario: &Scenario| (scenario.id.to_string(), scenario.values.keys().cloned().collect());
    let scope = Scope { scenarios: scenarios.iter().map(drawn).collect() };
    let reader = Reader { document, scope: &scope, scenarios };
    let mut checks: Vec<CheckSpec> = Vec::new();
    let mut needs: Vec<(CheckId, Vec<Placed>)> = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    for table in fields.tables("check", "[[check]]") {
        let id = table.required("id", "\"a name\"");
        let name = id.as_ref().and_then(Item::words);
        if let (Some(item), Some(name)) = (&id, &name) {
            if ids.contains(name) {
                item.wrong(format!("there is a check called `{name}` already"), "give each check a name of its own");
            }
            ids.push(name.clone());
        }
        let points = table.required("points", "1").and_then(|item| item.number(1));
        let needed = table.optional("needs").and_then(|item| item.texts()).unwrap_or_default();
        let kind = reader.kind(&table);
        table.finish();
        if let (Some(name), Some(points), Some(kind)) = (name, points, kind) {
            let id = CheckId::new(name);
            needs.push((id.clone(), needed.clone()));
            let needs = needed.iter().map(|text| CheckId::new(text.text())).collect();
            checks.push(CheckSpec { id, kind, points, needs });
        }
    }
    for (at, (id, needed)) in needs.iter().enumerate() {
        for text in needed {
            reader.need(id, at, text, &ids);
        }
    }
    checks
}

struct Reader<'r> {
    document: &'r Document<'r>,
    scope: &'r Scope,
    scenarios: &'r [Scenario],
}

impl Reader<'_> {
    /// Whether a check may need that one: it is known, and comes first, so that needs make no circle.
    fn need(&self, id: &CheckId, at: usize, text: &Placed, ids: &[String]) {
        let (message, help) = match ids.iter().position(|known| known == text.text()) {
            None => {
                (format!("no check is called `{}`", text.text()), instead(text.text(), ids.iter().map(String::as_str)))
            }
            Some(needed) if needed == at => (format!("`{id}` needs itself"), "expected: another check".to_owned()),
            Some(needed) if needed > at => {
                (format!("`{}` comes after `{id}`", text.text()), "move it before the check that needs it".to_owned())
            }
            Some(_) => return,
        };
        self.document.mistake(text.whole(), message, Some(help));
    }

    fn kind(&self, table: &Fields<'_, '_>) -> Option<CheckKind> {
        const KINDS: [&str; 6] = ["separation", "output", "memory", "signal", "trace", "clean"];
        let kinds = KINDS.map(|kind| (kind, kind));
        let item = table.required("kind", "\"output\" (or separation, memory, signal, trace, clean)")?;
        Some(match item.one_of("kind of check", &kinds)? {
            "separation" => {
                let processes = table.required("processes", "2").and_then(|item| item.number(1));
                let (old, new) = (self.template(table, "old"), self.template(table, "new"));
                if old.is_some() != new.is_some() {
                    let help = "expected: both of them, or neither".to_owned();
                    self.document.mistake(table.span(), "`old` and `new` belong together", Some(help));
                }
                CheckKind::Separation { processes: processes?, new, old }
            }
            "output" => {
                let on = table.required("on", "\"stdout\"").and_then(|item| {
                    let text = item.text()?;
                    accept(self.document, self.scope.template(&text)).map(|_| text.text().to_owned())
                });
                CheckKind::Output { text: self.template(table, "text"), on: on? }
            }
            "memory" => self.memory(table)?,
            "signal" => {
                let fates = [("ready", SignalFate::Ready), ("taken", SignalFate::Taken), ("died", SignalFate::Died)];
                let signal = table.required("signal", "\"TERM\"").and_then(|item| self.signal(&item));
                let fate = table.required("fate", "\"taken\" (or ready, died)");
                let fate = fate.and_then(|item| item.one_of("fate of a signal", &fates));
                CheckKind::Signal { signal: signal?, fate: fate? }
            }
            "trace" => CheckKind::Trace,
            _ => CheckKind::Clean,
        })
    }

    fn memory(&self, table: &Fields<'_, '_>) -> Option<CheckKind> {
        let object = table.required("object", "\"/{name}\"").and_then(|item| {
            let text = item.text()?;
            accept(self.document, check_posix_name(&text))?;
            accept(self.document, self.scope.template(&text))
        });
        let offset = table.required("offset", "0").and_then(|item| item.number(0));
        let scalar = table.required("type", "\"u32\"").and_then(|item| {
            let text = item.text()?;
            accept(self.document, Scalar::named(text.text()).ok_or_else(|| no_scalar(&text)))
        });
        let value = table.required("value", "\"{x}\"").and_then(|item| self.number(&item, scalar));
        let at = table.required("at", "\"end\" (or a peer's step: \"reader's expect\")");
        let at = at.and_then(|item| self.moment(&item));
        Some(CheckKind::Memory { object: object?, offset: offset?, scalar: scalar?, value: value?, at: at? })
    }

    fn template(&self, table: &Fields<'_, '_>, key: &'static str) -> Option<Template> {
        accept(self.document, self.scope.template(&table.optional(key)?.text()?))
    }

    fn signal(&self, item: &Item<'_, '_>) -> Option<Template> {
        let text = item.text()?;
        let signal = accept(self.document, self.scope.template(&text))?;
        accept(self.document, check_signal(&text, &signal)).map(|()| signal)
    }

    /// A number that is written as such, or as a text with holes.
    fn number(&self, item: &Item<'_, '_>, scalar: Option<Scalar>) -> Option<Template> {
        if !item.is_text() {
            return item.number::<i128>(i128::from(i64::MIN)).map(|number| Template::literal(number.to_string()));
        }
        let text = item.text()?;
        let value = accept(self.document, self.scope.template(&text))?;
        accept(self.document, check_number(&text, &value, scalar?)).map(|()| value)
    }

    /// `end`, or a step that a peer has in every scenario: `reader's expect`.
    fn moment(&self, item: &Item<'_, '_>) -> Option<String> {
        let text = item.text()?;
        if text.text() == "end" {
            return Some("end".to_owned());
        }
        let Some((peer, verb)) = text.text().split_once("'s ") else {
            item.wrong(format!("`{}` is no moment", text.text()), "expected: end, or a peer's step: reader's expect");
            return None;
        };
        for scenario in self.scenarios {
            let Some(found) = scenario.peers.iter().find(|known| known.name.as_str() == peer) else {
                let peers = scenario.peers.iter().map(|peer| peer.name.as_str());
                item.wrong(format!("the scenario \"{}\" has no peer `{peer}`", scenario.id), instead(peer, peers));
                return None;
            };
            let verb_of = |text: &str| text.split_whitespace().next().map(str::to_owned);
            // A peer whose steps could not be read has been told already.
            if !found.steps.is_empty() && !found.steps.iter().any(|step| verb_of(&step.text).as_deref() == Some(verb)) {
                let verbs: Vec<String> = found.steps.iter().filter_map(|step| verb_of(&step.text)).collect();
                let message = format!("`{peer}` has no step `{verb}` in the scenario \"{}\"", scenario.id);
                item.wrong(message, instead(verb, verbs.iter().map(String::as_str)));
                return None;
            }
        }
        Some(text.text().to_owned())
    }
}
