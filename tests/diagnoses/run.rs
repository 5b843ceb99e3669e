//! Builders of runs, of how they fit an expected trace, and of exercises: as short as a test can say them.

use std::collections::BTreeMap;

use ipc_grade::judge::matching::{LaneStep, Mark};
use ipc_grade::judge::{Case, Matching, Problem, ProblemKind, Unforced, Verdict, Witness, judge};
use ipc_grade::model::exercise::SignalFate;
use ipc_grade::model::peer::{Action, Scalar, Step};
use ipc_grade::model::{
    CheckId, CheckKind, CheckSpec, Exercise, ExerciseId, Invariant, Limits, PeerName, PeerSpec, Scenario, ScenarioId,
    Signal, Stdin, Template, Track, Value, Values,
};
use ipc_grade::trace::{
    Event, EventId, Holder, Life, LifeId, LifeKind, Object, ObjectId, ObjectKind, RunEnd, Site, ThreadId, Trace, Verb,
    Wait,
};

/// The program that is started.
pub(crate) const MAIN: LifeId = LifeId(0);
/// Its standard output.
pub(crate) const STDOUT: ObjectId = ObjectId(0);
/// Its standard error.
pub(crate) const STDERR: ObjectId = ObjectId(1);
/// Its standard input.
pub(crate) const STDIN: ObjectId = ObjectId(2);

/// A run, event by event.
pub(crate) struct Run {
    pub(crate) trace: Trace,
    threads: u32,
}

impl Run {
    pub(crate) fn new() -> Self {
        let mut run = Self {
            trace: Trace { lives: Vec::new(), objects: Vec::new(), events: Vec::new(), end: RunEnd::Finished },
            threads: 1,
        };
        run.life("main", LifeKind::Learner, None);
        for (name, kind) in
            [("stdout", ObjectKind::Stdout), ("stderr", ObjectKind::Stderr), ("stdin", ObjectKind::Stdin)]
        {
            run.object(name, kind, None);
        }
        run
    }

    fn life(&mut self, name: &str, kind: LifeKind, parent: Option<LifeId>) -> LifeId {
        self.trace.lives.push(Life {
            name: name.to_owned(),
            kind,
            parent,
            ended: None,
            reaped: None,
            orphaned: false,
            self_reaping: false,
        });
        LifeId(self.trace.lives.len() as u32 - 1)
    }

    pub(crate) fn object(&mut self, name: &str, kind: ObjectKind, creator: Option<LifeId>) -> ObjectId {
        self.trace.objects.push(Object { name: name.to_owned(), kind, creator, left_behind: false });
        ObjectId(self.trace.objects.len() as u32 - 1)
    }

    pub(crate) fn did(&mut self, life: LifeId, verb: Verb) -> EventId {
        let id = EventId(self.trace.events.len() as u32);
        let thread = ThreadId(life.0 * 10);
        self.trace.events.push(Event {
            life,
            thread,
            verb,
            causes: Vec::new(),
            reads_from: Vec::new(),
            handler: None,
            site: None,
        });
        id
    }

    /// The same in the handler of what was taken there.
    pub(crate) fn in_handler(&mut self, life: LifeId, take: EventId, verb: Verb) -> EventId {
        let id = self.did(life, verb);
        self.trace.events[id.index()].handler = Some(take);
        id
    }

    /// The last event's line.
    pub(crate) fn at_line(&mut self, line: u32) -> &mut Self {
        self.trace.events.last_mut().expect("an event").site = Some(Box::new(site(line)));
        self
    }

    pub(crate) fn peer(&mut self, name: &str) -> LifeId {
        self.life(name, LifeKind::Peer, None)
    }

    pub(crate) fn fork(&mut self, parent: LifeId) -> LifeId {
        let count = self.trace.lives.iter().filter(|life| life.parent == Some(parent)).count() + 1;
        let name = format!("{}.{count}", self.trace.life(parent).name);
        let child = self.life(&name, LifeKind::Learner, Some(parent));
        self.did(parent, Verb::Fork { child });
        child
    }

    pub(crate) fn thread(&mut self, life: LifeId) -> EventId {
        self.threads += 1;
        let child = ThreadId(life.0 * 10 + self.threads);
        self.did(life, Verb::Thread { child })
    }

    pub(crate) fn make(&mut self, life: LifeId, kind: ObjectKind, name: &str) -> ObjectId {
        let object = self.object(name, kind, Some(life));
        self.did(life, Verb::Create { object });
        object
    }

