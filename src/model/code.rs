//! The codes of findings: a short name that is stable for ever, a title and a page for each.
//!
//! A code is the name of one *cause*. Course files, rejected programs, reports and grade books refer to it,
//! so a code is never renumbered, never reused and never given another meaning; new causes get new numbers.
//! Numbers may be missing: they are kept for causes that the grader does not tell apart yet.
//!
//! The table below holds everything that is said about a code, but for the page: that is `pages/CODE.md`,
//! which `ipc-grade explain CODE` shows. This module knows nothing of how a cause is found, nor of points:
//! whether a finding is an error or advice belongs to the finding.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a code is about; the first letter of the code says it.
///
/// Families are listed, and compare, in the order in which reports list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `B`: the program could not be built.
    Build,
    /// `P`: fork, exit and wait.
    Processes,
    /// `F`: pipes and FIFOs.
    Pipes,
    /// `M`: shared memory.
    SharedMemory,
    /// `Q`: message queues.
    Queues,
    /// `S`: signals.
    Signals,
    /// `H`: the program did not come to its end.
    Hangs,
    /// `T`: the trace differs from the expected one.
    Trace,
}

impl Family {
    /// The letter that the family's codes begin with.
    pub fn letter(self) -> char {
        match self {
            Family::Build => 'B',
            Family::Processes => 'P',
            Family::Pipes => 'F',
            Family::SharedMemory => 'M',
            Family::Queues => 'Q',
            Family::Signals => 'S',
            Family::Hangs => 'H',
            Family::Trace => 'T',
        }
    }

    /// How specific the family's codes are: 0 is the most specific.
    ///
    /// One cause often shows in several ways (an open write end is F001, a deadlock and a missing step);
    /// only the most specific code is reported. `B` goes before all, since what does not compile does not run;
    /// `P`, `F`, `M`, `Q` and `S` name a cause and rank alike; `H` says only that the program stopped;
    /// `T` says only that something differs. Codes of one rank are taken in the order of [`Code`].
    pub fn rank(self) -> u8 {
        match self {
            Family::Build => 0,
            Family::Processes | Family::Pipes | Family::SharedMemory | Family::Queues | Family::Signals => 1,
            Family::Hangs => 2,
            Family::Trace => 3,
        }
    }
}

/// Writes [`Code`] and its functions from one table, so that no code can lack a title or a page.
macro_rules! codes {
    ($($family:ident: { $($code:ident $title:literal, see [$($also:ident),*];)+ })+) => {
        /// The code of a finding, stable for ever.
        ///
        /// Codes compare by family, in the order of [`Family`], then by number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $title] $code,)+)+
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$($(Code::$code,)+)+];

            /// The code as it is written: `F001`.
            pub fn as_str(self) -> &'static str {
                match self { $($(Code::$code => stringify!($code),)+)+ }
            }

            /// The cause in one short plain phrase, in lower case and without a full stop.
            pub fn title(self) -> &'static str {
                match self { $($(Code::$code => $title,)+)+ }
            }

            /// The page that explains the code: Markdown that also reads well raw, at most 78 columns wide.
            pub fn page(self) -> &'static str {
                match self {
                    $($(Code::$code => include_str!(concat!("pages/", stringify!($code), ".md")),)+)+
                }
            }

            /// What the code is about.
            pub fn family(self) -> Family {
                match self { $($(Code::$code => Family::$family,)+)+ }
            }

            /// Codes whose causes are easily taken for this one, or that often come with it.
            pub fn see_also(self) -> &'static [Code] {
                match self { $($(Code::$code => &[$(Code::$also),*],)+)+ }
            }
        }
    };
}

