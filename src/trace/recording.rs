//! Recordings as JSON Lines: what the recorder told, before naming, for regression tests of everything above it.
//!
//! Version 1. The first line names the schema, each line after it is an event, the last one says how the run ended:
//!
//! ```text
//! {"schema":"ipc-grade/recording/1"}
//! {"tid":700002,"event":"returned","call":{"call":"close","fd":3},"result":{"Ok":0}}
//! {"end":"finished"}
//! ```

use serde::{Deserialize, Serialize};

use super::raw::{RawEnd, RawEvent, Recording};

/// The schema that this program writes, and the only one that it reads.
pub const SCHEMA: &str = "ipc-grade/recording/1";

#[derive(Serialize, Deserialize)]
struct Header {
    schema: String,
}

/// A text is no recording.
#[derive(Debug, thiserror::Error)]
pub enum NoRecording {
    /// The first line does not name a schema.
    #[error("line 1 names no schema: {{\"schema\":\"{SCHEMA}\"}} was expected")]
    NoSchema,
    /// It names another one.
    #[error("line 1 names the schema `{0}`, and only `{SCHEMA}` is known here")]
    OtherSchema(String),
    /// A line is no event.
    #[error("line {line} is no event: {source}")]
    NoEvent {
        /// From 1.
        line: usize,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The last line does not say how the run ended: the file was cut short.
    #[error("the last line does not say how the run ended")]
    NoEnd,
    /// Lines follow the end.
    #[error("line {line} follows the end")]
    AfterEnd {
        /// From 1.
        line: usize,
    },
}

impl Recording {
    /// As text, a line each.
    ///
    /// # Errors
    /// None in practice: all that stands in a recording has a form in JSON.
    pub fn to_jsonl(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string(&Header { schema: SCHEMA.to_owned() })?;
        text.push('\n');
        for event in &self.events {
            text.push_str(&serde_json::to_string(event)?);
            text.push('\n');
        }
        text.push_str(&serde_json::to_string(&self.end)?);
        text.push('\n');
        Ok(text)
    }

    /// Reads a text back. Empty lines are passed over.
    ///
    /// # Errors
    /// The first line that is not as it should be.
    pub fn from_jsonl(text: &str) -> Result<Self, NoRecording> {
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let header = lines.next().and_then(|(_, line)| serde_json::from_str::<Header>(line).ok());
        let schema = header.ok_or(NoRecording::NoSchema)?.schema;
        if schema != SCHEMA {
            return Err(NoRecording::OtherSchema(schema));
        }
        let (mut events, mut end) = (Vec::new(), None);
        for (line, text) in lines.filter(|(_, text)| !text.is_empty()) {
            if end.is_some() {
                return Err(NoRecording::AfterEnd { line });
            }
            match serde_json::from_str::<RawEvent>(text) {
                Ok(event) => events.push(event),
                Err(source) => match serde_json::from_str::<RawEnd>(text) {
                    Ok(found) => end = Some(found),
                    Err(_) => return Err(NoRecording::NoEvent { line, source }),
                },
            }
        }
        Ok(Self { events, end: end.ok_or(NoRecording::NoEnd)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Signal;
    use crate::trace::Bytes;
    use crate::trace::canonical::{Ending, Site};
    use crate::trace::raw::{Call, FileKind, RawFile, RawKind};

    fn recording() -> Recording {
        let file = |kind| RawFile { kind, path: "/work/a".into(), dev: 1, ino: u64::MAX, read: true, write: false };
        let site = Some(Site { file: "src/main.rs".into(), line: 3, column: 9, function: Some("x::main".into()) });
        let event = |kind| RawEvent { tid: 7, kind, site: site.clone().map(Box::new) };
        let descriptors = vec![(0, file(FileKind::Pipe))];
        let events = vec![
            event(RawKind::Started { inner: 7, peer: None, cwd: "/work".into(), descriptors }),
            event(RawKind::Returned {
                call: Call::Write { fd: 1, bytes: Bytes(vec![b'a', 0, b'\n', 0xff]) },
                result: Ok(4),
            }),
            event(RawKind::Returned {
                call: Call::Futex { waits: true, addr: 4, private: false, shared: Some((file(FileKind::Memory), 16)) },
                result: Err(11),
            }),
            event(RawKind::Entered { call: Call::Pause }),
            event(RawKind::Delivered { signal: Signal::TERM, handled: false, sender: 0 }),
            event(RawKind::Exited { ending: Ending::Killed(Signal::TERM) }),
        ];
        Recording {
            events,
            end: RawEnd::Limit { limit: "cpu".into(), figure: "2000 ms".into(), tid: Some(7), site: None },
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for end in [RawEnd::Finished, RawEnd::Blocked, recording().end] {
            let recording = Recording { end, ..recording() };
            let text = recording.to_jsonl().expect("a recording has a form");
            assert_eq!(Recording::from_jsonl(&text).expect("and reads back"), recording);
        }
    }

    #[test]
    fn broken_texts_are_told_by_their_line() {
        let text = recording().to_jsonl().expect("a recording has a form");
        let says = |text: &str| Recording::from_jsonl(text).expect_err("broken").to_string();
        assert!(says("").starts_with("line 1 names no schema"), "{}", says(""));
        assert!(says("{\"schema\":\"other/2\"}").contains("`other/2`"));
        assert_eq!(
            says(text.rsplit_once("{\"end\"").expect("an end").0),
            "the last line does not say how the run ended"
        );
        assert!(says(&text.replacen("\"fd\":1", "\"fd\":?", 1)).starts_with("line 3 is no event"));
        assert_eq!(says(&format!("{text}{{}}")), "line 9 follows the end");
    }
}