    pub(crate) fn pipe(&mut self, life: LifeId) -> ObjectId {
        let made = |o: &&Object| o.creator == Some(life) && o.kind == ObjectKind::Pipe;
        let count = self.trace.objects.iter().filter(made).count() + 1;
        let name = format!("{}.pipe{count}", self.trace.life(life).name);
        self.make(life, ObjectKind::Pipe, &name)
    }

    pub(crate) fn write(&mut self, life: LifeId, object: ObjectId, text: &str) -> EventId {
        self.did(life, Verb::Write { object, bytes: text.into() })
    }

    pub(crate) fn print(&mut self, life: LifeId, text: &str) -> EventId {
        self.write(life, STDOUT, text)
    }

    pub(crate) fn read(&mut self, life: LifeId, object: ObjectId, text: &str) -> EventId {
        self.did(life, Verb::Read { object, bytes: text.into() })
    }

    pub(crate) fn send(&mut self, life: LifeId, object: ObjectId, text: &str, priority: i64) -> EventId {
        self.did(life, Verb::Send { object, bytes: text.into(), priority })
    }

    pub(crate) fn receive(&mut self, life: LifeId, object: ObjectId, text: &str, priority: i64) -> EventId {
        self.did(life, Verb::Receive { object, bytes: text.into(), priority })
    }

    pub(crate) fn store(&mut self, life: LifeId, object: ObjectId, offset: u64, bytes: &[u8]) -> EventId {
        self.did(life, Verb::Store { object, offset, bytes: bytes.into(), atomic: false, before: None, pointer: false })
    }

    /// A number is stored, as one access.
    pub(crate) fn stores(&mut self, life: LifeId, object: ObjectId, offset: u64, value: u32) -> EventId {
        let before = Some(self.stands(object, offset).to_ne_bytes().as_slice().into());
        let bytes = value.to_ne_bytes().as_slice().into();
        self.did(life, Verb::Store { object, offset, bytes, atomic: false, before, pointer: false })
    }

    /// A number is looked at: what the last store left there.
    pub(crate) fn loads(&mut self, life: LifeId, object: ObjectId, offset: u64) -> EventId {
        let value = self.stands(object, offset);
        let seen = self.trace.iter().filter(|(_, event)| stores_at(&event.verb, object, offset)).last();
        let seen: Vec<EventId> = seen.map(|(id, _)| id).into_iter().collect();
        let bytes = value.to_ne_bytes().as_slice().into();
        let id = self.did(life, Verb::Load { object, offset, bytes, atomic: false });
        self.trace.events[id.index()].reads_from = seen;
        id
    }

    fn stands(&self, object: ObjectId, offset: u64) -> u32 {
        let mut stores = self.trace.events.iter().filter(|event| stores_at(&event.verb, object, offset));
        let bytes = stores.next_back().and_then(|event| match &event.verb {
            Verb::Store { bytes, .. } => bytes.0.as_slice().try_into().ok(),
            _ => None,
        });
        u32::from_ne_bytes(bytes.unwrap_or_default())
    }

    pub(crate) fn acquires(&mut self, life: LifeId, object: ObjectId, after: Option<EventId>) -> EventId {
        let id = self.did(life, Verb::Acquire { object });
        self.trace.events[id.index()].causes = after.into_iter().collect();
        id
    }

    pub(crate) fn releases(&mut self, life: LifeId, object: ObjectId) -> EventId {
        self.did(life, Verb::Release { object })
    }

    /// A semaphore or lock in memory.
    pub(crate) fn sets_up(&mut self, life: LifeId, kind: ObjectKind, name: &str, value: u32, shared: bool) -> ObjectId {
        let object = self.object(name, kind, Some(life));
        self.did(life, Verb::Init { object, value, shared });
        object
    }

    pub(crate) fn fails(&mut self, life: LifeId, call: &str, errno: &str, object: Option<ObjectId>) -> EventId {
        self.did(life, Verb::Failed { call: call.to_owned(), errno: errno.to_owned(), object })
    }

    pub(crate) fn exit(&mut self, life: LifeId, status: i32) -> EventId {
        self.ends(life, Verb::Exit { status })
    }

    pub(crate) fn killed(&mut self, life: LifeId, signal: Signal) -> EventId {
        self.ends(life, Verb::Killed { signal })
    }

    fn ends(&mut self, life: LifeId, verb: Verb) -> EventId {
        let id = self.did(life, verb);
        self.trace.lives[life.index()].ended = Some(id);
        for other in &mut self.trace.lives {
            other.orphaned |= other.parent == Some(life) && other.ended.is_none();
        }
        id
    }

    pub(crate) fn reap(&mut self, parent: LifeId, child: LifeId) -> EventId {
        let ending = self.trace.ending(child).expect("it has ended");
        let id = self.did(parent, Verb::Reaped { child, ending });
        self.trace.lives[child.index()].reaped = Some(id);
        id
    }