codes! {
    Build: {
        B001 "does not compile", see [];
        B002 "brings a file or crate that an answer may not bring", see [B001];
    }
    Processes: {
        P001 "the child is never reaped", see [P005];
        P002 "the child runs on into the parent's code", see [T002];
        P003 "more processes than the task has", see [P002, P001];
        P005 "an orphan is left running", see [P001];
        P006 "threads where processes are asked for", see [P009];
        P007 "exec fails, and the child goes on as a second parent", see [P002];
        P009 "a variable changed in the child is expected to change in the parent", see [M001, P006];
    }
    Pipes: {
        F001 "a write end stays open, so the reader never sees the end", see [H001];
        F003 "writes to a pipe that nobody reads", see [F011];
        F004 "takes one read for one message", see [T005];
        F005 "the data went another way", see [P009];
        F006 "both sides open the FIFOs in an order that blocks them for ever", see [H001];
        F008 "the FIFO is left behind", see [M005, Q001];
        F010 "both sides write, nobody reads, and both pipes are full", see [F013, H001];
        F011 "the pipe is made after the fork: each process has its own", see [F003, M010];
        F013 "waits for the child before it drains the pipe that the child fills", see [F010, H001];
    }
    SharedMemory: {
        M001 "the mapping is private, so the store stays in one process", see [M010, P009];
        M002 "the object has no size", see [];
        M003 "data race: nothing orders the two accesses", see [M004, M008];
        M004 "one process overwrites the other's update", see [M003];
        M005 "the shared object is left behind", see [F008, Q001];
        M006 "wrong value at an offset", see [T005];
        M007 "a pointer is stored in shared memory", see [M006];
        M008 "the reader looks before the writer is ready", see [M003];
        M009 "the semaphore or lock is not shared between processes", see [M001, M010];
        M010 "mapped after the fork: each process has a mapping of its own", see [F011, M001];
        M011 "waits for room while it holds the lock", see [H001];
    }
    Queues: {
        Q001 "the queue is left behind", see [F008, M005];
        Q002 "the receive buffer is smaller than the message size", see [];
        Q003 "the priority or type is ignored", see [T003];
        Q004 "a message is lost: the queue was full, and nobody looked", see [Q001];
        Q005 "one end message for several workers", see [H001, P001];
        Q006 "a name without a slash, or a size that counts the type", see [Q002];
    }
    Signals: {
        S001 "the signal arrives before the handler is there", see [S005];
        S002 "the handler does what a handler must not", see [S005];
        S003 "an interrupted call is taken for an error or for the end", see [S005];
        S004 "one wait for each signal, but signals merge", see [S005, P001];
        S005 "test, then sleep: the wakeup is lost", see [S001];
        S006 "the signal goes to the wrong process or group", see [S009];
        S008 "SIGCHLD is ignored, so there is nobody to wait for", see [P001, S004];
        S009 "kills, stops or traces a process of the exercise", see [S006];
    }
    Hangs: {
        H001 "deadlock: every process waits for another", see [F001, F006, S005];
        H002 "the program never ends", see [H001];
        H003 "busy wait where blocking is asked for", see [H002];
    }
    Trace: {
        T001 "a step is missing", see [T002];
        T002 "a step too many", see [P002, T001];
        T003 "the right steps in the wrong order", see [T004];
        T004 "right only by luck: the order held, nothing forced it", see [T003];
        T005 "wrong data", see [M006];
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    /// Reads a code in upper or lower case.
    ///
    /// # Errors
    ///
    /// [`UnknownCode`] when there is no such code; it names the nearest ones.
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Code::ALL
            .iter()
            .copied()
            .find(|code| code.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownCode::new(text))
    }
}

/// There is no such code; the nearest ones are at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCode {
    /// The text as it was given.
    pub given: String,
    /// The codes that it most likely meant, the likeliest first; empty when none is near.
    pub nearest: Vec<Code>,
}

impl UnknownCode {
    /// More suggestions than this are a list, and the whole list is easily shown.
    const SUGGESTIONS: usize = 3;

    /// Codes are four characters long: with more than two slips nothing is left to recognise.
    const SLIPS: usize = 2;

