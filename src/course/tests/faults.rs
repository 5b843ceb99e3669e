//! What a scenario says of sleepers and of calls that go wrong.

use super::*;
use crate::model::{Fault, FaultError, FaultyCall, Mishap, Sleepers};

#[test]
fn sleepers_and_faults_of_a_scenario() {
    let with = |keys: &str| {
        let course = load(|dir| {
            let path = dir.join("exercises/01_pipes/echo/exercise.toml");
            fs::write(path, EXERCISE.replacen("id = \"one\"\n", &format!("id = \"one\"\n{keys}\n"), 1))
                .expect("a file");
        });
        let course = course.expect("a good course");
        let scenario = course.find("echo").expect("it is there").exercise.scenarios[0].clone();
        (scenario.sleepers, scenario.faults)
    };
    assert_eq!(with("").0, None);
    assert_eq!(with("sleepers = \"early\"").0, Some(Sleepers::Early));
    assert_eq!(with("sleepers = \"on time\"").0, Some(Sleepers::OnTime));
    let fault = |keys: &str| {
        let faults = with(&format!("fault = [{{ {keys} }}]")).1;
        let values = [("name".to_owned(), Value::Text("lamp".to_owned()))].into_iter().collect();
        let [fault] = faults.as_slice() else { panic!("one fault: {faults:?}") };
        fault.resolve(&values).expect("the values are drawn")
    };
    let known = |on: Option<&str>, call, becomes, after, times| Fault {
        on: on.map(str::to_owned),
        call,
        becomes,
        after,
        times,
    };
    let most = Mishap::AtMost(3);
    assert_eq!(
        fault("on = \"data\", call = \"read\", most = 3"),
        known(Some("data"), FaultyCall::Read, most, 0, None),
        "each read"
    );
    assert_eq!(
        fault("on = \"data\", call = \"read\", most = 3, after = 1, times = 2"),
        known(Some("data"), FaultyCall::Read, most, 1, Some(2))
    );
    let interrupted = Mishap::Fails(FaultError::EINTR);
    assert_eq!(
        fault("on = \"/{name}-orders\", call = \"receive\", error = \"EINTR\""),
        known(Some("/lamp-orders"), FaultyCall::Receive, interrupted, 0, Some(1)),
        "once: a program that calls again must come to its end"
    );
    assert_eq!(
        fault("call = \"wait\", error = \"EINTR\", times = 2"),
        known(None, FaultyCall::Wait, interrupted, 0, Some(2))
    );
}

#[test]
fn mistakes_of_sleepers_and_faults() {
    #[track_caller]
    fn with(keys: &str, marked: &str, message: &str, help: &str) {
        check_place("id = \"one\"", &format!("id = \"one\"\n{keys}"), marked, message, help);
    }
    #[track_caller]
    fn wrong(keys: &str, marked: &str, message: &str, help: &str) {
        with(&format!("fault = [{{ {keys} }}]"), marked, message, help);
    }
    with("sleepers = \"erly\"", "erly", "no sleepers is called `erly`", "did you mean `early`?");
    with("sleepers = true", "true", "`sleepers` is true or false", "expected: a string");
    with("sleeper = \"early\"", "sleeper", "[[scenario]] has no key `sleeper`", "did you mean `sleepers`?");
    let of = "on = \"data\", call = \"read\"";
    wrong(
        "on = \"data\", call = \"raed\", most = 1",
        "raed",
        "no call that can go wrong is called `raed`",
        "did you mean `read`?",
    );
    wrong(
        &format!("{of}, mots = 1, error = \"EINTR\""),
        "mots",
        "[[scenario.fault]] has no key `mots`",
        "did you mean `most`?",
    );
    wrong(&format!("{of}, error = \"EINTER\""), "EINTER", "no error is called `EINTER`", "did you mean `EINTR`?");
    wrong(&format!("{of}, most = 0"), "0", "`most` cannot be 0", "expected: a whole number, 1 or more");
    wrong(&format!("{of}, most = 1, times = 0"), "0", "`times` cannot be 0", "expected: a whole number, 1 or more");
    let both = format!("{of}, most = 1, error = \"EINTR\"");
    let expected = "expected: most = 1, or error = \"EINTR\"";
    wrong(&both, &format!("{{ {both} }}"), "a fault has either `most` or `error`", expected);
    wrong(of, &format!("{{ {of} }}"), "a fault has either `most` or `error`", expected);
    let lacks = "call = \"read\", most = 1";
    wrong(lacks, &format!("{{ {lacks} }}"), "[[scenario.fault]] has no `on`", "expected: on = \"data\"");
    wrong(
        "on = \"data\", call = \"wait\", error = \"EINTR\"",
        "\"data\"",
        "this call is about no object",
        "expected: no `on` beside wait and fork",
    );
    wrong(
        "on = \"/q\", call = \"send\", most = 1",
        "1",
        "only reads and writes move a part of their bytes",
        "expected: error = \"EINTR\"",
    );
    wrong(
        "on = \"data\", call = \"write\", most = 100",
        "100",
        "a write of up to 4096 bytes goes into a pipe whole (pipe(7))",
        "expected: 4096 or more",
    );
    wrong(
        "on = \"{nam}\", call = \"read\", most = 1",
        "nam",
        "the scenario \"one\" draws no value `nam`",
        "did you mean `name`?",
    );
}
