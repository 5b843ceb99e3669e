//! The expected-trace language: printing and parsing, and what an author is told.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use ipc_grade::model::peer::Scalar;
use ipc_grade::model::{RoleName, Signal, Template};
use ipc_grade::pattern::ast::{
    Action, Cell, Count, Declaration, Ending, Lane, List, Maker, Measure, Node, Number, ObjectName, Payload, Rule,
    SignalArg, Span, Step, Text, Who,
};
use ipc_grade::pattern::{Expected, Origin};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn hole() -> impl Strategy<Value = Template> {
    prop::sample::select(vec!["{a}", "{items|sum}", "{blob|rev4k|upper}"]).prop_map(|it| Template::parse(it).unwrap())
}

fn template() -> impl Strategy<Value = Template> {
    let literal = "[ -~\n\té]{1,6}".prop_map(|text| text.replace('{', "{{").replace('}', "}}"));
    let piece = prop_oneof![literal, hole().prop_map(|hole| hole.to_string())];
    vec(piece, 1..4).prop_map(|pieces| Template::parse(&pieces.concat()).unwrap())
}

fn text() -> impl Strategy<Value = Text> {
    vec(template(), 1..3).prop_map(|alternatives| Text { alternatives })
}

fn list() -> impl Strategy<Value = List> {
    hole().prop_map(List)
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![(0..i64::MAX).prop_map(Number::Literal), hole().prop_map(Number::Hole)]
}

fn count() -> impl Strategy<Value = Count> {
    (number(), -9_i64..9).prop_map(|(base, plus)| Count { base, plus })
}

fn signal() -> impl Strategy<Value = SignalArg> {
    let literal = (1..=64).prop_map(|number| SignalArg::Literal(Signal::from_number(number).unwrap()));
    prop_oneof![literal, hole().prop_map(SignalArg::Hole)]
}

fn object() -> impl Strategy<Value = ObjectName> {
    let word = prop::sample::select(vec!["data", "names", "stdin"]).prop_map(|word| ObjectName::Word(word.to_owned()));
    prop_oneof![word, template().prop_map(ObjectName::Named)]
}

fn made() -> impl Strategy<Value = Vec<ObjectName>> {
    vec(object(), 1..3)
}

fn maker() -> impl Strategy<Value = Maker> {
    prop::sample::select(vec![Maker::Pipe, Maker::Fifo, Maker::Queue, Maker::Shm, Maker::Sem])
}

fn one() -> impl Strategy<Value = RoleName> {
    prop::sample::select(vec!["main", "child"]).prop_map(RoleName::new)
}

fn family() -> RoleName {
    RoleName::new("worker")
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        one().prop_map(Who::One),
        Just(Who::Each(family())),
        Just(Who::Live(family())),
        Just(Who::Any(family())),
        count().prop_map(|count| Who::Some(count, family())),
    ]
}

fn forked() -> impl Strategy<Value = Who> {
    let some = count().prop_map(|count| Who::Some(count, family()));
    prop_oneof![one().prop_map(Who::One), Just(Who::One(family())), Just(Who::Each(family())), some]
}

fn endings() -> impl Strategy<Value = Vec<Ending>> {
    vec(prop_oneof![number().prop_map(Ending::Exit), signal().prop_map(Ending::Killed)], 1..3)
}

fn cell() -> impl Strategy<Value = Cell> {
    let scalar = prop::sample::select(vec![Scalar::U8, Scalar::U32, Scalar::I64]);
    (number(), scalar).prop_map(|(offset, scalar)| Cell { offset, scalar })
}