    fn new(given: &str) -> Self {
        let wanted = given.to_ascii_uppercase();
        let mut near: Vec<_> = Code::ALL
            .iter()
            .map(|&code| {
                let slips = strsim::damerau_levenshtein(&wanted, code.as_str());
                // Two codes with as many slips: the one of the same family is likelier meant.
                let other_family = !wanted.starts_with(code.family().letter());
                (slips, other_family, code)
            })
            .filter(|&(slips, ..)| slips <= Self::SLIPS)
            .collect();
        near.sort_unstable();
        near.truncate(Self::SUGGESTIONS);
        Self { given: given.to_owned(), nearest: near.into_iter().map(|(.., code)| code).collect() }
    }
}

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such code: {:?}", self.given)?;
        if !self.nearest.is_empty() {
            f.write_str("; near it:")?;
        }
        // A line each: titles are long.
        for code in &self.nearest {
            write!(f, "\n  {code}  {}", code.title())?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownCode {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a page's fenced blocks that open with ```` ```LANGUAGE ````.
    fn block(page: &'static str, language: &str) -> Vec<&'static str> {
        let mut inside = false;
        let mut lines = Vec::new();
        for line in page.lines() {
            match line.strip_prefix("```") {
                Some(opening) => inside = opening.split(',').next() == Some(language),
                None if inside => lines.push(line),
                None => {}
            }
        }
        lines
    }

    /// Holds a property of every page; `faults` returns what is wrong with one.
    fn every_page(faults: impl Fn(Code) -> Vec<String>) {
        let found: Vec<String> = Code::ALL
            .iter()
            .flat_map(|&code| faults(code).into_iter().map(move |fault| format!("{code}.md: {fault}")))
            .collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    /// A grade book of last year refers to these: the list may grow and must not lose or move any.
    #[test]
    fn codes_are_stable() {
        let written: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(
            written.join(" "),
            "B001 B002 P001 P002 P003 P005 P006 P007 P009 F001 F003 F004 F005 F006 F008 F010 F011 F013 M001 M002 M003 M004 \
             M005 M006 M007 M008 M009 M010 M011 Q001 Q002 Q003 Q004 Q005 Q006 S001 S002 S003 S004 S005 S006 S008 S009 H001 \
             H002 H003 T001 T002 T003 T004 T005"
        );
    }

    #[test]
    fn codes_begin_with_their_family_and_are_in_order() {
        for &code in Code::ALL {
            assert!(code.as_str().starts_with(code.family().letter()), "{code}");
        }
        let by_family_and_number = |code: &Code| (code.family(), code.as_str());
        assert!(Code::ALL.is_sorted_by_key(by_family_and_number));
        assert!(Code::ALL.is_sorted());
    }

    #[test]
    fn specific_families_beat_general_ones() {
        let rank = |code: Code| code.family().rank();
        assert!(rank(Code::B001) < rank(Code::P001));
        for cause in [Code::P001, Code::F001, Code::M001, Code::Q001, Code::S001] {
            assert_eq!(rank(cause), rank(Code::P001), "{cause}");
        }
        assert!(rank(Code::S001) < rank(Code::H001));
        assert!(rank(Code::H001) < rank(Code::T001));
    }

    #[test]
    fn titles_are_plain_phrases() {
        for &code in Code::ALL {
            let title = code.title();
            assert!(!title.ends_with('.') && title.trim() == title && !title.is_empty(), "{code}: {title}");
            assert!(title.is_ascii(), "{code}: {title}");
        }
    }

    #[test]
    fn see_also_names_others_only() {
        for &code in Code::ALL {
            assert!(!code.see_also().contains(&code), "{code} refers to itself");
        }
    }

    #[test]
    fn codes_are_read_as_they_are_written() {
        for &code in Code::ALL {
            assert_eq!(code.to_string().parse(), Ok(code));
            assert_eq!(code.as_str().to_lowercase().parse(), Ok(code));
            let json = serde_json::to_string(&code).expect("a code is a string");
            assert_eq!(json, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<Code>(&json).expect("as it was written"), code);
        }
        assert_eq!(format!("{:>6}|", Code::F001), "  F001|");
    }

    #[test]
    fn an_unknown_code_names_the_nearest() {
        let check = |given: &str, nearest: &[Code]| {
            let unknown = given.parse::<Code>().expect_err("no such code");
            assert_eq!(unknown.nearest, nearest, "{given}");
            assert_eq!(unknown.given, given);
        };
        check("F0O1", &[Code::F001, Code::F011, Code::F003]);
        check("f10", &[Code::F010, Code::F001, Code::F003]);
        check("q009", &[Code::Q001, Code::Q002, Code::Q003]);
        check("T04", &[Code::T004, Code::T001, Code::T002]);
        check("F 001", &[Code::F001, Code::F003, Code::F004]);
        check("zombie", &[]);
        check("", &[]);

        let said = |given: &str| given.parse::<Code>().expect_err("no such code").to_string();
        assert_eq!(said("zombie"), r#"no such code: "zombie""#);
        assert_eq!(said("B1"), "no such code: \"B1\"; near it:\n  B001  does not compile");
    }

    #[test]
    fn pages_begin_with_code_and_title() {
        every_page(|code| {
            let wanted = format!("# {code}: {}", code.title());
            match code.page().lines().next() {
                Some(first) if first == wanted => vec![],
                first => vec![format!("begins with {first:?}, wanted {wanted:?}")],
            }
        });
    }

    #[test]
    fn pages_have_the_same_sections_in_the_same_order() {
        let sections =
            ["## What it means", "## The smallest wrong program", "## What happened", "## The fix", "## Read"];
        every_page(|code| {
            let found: Vec<_> = code.page().lines().filter(|line| line.starts_with("## ")).collect();
            if found == sections { vec![] } else { vec![format!("has {found:?}")] }
        });
    }

    #[test]
    fn pages_read_well_raw() {
        every_page(|code| {
            let page = code.page();
            let mut faults = Vec::new();
            for (line, number) in page.lines().zip(1..) {
                if line.chars().count() > 78 {
                    faults.push(format!("line {number} is wider than 78 columns"));
                }
                if line != line.trim_end() || line.contains('\t') {
                    faults.push(format!("line {number} has a tab or a space at its end"));
                }
            }
            if !page.is_ascii() {
                faults.push("has characters that some terminals cannot show".to_owned());
            }
            if !page.ends_with('\n') || page.ends_with("\n\n") {
                faults.push("does not end with one end of line".to_owned());
            }
            faults
        });
    }

    #[test]
    fn pages_name_no_code_that_is_not_there() {
        every_page(|code| {
            let words = code.page().split(|c: char| !c.is_ascii_alphanumeric());
            let looks_like_a_code = |word: &&str| {
                word.len() == 4
                    && word.starts_with(['B', 'P', 'F', 'M', 'Q', 'S', 'H', 'T'])
                    && word[1..].bytes().all(|byte| byte.is_ascii_digit())
            };
            words
                .filter(looks_like_a_code)
                .filter(|word| word.parse::<Code>().is_err())
                .map(|word| format!("names {word}"))
                .collect()
        });
    }

    /// The fix is shown as changed lines: those that it takes away or leaves must be in the program.
    #[test]
    fn fixes_change_the_program_that_the_page_shows() {
        every_page(|code| {
            let program = block(code.page(), "rust");
            let fix = block(code.page(), "diff");
            let mut faults = Vec::new();
            if !program.iter().any(|line| line.starts_with("fn main()")) {
                faults.push("shows no whole program".to_owned());
            }
            if !fix.iter().any(|line| line.starts_with('+') || line.starts_with('-')) {
                faults.push("changes nothing".to_owned());
            }
            for line in fix {
                let kept = line.strip_prefix([' ', '-']);
                if let Some(kept) = kept
                    && kept != "..."
                    && !program.contains(&kept)
                {
                    faults.push(format!("the fix speaks of {kept:?}, which is not in the program"));
                }
            }
            faults
        });
    }
}
