//! The exercises of the course as tasks, and their right runs.

use ipc_grade::model::exercise::SignalFate;
use ipc_grade::model::peer::{Action, Scalar};
use ipc_grade::model::{Signal, Value};
use ipc_grade::trace::{EventId, LifeId, ObjectId, Verb};

use super::run::{Fit, MAIN, Run, Task, template, text};

/// `01_processes/separate_memory`.
pub(crate) fn separate_memory() -> Task {
    let values = [("old", Value::Int(111)), ("new", Value::Int(222)), ("status", Value::Int(33))];
    Task::new(&values)
        .separation("separate", 4, "{old}", "{new}")
        .output("says", "stdout", None, 3)
        .trace(2, &["separate", "says"])
        .clean(1)
}

/// The step that prints both lines.
pub(crate) const SAYS: &str = "stdout \"parent still has 111\\nchild exited with 33\\n\"";

/// The child holds the new value where the parent has the old one.
pub(crate) fn holds(run: &mut Run, child: LifeId) {
    run.did(child, Verb::Holds { value: 222, elsewhere: vec![(MAIN, 111)] });
}

/// `02_pipes/one_line`.
pub(crate) fn one_line() -> Task {
    Task::new(&[("word", text("kettle"))])
        .output("sends", "data", None, 4)
        .output("prints", "stdout", None, 3)
        .trace(2, &["sends", "prints"])
        .clean(1)
}

/// A one_line run up to the fork.
pub(crate) struct OneLine {
    pub(crate) run: Run,
    pub(crate) child: LifeId,
    pub(crate) data: ObjectId,
    pub(crate) fork: EventId,
}

impl OneLine {
    pub(crate) fn begin() -> Self {
        let mut run = Run::new();
        let data = run.pipe(MAIN);
        let child = run.fork(MAIN);
        Self { run, child, data, fork: EventId(1) }
    }

    pub(crate) fn fit(&self) -> Fit {
        Fit::default().role("parent", &[MAIN]).role("child", &[self.child]).object("data", self.data)
    }
}

/// `02_pipes/fifo_greeter`, one name at a time.
pub(crate) fn fifo_greeter() -> Task {
    let read = |line: &str| Action::Read { path: template("greetings"), text: template(line) };
    let write = |line: &str| Action::Write { path: template("names"), text: template(line) };
    Task::new(&[("a", text("kettle")), ("b", text("window"))])
        .output("greets", "greetings", None, 5)
        .trace(3, &["greets"])
        .clean(2)
        .peer(
            "client",
            vec![
                ("write names \"{a}\\n\"", write("{a}\n")),
                ("read greetings \"hello {a}\\n\"", read("hello {a}\n")),
                ("write names \"{b}\\n\"", write("{b}\n")),
                ("read greetings \"hello {b}\\n\"", read("hello {b}\n")),
                ("read greetings end", Action::ReadEnd { path: template("greetings") }),
            ],
        )
}

/// `03_shared_memory/named_object`.
pub(crate) fn named_object() -> Task {
    let expect = Action::Expect { offset: 0, scalar: Scalar::U32, value: template("{x}") };
    let store = Action::Store { offset: 4, scalar: Scalar::U32, value: template("{answer}") };
    Task::new(&[("name", text("kettle")), ("x", Value::Int(123_456)), ("answer", Value::Int(654_321))])
        .memory("value", "/{name}", "{x}", "reader's expect", 3)
        .output("answer", "stdout", Some("answer {answer}\n"), 3)
        .trace(2, &["value", "answer"])
        .clean(2)
        .peer(
            "reader",
            vec![
                ("open shm \"/{name}\"", Action::OpenShm { name: template("/{name}") }),
                ("expect 0 u32 {x}", expect),
                ("store 4 u32 {answer}", store),
            ],
        )
}

/// `04_message_queues/send_and_receive`, with two orders and a reply.
pub(crate) fn send_and_receive() -> Task {
    let receive = |word: &str, priority: &str| Action::Receive {
        queue: template("/{name}-orders"),
        text: template(word),
        priority: Some(template(priority)),
    };
    let values = [
        ("name", text("kettle")),
        ("a", text("anchor")),
        ("pa", Value::Int(3)),
        ("b", text("basket")),
        ("pb", Value::Int(14)),
        ("x", text("window")),
        ("px", Value::Int(50)),
    ];
    Task::new(&values)
        .output("orders", "/{name}-orders", None, 4)
        .output("prints", "stdout", Some("{px} {x}\n"), 2)
        .trace(2, &["orders", "prints"])
        .clean(2)
        .peer(
            "clerk",
            vec![
                ("receive \"/{name}-orders\" \"{b}\" priority {pb}", receive("{b}", "{pb}")),
                ("receive \"/{name}-orders\" \"{a}\" priority {pa}", receive("{a}", "{pa}")),
            ],
        )
}

/// `05_signals/handle_interrupt`.
pub(crate) fn handle_interrupt(signal: Signal) -> Task {
    Task::new(&[("n", Value::Int(451)), ("sig", Value::Signal(signal))])
        .signal("prepared", SignalFate::Ready, 2)
        .signal("taken", SignalFate::Taken, 2)
        .output("says", "stdout", Some("ready\nbye {n}\n"), 3)
        .trace(2, &["prepared", "taken", "says"])
        .clean(1)
}