fn action() -> impl Strategy<Value = Action> {
    let payload = prop_oneof![
        text().prop_map(Payload::Text),
        list().prop_map(|list| Payload::Capture { variable: "?j".to_owned(), list }),
    ];
    let streams = prop_oneof![
        (maker(), made()).prop_map(|(kind, names)| Action::Make { kind, names }),
        object().prop_map(Action::Open),
        object().prop_map(Action::Unlink),
        (object(), text()).prop_map(|(object, text)| Action::Write(object, Some(text))),
        (object(), text()).prop_map(|(object, text)| Action::Read(object, Some(text))),
        object().prop_map(Action::End),
        text().prop_map(|text| Action::Stdout(Some(text))),
        text().prop_map(|text| Action::Stderr(Some(text))),
        (object(), text(), option::of(number())).prop_map(|(q, text, n)| Action::Send(q, Some(text), n)),
        (object(), payload, option::of(number())).prop_map(|(q, it, n)| Action::Receive(q, Some(it), n)),
    ];
    let others = prop_oneof![
        (object(), option::of(cell()), text()).prop_map(|(object, cell, text)| Action::Store(object, cell, Some(text))),
        (object(), option::of(cell()), text()).prop_map(|(object, cell, text)| Action::Load(object, cell, Some(text))),
        object().prop_map(Action::Acquire),
        object().prop_map(Action::Release),
        (forked(), any::<bool>()).prop_map(|(who, directly)| Action::Fork { who, directly }),
        text().prop_map(Action::Exec),
        signal().prop_map(Action::Ready),
        signal().prop_map(Action::Take),
        (who(), signal()).prop_map(|(who, signal)| Action::Signal(who, Some(signal))),
        (who(), option::of(endings())).prop_map(|(who, how)| Action::Wait(who, how.unwrap_or_default())),
        (vec(who(), 1..3), option::of(endings())).prop_map(|(who, how)| Action::Reaped(who, how.unwrap_or_default())),
        endings().prop_map(Action::Ends),
    ];
    prop_oneof![streams, others]
}

fn node() -> impl Strategy<Value = Node> {
    let span = Span::default();
    let step = action().prop_map(move |action| Node::Step(Step { action, label: None, span }));
    step.prop_recursive(4, 16, 3, move |inner| {
        let body = || inner.clone().prop_map(Box::new);
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Node::Sequence),
            vec(inner.clone(), 2..4).prop_map(Node::Then),
            vec(inner.clone(), 2..4).prop_map(Node::Both),
            body().prop_map(Node::Optional),
            body().prop_map(Node::Repeat),
            (signal(), body()).prop_map(move |(signal, body)| Node::On { signal, body, span }),
            (list(), any::<bool>(), body()).prop_map(move |(list, any_order, body)| Node::Each {
                variable: "x".to_owned(),
                list,
                any_order,
                body,
                span
            }),
            (signal(), body()).prop_map(move |(signal, body)| Node::EachKilled {
                family: family(),
                signal,
                body,
                span
            }),
        ]
    })
}

/// Gives every third step a name of its own.
fn label(node: &mut Node, count: &mut usize) {
    match node {
        Node::Sequence(nodes) | Node::Then(nodes) | Node::Both(nodes) => {
            nodes.iter_mut().for_each(|node| label(node, count));
        }
        Node::Optional(node) | Node::Repeat(node) => label(node, count),
        Node::On { body, .. } | Node::Each { body, .. } | Node::EachKilled { body, .. } => label(body, count),
        Node::Step(step) => {
            *count += 1;
            step.label = count.is_multiple_of(3).then(|| format!("s{count}"));
        }
    }
}