    /// A peer's step is done, or met something else.
    pub(crate) fn step(&mut self, peer: LifeId, step: u32, instead: Option<&str>) -> EventId {
        self.did(peer, Verb::Step { step, instead: instead.map(str::to_owned) })
    }

    pub(crate) fn leave(&mut self, object: ObjectId) {
        self.trace.objects[object.index()].left_behind = true;
    }

    pub(crate) fn deadlock(&mut self, waits: Vec<Wait>) {
        self.trace.end = RunEnd::Deadlock { waits };
    }

    pub(crate) fn limit(&mut self, limit: &str, figure: &str, life: LifeId) {
        self.trace.end =
            RunEnd::Limit { limit: limit.to_owned(), figure: figure.to_owned(), life: Some(life), site: None };
    }
}

fn stores_at(verb: &Verb, wanted: ObjectId, at: u64) -> bool {
    matches!(verb, Verb::Store { object, offset, .. } if *object == wanted && *offset == at)
}

pub(crate) fn site(line: u32) -> Site {
    Site { file: "src/main.rs".to_owned(), line, column: 0, function: None }
}

/// A thread that waits; `held` says who holds the other end.
pub(crate) fn wait(life: LifeId, call: &str, object: Option<ObjectId>, held: &[(LifeId, Option<EventId>)]) -> Wait {
    let holders = held.iter().map(|(life, since)| Holder { life: *life, descriptors: 1, since: *since }).collect();
    Wait { life, thread: ThreadId(life.0 * 10), call: call.to_owned(), object, child: None, holders, site: None }
}

/// A process that waits for its child.
pub(crate) fn wait_for(life: LifeId, child: LifeId) -> Wait {
    Wait { child: Some(child), ..wait(life, "wait", None, &[(child, None)]) }
}

/// How a run fits its expected trace.
#[derive(Default)]
pub(crate) struct Fit(pub(crate) Matching);

impl Fit {
    pub(crate) fn role(mut self, role: &str, lives: &[LifeId]) -> Self {
        self.0.roles.insert(role.into(), lives.to_vec());
        self
    }

    pub(crate) fn object(mut self, name: &str, object: ObjectId) -> Self {
        self.0.objects.insert(name.to_owned(), object);
        self
    }

    fn problem(mut self, role: &str, step: Option<&str>, event: Option<EventId>, kind: ProblemKind) -> Self {
        let life = self.0.roles.get(&role.into()).and_then(|lives| lives.first()).copied();
        self.0.problems.push(Problem {
            kind,
            role: Some(role.into()),
            life,
            step: step.map(str::to_owned),
            line: u32::from(step.is_some()),
            event,
            object: None,
        });
        self
    }

    pub(crate) fn missing(self, role: &str, step: &str) -> Self {
        self.problem(role, Some(step), None, ProblemKind::Missing)
    }

    pub(crate) fn surplus(self, role: &str, event: EventId) -> Self {
        self.problem(role, None, Some(event), ProblemKind::Surplus)
    }

    pub(crate) fn forbidden(self, role: &str, step: &str, event: EventId) -> Self {
        self.problem(role, Some(step), Some(event), ProblemKind::Forbidden)
    }

    pub(crate) fn early(self, role: &str, step: &str, event: EventId, first: &str, first_event: EventId) -> Self {
        let kind = ProblemKind::WrongOrder { first: first.to_owned(), first_event };
        self.problem(role, Some(step), Some(event), kind)
    }

    pub(crate) fn wrong(self, role: &str, step: &str, event: EventId, expected: &str, saw: &str) -> Self {
        let at = expected.bytes().zip(saw.bytes()).take_while(|(a, b)| a == b).count();
        let (expected, saw) = (expected.as_bytes().to_vec(), saw.as_bytes().to_vec());
        self.problem(role, Some(step), Some(event), ProblemKind::WrongData { expected, saw, at })
    }

    pub(crate) fn any(mut self, kind: ProblemKind, step: &str, event: EventId, life: Option<LifeId>) -> Self {
        let step = (kind != ProblemKind::Surplus).then(|| step.to_owned());
        let role = Some("parent".into());
        self.0.problems.push(Problem { kind, role, life, step, line: 0, event: Some(event), object: None });
        self
    }

    /// An order that nothing forced, and what became of the run in which the first was held back.
    pub(crate) fn lucky(mut self, first: (&str, EventId), second: (&str, EventId), witness: Option<Witness>) -> Self {
        self.0.unforced.push(Unforced {
            first: first.0.to_owned(),
            first_event: first.1,
            second: second.0.to_owned(),
            second_event: second.1,
            witness,
        });
        self
    }

