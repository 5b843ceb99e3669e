//! Mistakes in a peer's steps, and in the facts that it waits for.

use super::*;

#[test]
fn mistakes_in_steps() {
    let wrong = check_place;
    wrong("open names write", "oben names write", "oben", "no step begins with `oben`", "did you mean `open`?");
    wrong("open names write\n", "open names\n", "", "the step ends too early", "expected: read or write");
    wrong("open names write", "open names rite", "rite", "`rite` is not understood here", "expected: read or write");
    wrong("write names", "write name", "name", "`name` is not open here", "did you mean `names`?");
    wrong("open names write", "open names read", "names", "this is open for reading only", "open it for writing");
    wrong("expect 0 u32", "expect 0 u23", "u23", "no type is called `u23`", "did you mean `u32`?");
    wrong("u32 {n}", "u32 {m}", "m", "the scenario \"one\" draws no value `m`", "expected one of: n, name, word");
    wrong("u32 {n}", "u32 -1", "-1", "`-1` is no u32", "expected: a number that fits, or a drawn value: {n}");
    wrong(
        "{word}\\n\"",
        "\\t{word|lowr}\"",
        "lowr",
        "no filter is called `lowr` (there are upper, lower, rev, rev4k, lines, sum, square)",
        "expected: text with holes such as {name} or {name|upper}",
    );
    wrong("go\\n", "go\\q", "\\q", "`\\q` is no escape", "expected: \\n \\t \\r \\0 \\\\ \\\" \\{ or \\}");
    wrong("go\\n\"", "go", "\"", "this quote is never closed", "expected: \"TEXT\" within one line");
    wrong(
        "signal main TERM",
        "signal main TREM",
        "TREM",
        "no signal is named `TREM` (names are INT, TERM, USR1, CHLD, RTMIN+3 …)",
        "expected: a name without SIG, or a drawn value: {which}",
    );
    wrong(
        "signal main TERM",
        "signal it TERM",
        "it",
        "nobody is `it` here",
        "expected: when some child received \"TEXT\", before this",
    );
    wrong(
        "main ready TERM",
        "some child exited",
        "exited",
        "`exited` is not understood here",
        "expected: some child received \"TEXT\"",
    );
    wrong(
        "main ready TERM",
        "children many",
        "many",
        "`many` is no u32",
        "expected: a number that fits, or a drawn value: {n}",
    );
    wrong(
        "main ready TERM",
        "children 2 wait for",
        "for",
        "`for` is not understood here",
        "expected: children N wait in CALL",
    );
    wrong(
        "main ready TERM",
        "children 2 wait in recieve",
        "recieve",
        "no call is called `recieve` here",
        "did you mean `receive`?",
    );
    wrong(
        "signal main TERM",
        "signal main TERM now",
        "now",
        "`now` is more than the step takes",
        "remove it, or begin a new line",
    );
    wrong("main ready TERM", "main waits in raed", "raed", "no call is called `raed` here", "did you mean `read`?");
    wrong(
        "or idle",
        "or ilde",
        "ilde",
        "`ilde` is not understood here",
        "expected: or idle (facts are joined by `and`)",
    );
    wrong(
        "write main.stdin",
        "exit 0\nwrite main.stdin",
        "write main.stdin \"go\\n\"",
        "the peer has ended before this step",
        "remove it, or move the exit behind it",
    );
    wrong(
        "stdin = \"peer\"",
        "stdin = \"\"",
        "main.stdin",
        "the program's standard input is not a peer's",
        "add `stdin = \"peer\"` to the scenario",
    );
    wrong(
        "open shm \"/{name}\"",
        "",
        "0",
        "no shared memory is open here",
        "expected: open shm \"/name\" before this step",
    );
}
