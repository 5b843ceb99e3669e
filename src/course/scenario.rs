//! The `[[scenario]]` tables of an exercise: arguments, standard input, drawn values, peers, faults.

use std::collections::BTreeMap;

use super::document::{Document, Fields, Item, Mistake, Scope};
use super::{faults, steps};
use crate::model::peer::Step;
use crate::model::{Draw, PeerName, PeerSpec, Scenario, ScenarioId, Signal, Sleepers, Stdin, Template};

/// Reads a scenario; `None` where it lacks what it cannot be without.
pub(super) fn read(document: &Document<'_>, fields: Fields<'_, '_>) -> Option<Scenario> {
    let id = fields.required("id", "\"a name\"").and_then(|item| item.words());
    let values = fields.table("values", "values").map(|table| draws(document, &table)).unwrap_or_default();
    let name = id.clone().unwrap_or_else(|| "…".to_owned());
    let scope = Scope { scenarios: vec![(name, values.keys().cloned().collect())] };
    let args = fields.optional("args").map(|item| templates(document, &item, &scope)).unwrap_or_default();
    let stdin = match fields.optional("stdin") {
        Some(item) => standard_input(document, &item, &scope)?,
        None => Stdin::Empty,
    };
    let substitute = fields.optional("substitute").and_then(|item| item.texts()).unwrap_or_default();
    let mut peers: Vec<PeerSpec> = Vec::new();
    for table in fields.tables("peer", "[[scenario.peer]]") {
        let span = table.span();
        if let Some(peer) = peer(document, table, &scope, stdin == Stdin::Peer) {
            if peers.iter().any(|other| other.name == peer.name) || peer.name.as_str() == "main" {
                let message = format!("there is a process called `{}` already", peer.name);
                document.mistake(span, message, Some("give each peer a name of its own".to_owned()));
            }
            peers.push(peer);
        }
    }
    let faults = fields.tables("fault", "[[scenario.fault]]");
    let faults = faults.into_iter().filter_map(|table| faults::read(document, table, &scope)).collect();
    let times = [("early", Sleepers::Early), ("on time", Sleepers::OnTime)];
    let sleepers = fields.optional("sleepers").and_then(|item| item.one_of("sleepers", &times));
    fields.finish();
    let substitute = substitute.into_iter().map(|text| text.text().to_owned()).collect();
    Some(Scenario { id: ScenarioId::new(id?), args, stdin, values, substitute, peers, faults, sleepers })
}

fn standard_input(document: &Document<'_>, item: &Item<'_, '_>, scope: &Scope) -> Option<Stdin> {
    let text = item.text()?;
    match text.text() {
        "" => Some(Stdin::Empty),
        "peer" => Some(Stdin::Peer),
        _ => accept(document, scope.template(&text)).map(Stdin::Text),
    }
}

fn templates(document: &Document<'_>, item: &Item<'_, '_>, scope: &Scope) -> Vec<Template> {
    let texts = item.texts().unwrap_or_default();
    texts.iter().filter_map(|text| accept(document, scope.template(text))).collect()
}

/// The value, or its mistake noted.
pub(super) fn accept<T>(document: &Document<'_>, read: Result<T, Mistake>) -> Option<T> {
    read.map_err(|mistake| document.mistakes([mistake])).ok()
}

fn draws(document: &Document<'_>, fields: &Fields<'_, '_>) -> BTreeMap<String, Draw> {
    let mut values = BTreeMap::new();
    for (name, span, item) in fields.entries() {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(good) {
            let help = "expected: letters, digits and _".to_owned();
            document.mistake(span, format!("`{name}` cannot be the name of a value"), Some(help));
            continue;
        }
        // A value whose draw is wrong is still known by its name, so that one mistake is told once.
        let draw = item.fields("a value").and_then(|table| draw(table)).unwrap_or(Draw::Word);
        values.insert(name.to_owned(), draw);
    }
    values
}

fn draw(fields: Fields<'_, '_>) -> Option<Draw> {
    const KINDS: [&str; 6] = ["word", "int", "ints", "token64", "blob", "signal"];
    let kinds = KINDS.map(|kind| (kind, kind));
    let kind = fields.required("draw", "\"word\" (or int, ints, token64, blob, signal)")?.one_of("draw", &kinds)?;
    let draw = match kind {
        "int" | "ints" => {
            let min = fields.required("min", "1")?;
            let max = fields.required("max", "99")?;
            let (low, high) = (min.number(i128::from(i64::MIN))?, max.number(i128::from(i64::MIN))?);
            if low > high {
                max.wrong("`max` is less than `min`", format!("expected: {low} or more"));
            }
            match kind {
                "int" => Draw::Int { min: low, max: high },
                _ => {
                    let count = fields.required("count", "6")?;
                    let (item, count): (_, usize) = (&count, count.number(1)?);
                    if high.abs_diff(low) < count as u64 {
                        item.wrong("there are not so many different numbers", "more from `min` to `max`");
                    }
                    Draw::Ints { count: count.min(high.abs_diff(low) as usize), min: low, max: high }
                }
            }
        }
        "blob" => Draw::Blob { bytes: fields.required("bytes", "4096")?.number(1)? },
        "signal" => {
            let of = fields.required("of", "[\"INT\", \"TERM\"]")?;
            let signals: Vec<Signal> = of.list()?.iter().filter_map(signal).collect();
            if signals.is_empty() {
                of.wrong("there is no signal to draw", "expected: names without SIG, as in [\"INT\", \"TERM\"]");
            }
            Draw::Signal { of: signals }
        }
        "token64" => Draw::Token64,
        _ => Draw::Word,
    };
    fields.finish();
    Some(draw)
}

fn signal(item: &Item<'_, '_>) -> Option<Signal> {
    let text = item.text()?;
    let signal = text.text().parse::<Signal>();
    signal.map_err(|error| item.wrong(error, "expected: a name without SIG")).ok()
}

fn peer(document: &Document<'_>, fields: Fields<'_, '_>, scope: &Scope, stdin: bool) -> Option<PeerSpec> {
    let name = fields.required("name", "\"client\"").and_then(|item| item.words());
    let text = fields.required("steps", "'''…''', a step a line").and_then(|item| item.text());
    fields.finish();
    let read = accept(document, steps::parse(&text?, scope, stdin));
    let step = |read: steps::Read| Step { line: document.line(read.place), text: read.text, action: read.action };
    // Without its steps the peer is still known by its name.
    let steps = read.unwrap_or_default().into_iter().map(step).collect();
    Some(PeerSpec { name: PeerName::new(name?), steps })
}