    pub(crate) fn lane(mut self, lane: &str, text: &str) -> Self {
        let row = LaneStep { lane: lane.to_owned(), text: text.to_owned(), from: None, mark: Mark::Expected };
        self.0.lanes.push(row);
        self
    }
}

/// An exercise with its one scenario and values.
pub(crate) struct Task {
    pub(crate) exercise: Exercise,
    pub(crate) scenario: Scenario,
    pub(crate) values: Values,
    pub(crate) original: Option<Values>,
}

pub(crate) fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

impl Task {
    pub(crate) fn new(values: &[(&str, Value)]) -> Self {
        let exercise = Exercise {
            id: ExerciseId::new("00_test/test"),
            title: "A test".to_owned(),
            track: Track::Core,
            read: Vec::new(),
            after: Vec::new(),
            hints: Vec::new(),
            hints_for: BTreeMap::new(),
            tools: Vec::new(),
            limits: Limits::default(),
            off: BTreeMap::new(),
            scenarios: Vec::new(),
            checks: Vec::new(),
        };
        let scenario = Scenario {
            id: ScenarioId::new("one"),
            args: Vec::new(),
            stdin: Stdin::Empty,
            values: BTreeMap::new(),
            substitute: Vec::new(),
            peers: Vec::new(),
            faults: Vec::new(),
            sleepers: None,
        };
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Self { exercise, scenario, values, original: None }
    }

    fn check(mut self, id: &str, kind: CheckKind, points: u32, needs: &[&str]) -> Self {
        let needs = needs.iter().map(|need| CheckId::new(*need)).collect();
        self.exercise.checks.push(CheckSpec { id: id.into(), kind, points, needs });
        self
    }

    pub(crate) fn separation(self, id: &str, points: u32, old: &str, new: &str) -> Self {
        let kind = CheckKind::Separation { processes: 2, new: Some(template(new)), old: Some(template(old)) };
        self.check(id, kind, points, &[])
    }

    pub(crate) fn output(self, id: &str, on: &str, text: Option<&str>, points: u32) -> Self {
        let kind = CheckKind::Output { on: on.to_owned(), text: text.map(template) };
        self.check(id, kind, points, &[])
    }

    pub(crate) fn memory(self, id: &str, object: &str, value: &str, at: &str, points: u32) -> Self {
        let kind = CheckKind::Memory {
            object: template(object),
            offset: 0,
            scalar: Scalar::U32,
            value: template(value),
            at: at.to_owned(),
        };
        self.check(id, kind, points, &[])
    }

    pub(crate) fn signal(self, id: &str, fate: SignalFate, points: u32) -> Self {
        self.check(id, CheckKind::Signal { signal: template("{sig}"), fate }, points, &[])
    }

    pub(crate) fn trace(self, points: u32, needs: &[&str]) -> Self {
        self.check("trace", CheckKind::Trace, points, needs)
    }

    pub(crate) fn clean(self, points: u32) -> Self {
        self.check("clean", CheckKind::Clean, points, &[])
    }

    pub(crate) fn off(mut self, invariant: Invariant) -> Self {
        self.exercise.off.insert(invariant, "a test".to_owned());
        self
    }

    pub(crate) fn peer(mut self, name: &str, steps: Vec<(&str, Action)>) -> Self {
        let steps = steps.into_iter().zip(1..);
        let steps = steps.map(|((text, action), line)| Step { line, text: text.to_owned(), action }).collect();
        self.scenario.peers.push(PeerSpec { name: PeerName::new(name), steps });
        self
    }

    /// The run changes bytes on their way through `object`; before, the values were these.
    pub(crate) fn substituted(mut self, object: &str, original: &[(&str, Value)]) -> Self {
        self.scenario.substitute.push(object.to_owned());
        let mut values = self.values.clone();
        values.extend(original.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self.original = Some(values);
        self
    }

    pub(crate) fn judge(&self, run: &Run, mut fit: Fit) -> Verdict {
        // As the matcher does it: a step that is missing stands after the last event of its process.
        for problem in fit.0.problems.iter_mut().filter(|problem| problem.kind == ProblemKind::Missing) {
            problem.event = problem.life.and_then(|life| run.trace.of(life).last()).map(|(id, _)| id);
        }
        let case = Case {
            exercise: &self.exercise,
            scenario: &self.scenario,
            values: &self.values,
            original: self.original.as_ref(),
            trace: &run.trace,
        };
        judge(&case, fit.0)
    }
}

/// A text value.
pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
