//! Stream sockets that are connected by name, as the recorder's model of the kernel has them; with twins, as in `sysv.rs`.

use ipc_grade::trace::RunEnd;

use crate::story::story;
use crate::{alike, record, twins};

macro_rules! each {
    ($compare:ident: $($case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                $compare("named", stringify!($case));
            }
        )*
    };
}

each!(alike: by_path, by_abstract, by_number, another_of_that_name, one_by_one);

each!(
    twins:
    errors,
    before_it_is_accepted,
    full,
    several_accept,
    closed,
    refused,
    shut,
    flags,
    by_poll,
    by_epoll,
    server,
    passed,
    mixed,
    with_an_end,
    interrupted,
    at_random,
    waiting_at_random,
    together,
);

#[test]
fn what_never_comes_is_told() {
    let connects = "main.1 in connect of main.socket1, held by main";
    let cases =
        [("never_comes", "main in accept of main.socket1"), ("never_accepted", connects), ("nameless", connects)];
    for (case, expected) in cases {
        for case in [case.to_owned(), format!("generic_{case}")] {
            let trace = record("named", &case);
            assert!(matches!(trace.end, RunEnd::AllBlocked { .. }), "{case}: {:?}", trace.end);
            let story = story(&trace);
            assert!(story.lines().any(|line| line.trim() == expected), "{case}:\n{story}");
        }
    }
}
