//! The language's meaning, feature by feature, on small runs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use ipc_grade::judge::matching::Mark;
use ipc_grade::judge::{Matching, ProblemKind, match_trace};
use ipc_grade::model::{Signal, Value, Values};
use ipc_grade::pattern::Expected;
use ipc_grade::trace::{ObjectId, ObjectKind, Trace};
use support::{Process, Run};

fn drawn() -> Values {
    [("a", Value::Text("kettle".into())), ("b", Value::Text("window".into())), ("n", Value::Int(7))]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn matched(expected: &str, trace: &Trace) -> Matching {
    let expected = Expected::parse("x.trace", expected).unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
    match_trace(&expected, &drawn(), trace).unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
}

/// What is wrong, a line each: kind, role, step.
fn said(matching: &Matching) -> String {
    let problems = matching.problems.iter().map(|problem| {
        let kind = match &problem.kind {
            ProblemKind::Missing => "missing".to_owned(),
            ProblemKind::Surplus => "surplus".to_owned(),
            ProblemKind::Forbidden => "forbidden".to_owned(),
            ProblemKind::WrongOrder { first, .. } => format!("before `{first}`"),
            ProblemKind::WrongData { expected, saw, at } => {
                format!("{} for {} at {at}", String::from_utf8_lossy(saw), String::from_utf8_lossy(expected))
            }
        };
        let role = problem.role.as_ref().map_or("-", |role| role.as_str());
        format!("{kind}: {role} {}", problem.step.as_deref().unwrap_or("-"))
    });
    let unforced = matching.unforced.iter().map(|it| format!("unforced: {} / {}", it.first, it.second));
    problems.chain(unforced).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(expected: &str, trace: &Trace, wrong: &str) {
    assert_eq!(said(&matched(expected, trace)), wrong);
}

fn alone(body: impl FnOnce(&mut Run, Process)) -> Trace {
    let (mut run, main) = Run::new();
    body(&mut run, main);
    run.exit(main, 0);
    run.finish()
}

fn pair(body: impl FnOnce(&mut Run, Process, Process, ObjectId)) -> Trace {
    let (mut run, main) = Run::new();
    let data = run.make(main, ObjectKind::Pipe, "main.pipe1");
    let child = run.fork(main);
    body(&mut run, main, child, data);
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

const GREETER: &str = "main:
    mkfifo names & mkfifo greetings
    { read names \"{a}\\n\" then write greetings \"hello {a}\\n\"; read names \"{b}\\n\" then write greetings \"hello {b}\\n\" } & unlink names & unlink greetings
    exit 0
";

#[test]
fn one_call_may_carry_two_texts() {
    let run = |at_once: bool| {
        alone(|run, main| {
            let names = run.make(main, ObjectKind::Fifo, "names");
            let greetings = run.make(main, ObjectKind::Fifo, "greetings");
            let client = run.peer("client");
            run.write(client, names, b"kettle\nwindow\n");
            run.unlink(main, names);
            if at_once {
                run.read_all(main, names);
                run.write(main, greetings, b"hello kettle\nhello window\n");
            } else {
                run.read(main, names, 7);
                run.write(main, greetings, b"hello kettle\n");
                run.read(main, names, 7);
                run.write(main, greetings, b"hello window\n");
            }
            run.unlink(main, greetings);
            run.read_all(client, greetings);
        })
    };
    check(GREETER, &run(true), "");
    check(GREETER, &run(false), "");
}

#[test]
fn an_answer_before_the_question_is_in_the_wrong_order() {
    let trace = alone(|run, main| {
        let names = run.make(main, ObjectKind::Fifo, "names");
        let greetings = run.make(main, ObjectKind::Fifo, "greetings");
        let client = run.peer("client");
        run.write(main, greetings, b"hello kettle\nhello window\n");
        run.write(client, names, b"kettle\nwindow\n");
        run.read_all(main, names);
        run.unlink(main, names);
        run.unlink(main, greetings);
    });
    let wrong = "before `read names \"kettle\\n\"`: main write greetings \"hello kettle\\n\"\n\
                 before `read names \"window\\n\"`: main write greetings \"hello window\\n\"";
    check(GREETER, &trace, wrong);
}

#[test]
fn messages_have_priorities() {
    let expected =
        "main:\n    queue \"/{a}\"\n    send \"/{a}\" \"x\" priority {n} & send \"/{a}\" \"y\"\n    exit 0\n";
    let run = |priority| {
        alone(|run, main| {
            let queue = run.make(main, ObjectKind::Queue, "/kettle");
            run.send(main, queue, b"y", 3);
            run.send(main, queue, b"x", priority);
        })
    };
    check(expected, &run(7), "");
    check(expected, &run(1), "priority 1 for priority 7 at 9: main send \"/kettle\" \"x\" priority 7");
    let other_name = alone(|run, main| {
        let queue = run.make(main, ObjectKind::Queue, "/window");
        run.send(main, queue, b"y", 3);
        run.send(main, queue, b"x", 7);
    });
    assert!(said(&matched(expected, &other_name)).starts_with("missing: main queue /kettle"));
}

#[test]
fn variables_are_bound_by_use() {
    let expected = "parent:\n    pipe there, back; fork child\n    write there \"q\" then read back \"q\"\nchild:\n    read there \"q\" then write back \"q\"\n    exit 0\n";
    let trace = pair(|run, main, child, back| {
        let there = run.make(main, ObjectKind::Pipe, "main.pipe2");
        run.write(main, there, b"q");
        run.read_all(child, there);
        run.write(child, back, b"q");
        run.read_all(main, back);
    });
    let matching = matched(expected, &trace);
    assert_eq!(matching.objects["back"], ObjectId(0));
    // The second pipe was made after the fork in this run: `;` asks for the other order.
    assert_eq!(said(&matching), "before `pipe there`: parent fork child");
    let early: Vec<_> = matching.lanes.iter().filter(|row| row.mark == Mark::Early).map(|row| &row.text).collect();
    assert_eq!(early, ["fork child"]);
}

#[test]
fn texts_may_have_alternatives() {
    let expected = "main:\n    stdout \"yes\\n\" | \"no\\n\"; stdout \"{n}\"\n    exit 0\n";
    check(expected, &alone(|run, main| run.print(main, "no\n7")), "");
    check(expected, &alone(|run, main| run.print(main, "yes\n7")), "");
    check(
        expected,
        &alone(|run, main| run.print(main, "nay\n7")),
        "nay\n for no\n at 1: main stdout \"yes\\n\" | \"no\\n\"",
    );
}

#[test]
fn output_in_another_order_is_an_order() {
    let expected = "main:\n    stdout \"one\\n\"; stdout \"two\\n\"\n    exit 0\n";
    check(
        expected,
        &alone(|run, main| run.print(main, "two\none\n")),
        "before `stdout \"one\\n\"`: main stdout \"two\\n\"",
    );
    let free = "main:\n    stdout \"one\\n\" & stdout \"two\\n\"\n    exit 0\n";
    check(free, &alone(|run, main| run.print(main, "two\none\n")), "");
}

#[test]
fn what_may_be_left_out_may_also_be_done() {
    let expected = "main:\n    optional stdout \"hm\\n\" then stdout \"ok\\n\"\n    exit 0\n";
    check(expected, &alone(|run, main| run.print(main, "ok\n")), "");
    check(expected, &alone(|run, main| run.print(main, "hm\nok\n")), "");
    check(expected, &alone(|run, main| run.print(main, "hm\nhm\nok\n")), "surplus: main -");
}

#[test]
fn errors_and_ends_count_where_they_are_named() {
    let free =
        "parent:\n    pipe data; fork child; write data \"x\"; wait child\nchild:\n    read data \"x\"\n    exit 0\n";
    let named = "parent:\n    pipe data; fork child; write data \"x\"; wait child\nchild:\n    read data \"x\" then end data then stderr \"done\"\n    exit 0\n";
    let run = |to_the_end: bool| {
        pair(|run, main, child, data| {
            run.write(main, data, b"x");
            run.read_all(child, data);
            if to_the_end {
                run.close_last(main, data);
                run.end(child, data);
                run.grumble(child, "all done\n");
            }
        })
    };
    check(free, &run(true), "");
    check(free, &run(false), "");
    check(named, &run(true), "");
    check(named, &run(false), "missing: child end data\nmissing: child stderr \"done\"");
}

#[test]
fn who_plays_no_role_does_nothing_strict() {
    let expected = "parent:\n    fork child; wait child\nchild:\n    stdout \"x\"\n    exit 0\n";
    let helper = |prints: bool| {
        pair(|run, main, child, _| {
            let helper = run.fork(main);
            if prints {
                run.print(helper, "y");
            }
            run.exit(helper, 1);
            run.print(child, "x");
            run.wait(main, helper);
        })
    };
    check(expected, &helper(false), "");
    check(expected, &helper(true), "surplus: - -");
}

#[test]
fn only_a_role_that_may_delegate_does() {
    let lanes = "parent:\n    pipe data; fork child\n    write data \"x\"\n    wait child\nchild:\n    read data \"x\"\n    exit 0\n";
    let trace = pair(|run, main, child, data| {
        let helper = run.fork(main);
        run.write(helper, data, b"x");
        run.exit(helper, 0);
        run.wait(main, helper);
        run.read_all(child, data);
    });
    check(&format!("parent may delegate\n{lanes}"), &trace, "");
    let wrong = said(&matched(lanes, &trace));
    assert!(wrong.contains("missing: parent write data \"x\"") && wrong.contains("surplus"), "{wrong}");
}

#[test]
fn a_role_is_forked_by_its_own_parent() {
    let expected = "main:\n    fork a & fork b & wait a & wait b\n    exit 0\na:\n    exit 1\nb:\n    exit 2\n";
    let run = |nested: bool| {
        alone(|run, main| {
            let a = run.fork(main);
            let b = run.fork(if nested { a } else { main });
            run.exit(b, 2);
            if nested {
                run.wait(a, b);
            }
            run.exit(a, 1);
            run.wait(main, a);
            if !nested {
                run.wait(main, b);
            }
        })
    };
    check(expected, &run(false), "");
    check(expected, &run(true), "missing: b exit 2\nmissing: main fork b\nmissing: main wait b");
}

#[test]
fn what_never_happens() {
    let lanes = "parent:\n    pipe data; fork child; write data \"x\"; wait child\nchild:\n    exit 0\n";
    let trace = pair(|run, main, child, data| {
        run.write(main, data, b"x");
        let end = run.object(ObjectKind::Pipe, "main.pipe1");
        run.end(child, end);
    });
    check(&format!("{lanes}never child: write data\nnever: unlink data\n"), &trace, "");
    check(&format!("{lanes}never child: end data\n"), &trace, "forbidden: child end data");
    check(&format!("{lanes}never: exit 0\n"), &trace, "forbidden: - exit 0");
    check(&format!("{lanes}never parent: write data \"y\"\n"), &trace, "");
    check(&format!("{lanes}never parent: write data \"x\"\n"), &trace, "forbidden: parent write data \"x\"");
}

#[test]
fn labels_order_steps_of_different_lanes() {
    let expected = "parent:\n    fork child; stdout \"a\" as said; wait child\nchild:\n    stdout \"b\" as answered\n    exit 0\n\nsaid before answered\n";
    let run = |first: bool, pipe: bool| {
        pair(|run, main, child, data| {
            if first {
                run.print(main, "a");
            }
            if pipe {
                run.write(main, data, b".");
                run.read_all(child, data);
            }
            run.print(child, "b");
            if !first {
                run.print(main, "a");
            }
        })
    };
    check(expected, &run(true, true), "");
    check(expected, &run(true, false), "unforced: stdout \"a\" / stdout \"b\"");
    check(expected, &run(false, true), "before `stdout \"a\"`: child stdout \"b\"");
}

#[test]
fn a_family_has_its_size() {
    let expected =
        "family child[2]\nmain:\n    fork each child; wait each child -> exit 7\n    exit 0\nchild:\n    exit {n}\n";
    let run = |statuses: &[i32]| {
        alone(|run, main| {
            let children: Vec<Process> = statuses.iter().map(|_| run.fork(main)).collect();
            for (child, status) in children.iter().zip(statuses) {
                run.exit(*child, *status);
                run.wait(main, *child);
            }
        })
    };
    check(expected, &run(&[7, 7]), "");
    check(expected, &run(&[7, 0, 7]), "");
    check(expected, &run(&[7, 7, 7]), "surplus: main -");
    check(expected, &run(&[7]), "missing: main fork child");
    let wrong = "exit 0 for exit 7 at 5: child exit 7\nexit 0 for exit 7 at 5: main wait child -> exit 7";
    check(expected, &run(&[7, 0]), wrong);
}

#[test]
fn a_large_text_is_compared_at_once() {
    let expected = "main:\n    stdout \"{blob}\"\n    exit 0\n";
    let expected = Expected::parse("x.trace", expected).unwrap();
    let mut blob: Vec<u8> = (0..1 << 20).map(|at: u32| b'a' + (at.wrapping_mul(2_654_435_761) >> 28) as u8).collect();
    let values = Values::from([("blob".to_owned(), Value::Bytes(blob.clone()))]);
    *blob.last_mut().unwrap() = b'!';
    let trace = alone(|run, main| {
        let stdout = run.object(ObjectKind::Stdout, "stdout");
        blob.chunks(4096).for_each(|chunk| {
            run.write(main, stdout, chunk);
        });
    });
    let matching = match_trace(&expected, &values, &trace).unwrap();
    assert!(matches!(matching.problems[0].kind, ProblemKind::WrongData { at: 1_048_575, .. }));
    assert!(matching.problems[0].step.as_ref().unwrap().len() < 200, "a step's text stays readable");
}

#[test]
fn signals_between_roles_are_strict() {
    let expected = "parent:\n    fork child; signal child TERM; wait child -> killed TERM\nchild:\n    killed TERM\n";
    let run = |signals: &[Signal]| {
        let (mut run, main) = Run::new();
        let child = run.fork(main);
        signals.iter().for_each(|signal| run.signal(main, child, *signal));
        run.signal(main, main, Signal::CONT);
        run.killed(child, *signals.last().unwrap());
        run.wait(main, child);
        run.exit(main, 0);
        run.finish()
    };
    check(expected, &run(&[Signal::TERM]), "");
    check(expected, &run(&[Signal::CONT, Signal::TERM]), "surplus: parent -");
    let wrong = "INT for TERM at 0: parent signal child TERM\nkilled INT for killed TERM at 7: child killed TERM\n\
                 killed INT for killed TERM at 7: parent wait child -> killed TERM";
    check(expected, &run(&[Signal::INT]), wrong);
}

#[test]
fn memory_is_by_offset_or_by_value() {
    let expected = "main:\n    shm \"/{a}\" then store \"/{a}\" 4 u32 {n} then load \"/{a}\" 8 u8 {n}\n    exit 0\n";
    let run = |offset: u64| {
        alone(|run, main| {
            let memory = run.make(main, ObjectKind::Shm, "/kettle");
            run.store(main, memory, offset, &7_u16.to_ne_bytes());
            run.store(main, memory, 6, &[0, 0]);
            run.store(main, memory, 8, &[7]);
            run.load(main, memory, 0, 16);
        })
    };
    check(expected, &run(4), "");
    check(expected, &run(2), "missing: main store \"/kettle\" 4 u32 7");
}

#[test]
fn the_program_reads_its_standard_input() {
    let expected = "main:\n    read stdin \"go\\n\" then stdout \"{n}\\n\"\n    exit 0\n";
    let trace = alone(|run, main| {
        let stdin = run.object(ObjectKind::Stdin, "stdin");
        let peer = run.peer("user");
        run.write(peer, stdin, b"go\n");
        run.read(main, stdin, 8192);
        run.print(main, "7\n");
    });
    check(expected, &trace, "");
}

#[test]
fn nothing_at_all_is_all_missing() {
    let expected = "parent:\n    pipe data then fork child\n    wait child\nchild:\n    read data \"x\"\n    exit 0\n";
    let (run, _) = Run::new();
    let wrong = "missing: child read data \"x\"\nmissing: child exit 0\nmissing: parent pipe data\n\
                 missing: parent fork child\nmissing: parent wait child";
    let mut lines: Vec<String> = said(&matched(expected, &run.finish())).lines().map(str::to_owned).collect();
    let mut wrong: Vec<&str> = wrong.lines().collect();
    lines.sort();
    wrong.sort_unstable();
    assert_eq!(lines, wrong);
}

#[test]
fn a_value_that_is_not_drawn_is_the_authors_mistake() {
    let text = "main:\n    stdout \"{word}\\n\"\n    exit 0\n";
    let expected = Expected::parse("x.trace", text).unwrap();
    let diagnostic = match_trace(&expected, &drawn(), &alone(|_, _| {})).unwrap_err();
    assert_eq!((diagnostic.file.as_str(), diagnostic.line, diagnostic.column), ("x.trace", 2, 5));
    assert_eq!(diagnostic.message, "no value is called `word`");
}

#[test]
fn what_is_too_ambiguous_is_the_authors_mistake() {
    // Forty texts of one letter in any order: nobody can tell which is which, and none fits.
    let steps = vec!["stdout \"a\" | \"aa\" | \"aaa\""; 40].join(" & ");
    let expected = Expected::parse("x.trace", &format!("main:\n    {steps}\n    exit 0\n")).unwrap();
    let trace = alone(|run, main| run.print(main, &format!("{}b", "a".repeat(60))));
    let diagnostic = match_trace(&expected, &drawn(), &trace).unwrap_err();
    assert_eq!(diagnostic.message, "matching this expected trace with a run takes too long");
}

#[test]
fn a_learner_cannot_exhaust_the_search() {
    let expected = "role a, b, c: below main\npipe p, q\na:\n    write p \"x\"\n    exit 0\nb:\n    read p \"x\" then write q \"y\"\n    exit 0\nc:\n    read q \"y\"\n    exit 0\n";
    let (mut run, main) = Run::new();
    // A crowd of alike processes, and pipes that all of them use.
    let pipes: Vec<ObjectId> =
        (0..20).map(|index| run.make(main, ObjectKind::Pipe, &format!("main.pipe{index}"))).collect();
    let crowd: Vec<Process> = (0..200).map(|_| run.fork(main)).collect();
    for process in crowd {
        for pipe in &pipes {
            run.write(process, *pipe, b"xy");
            run.read_all(process, *pipe);
        }
        run.exit(process, 0);
    }
    run.exit(main, 0);
    assert!(!matched(expected, &run.finish()).problems.is_empty());
}

#[test]
fn a_long_run_is_judged_too() {
    let expected = "parent:\n    pipe data; fork child; write data \"{blob}\" & stdout \"ok\"\n    wait child\nchild:\n    read data \"{blob}\"\n    exit 0\n";
    let expected = Expected::parse("x.trace", expected).unwrap();
    let blob = vec![b'z'; 40_000];
    let values = Values::from([("blob".to_owned(), Value::Bytes(blob.clone()))]);
    let trace = pair(|run, main, child, data| {
        run.print(main, "ok");
        for byte in &blob {
            run.write(main, data, &[*byte]);
            run.read(child, data, 1);
        }
    });
    assert!(match_trace(&expected, &values, &trace).unwrap().problems.is_empty());
}

#[test]
fn arrows_point_downwards() {
    let expected = "parent:\n    pipe data; fork child; write data \"abcd\"; wait child\nchild:\n    read data \"abcd\"\n    exit 0\n";
    let trace = pair(|run, main, child, data| {
        for piece in ["a", "b", "cd"] {
            run.write(main, data, piece.as_bytes());
            run.read_all(child, data);
        }
    });
    let matching = matched(expected, &trace);
    assert_eq!(said(&matching), "");
    for (index, row) in matching.lanes.iter().enumerate() {
        assert!(row.from.is_none_or(|from| from < index), "{row:?}");
    }
}

#[test]
fn rows_tell_the_run_as_a_person_would() {
    let expected = "parent:\n    pipe data then { fork child & write data \"{a}\\n\" } then wait child -> exit 0\nchild:\n    read data \"{a}\\n\" then stdout \"{a|upper}\\n\"\n    exit 0\n";
    let trace = pair(|run, main, child, data| {
        run.write(main, data, b"ket");
        run.write(main, data, b"tle\n");
        run.read_all(child, data);
        run.close_last(main, data);
        run.end(child, data);
        run.print(child, "KETTLE\n");
    });
    let matching = matched(expected, &trace);
    let rows: Vec<String> = (matching.lanes.iter())
        .map(|row| {
            let from = row.from.map(|from| format!(" <- {}", matching.lanes[from].text)).unwrap_or_default();
            format!("{}: {}{from}", row.lane, row.text)
        })
        .collect();
    let expected = [
        "parent: make data",
        "parent: fork child",
        "parent: write \"kettle\\n\"",
        "child: read \"kettle\\n\" <- write \"kettle\\n\"",
        "parent: close: last write end",
        "child: read: end <- close: last write end",
        "child: print \"KETTLE\\n\"",
        "child: exit 0",
        "parent: wait: exit 0 <- exit 0",
        "parent: exit 0",
    ];
    assert_eq!(rows, expected);
}