fn labels(node: &Node, found: &mut Vec<String>) {
    match node {
        Node::Sequence(nodes) | Node::Then(nodes) | Node::Both(nodes) => nodes.iter().for_each(|n| labels(n, found)),
        Node::Optional(node) | Node::Repeat(node) => labels(node, found),
        Node::On { body, .. } | Node::Each { body, .. } | Node::EachKilled { body, .. } => labels(body, found),
        Node::Step(step) => found.extend(step.label.clone()),
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let span = Span::default();
    let measure = prop_oneof![Just(Measure::Live(family())), object().prop_map(Measure::Unread)];
    let bare = prop_oneof![
        object().prop_map(|object| Action::Write(object, None)),
        Just(Action::Stdout(None)),
        object().prop_map(|queue| Action::Receive(queue, None, None)),
        one().prop_map(|role| Action::Signal(Who::One(role), None)),
        action(),
    ];
    prop_oneof![
        list().prop_map(move |list| Rule::Share { list, family: family(), span }),
        (object(), list()).prop_map(move |(queue, list)| Rule::Free { queue, list, span }),
        (vec(who(), 1..3), option::of(endings())).prop_map(move |(who, how)| Rule::Reaped {
            who,
            endings: how.unwrap_or_default(),
            span
        }),
        (option::of(one()), bare).prop_map(move |(role, action)| Rule::Never { role, action, span }),
        (measure, any::<bool>(), count()).prop_map(move |(measure, at_least, bound)| Rule::Always {
            between: None,
            measure,
            at_least,
            bound,
            span
        }),
    ]
}

fn expected() -> impl Strategy<Value = Expected> {
    let span = Span::default();
    let size =
        (count(), any::<bool>()).prop_map(move |(size, open)| Declaration::Family { role: family(), size, open, span });
    let extra = prop_oneof![
        one().prop_map(move |role| Declaration::MayDelegate { role, span }),
        one().prop_map(move |role| Declaration::MayBe { roles: vec![role], other: RoleName::new("main"), span }),
        (maker(), made()).prop_map(move |(kind, names)| Declaration::Objects { kind, names, span }),
    ];
    let body = prop_oneof![1 => Just(Node::Sequence(Vec::new())), 9 => node()];
    (size, vec(extra, 0..3), vec(body, 3), vec(rule(), 0..4)).prop_map(move |(size, extra, bodies, mut rules)| {
        let program = RoleName::new("main");
        let below = vec![RoleName::new("child"), family()];
        let names = ["data", "names"].map(|name| ObjectName::Word(name.to_owned())).to_vec();
        let fixed = [
            Declaration::Below { roles: below, above: program.clone(), span },
            size,
            Declaration::Objects { kind: Maker::Pipe, names, span },
        ];
        let declarations = fixed.into_iter().chain(extra).collect();
        let (mut lanes, mut count, mut named) = (Vec::new(), 0, Vec::new());
        for (role, mut body) in ["main", "child", "worker"].into_iter().zip(bodies) {
            label(&mut body, &mut count);
            labels(&body, &mut named);
            lanes.push(Lane { role: RoleName::new(role), body, span: Span::default() });
        }
        if let [first, .., second] = named.as_slice() {
            let (first, second) = (first.clone(), second.clone());
            rules.push(Rule::Before { first, second, span: Span::default() });
        }
        Expected { declarations, lanes, rules, program, origin: Origin::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn printing_and_parsing_is_the_identity(expected in expected()) {
        let printed = expected.to_string();
        match Expected::parse("printed.trace", &printed) {
            Ok(again) => prop_assert_eq!(&again, &expected, "{}", printed),
            Err(diagnostic) => prop_assert!(false, "{diagnostic}\n\n{printed}"),
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z{}\"&;:|>\\-\\[\\]\\\\. \n#?]{0,60}") {
        let _ = Expected::parse("any.trace", &text);
    }
}

/// The diagnostic's place, message and help.
fn check(text: &str, place: (u32, u32), message: &str, help: &str) {
    let diagnostic = Expected::parse("x.trace", text).expect_err("a mistake");
    assert_eq!((diagnostic.line, diagnostic.column), place, "{diagnostic}");
    assert_eq!(diagnostic.message, message, "{diagnostic}");
    assert_eq!(diagnostic.help.as_deref().unwrap_or_default(), help, "{diagnostic}");
    assert_eq!(diagnostic.source, text.lines().nth(place.0 as usize - 1).unwrap_or_default(), "{diagnostic}");
}

#[test]
fn an_author_is_told_the_place_and_what_to_do() {
    check("main:\n    wirte data \"x\"\n", (2, 5), "`wirte` is no step", "did you mean `write`?");
    check(
        "main:\n    pipe data\n    write dta \"x\"\n",
        (3, 5),
        "nothing makes an object called `dta`",
        "did you mean `data`?",
    );
    check(
        "main:\n    fork chlid\nchild:\n    exit 0\n",
        (3, 1),
        "nobody forks `child`",
        "write `fork child` in the lane of its parent, or `role child: below main` above the lanes",
    );
    check(
        "main:\n    fork child & wait chlid\nchild:\n    exit 0\n",
        (2, 18),
        "no lane is called `chlid`",
        "did you mean `child`?",
    );
    check("main:\n    exit\n", (2, 9), "the line ends where a number is expected", "");
    check(
        "main:\n    take TREM\n",
        (2, 10),
        "no signal is named `TREM` (names are INT, TERM, USR1, CHLD, RTMIN+3 …)",
        "",
    );
    check("main:\n    { exit 0\n", (2, 5), "this brace is never closed", "");
    check("main:\n    exit 0 }\n", (2, 12), "this brace closes nothing", "");
    check(
        "main:\n    exit 0 exit 1\n",
        (2, 12),
        "`exit` stands where `;`, `then`, `&` or the end of the line is expected",
        "",
    );
    check(
        "main:\n    stdout \"x\n",
        (2, 12),
        "this text is never closed",
        "a text ends with \" on its own line; a line feed in it is \\n",
    );
    check(
        "main:\n    stdout \"{a|uper}\"\n",
        (2, 16),
        "no filter is called `uper` (there are upper, lower, rev, rev4k, lines, sum, square)",
        "",
    );
    check(
        "main:\n    stdout \"\\q\"\n",
        (2, 13),
        "no such escape",
        "there are \\n, \\t, \\r, \\0, \\\\, \\\", \\{ and \\}",
    );
    check("    exit 0\n", (1, 5), "this line is indented, but nothing begins before it", "");
    check("", (1, 1), "this expected trace has no lane", "a lane is a name, `:`, and steps");
    check("main:\n    exit 0\nmain:\n    exit 0\n", (3, 1), "`main` has a lane already", "");
    check(
        "family worker[2]\nmain:\n    fork each worker; wait worker\nworker:\n    exit 0\n",
        (3, 23),
        "`worker` is a family",
        "write `each worker` or `any worker`",
    );
    check(
        "main:\n    fork child; wait each child\nchild:\n    exit 0\n",
        (2, 17),
        "`child` is one process, no family",
        "declare it above the lanes: `family child[3]`",
    );
    check(
        "main:\n    exit 0 as end\nend before stop\n",
        (3, 1),
        "no step is called `stop`: write `as stop` behind it",
        "there are end",
    );
    check(
        "main:\n    stdout \"a\" & each x in {l}: stdout \"b\"\n",
        (2, 18),
        "`each` loops over the whole of its line",
        "put braces around it: `{ each x in {items}: … }`",
    );
}

#[test]
fn lines_may_be_broken_where_the_sense_goes_on() {
    let broken = "parent: pipe data then\n      { fork child\n  & write data \"x\" }\n    then wait child\n\nchild:\n  exit 0 # ends\n";
    let whole = "parent:\n    pipe data then { fork child & write data \"x\" } then wait child\nchild:\n    exit 0\n";
    assert_eq!(Expected::parse("a", broken).unwrap(), Expected::parse("b", whole).unwrap());
}

#[test]
fn the_course_parses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("exercises");
    for chapter in std::fs::read_dir(root).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        for exercise in std::fs::read_dir(chapter.path()).unwrap().flatten() {
            if let Ok(text) = std::fs::read_to_string(exercise.path().join("expected.trace")) {
                let file = exercise.path().display().to_string();
                let expected = Expected::parse(&file, &text).unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
                assert_eq!(Expected::parse("printed", &expected.to_string()).unwrap(), expected);
            }
        }
    }
}
