//! The loop: who goes on, one step of it, and until everything is still again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::change::Changes;
use super::clock::{Clock, JUMPS_UNTIL_IDLE};
use super::faults::Faults;
use super::footprint::Footprint;
use super::foresee::Way;
use super::functions::Functions;
use super::guard::Guard;
use super::hold::HeldBack;
use super::kernel::Kernel;
use super::memory::Shadows;
use super::schedule::{Candidate, Schedule, waits};
use super::socket_times::SocketTimeout;
use super::stacks::Stacks;
use super::substitute::Exchange;
use super::timer_list::TimerList;
use super::timers::TimerDescriptor;
use super::tracee::{Resume, State, Tracee};
use super::{Options, Recorded, RecorderError, Root, Script, stops};
use crate::model::{Place, Played, Signal};
use crate::sys::ptrace;
use crate::sys::tick::Ticks;
use crate::sys::wait::Status;
use crate::trace::Site;
use crate::trace::canonical::Ending;
use crate::trace::raw::{InnerPid, RawEnd, RawEvent, RawKind, Recording, Tid};

/// Polls in a row, with nothing else going on, after which the world counts as idle.
pub(super) const POLLS_UNTIL_IDLE: u32 = 200;

/// A recording under way.
pub(super) struct Engine<'a> {
    pub(super) options: Options,
    pub(super) script: &'a mut dyn Script,
    /// In order of creation.
    pub(super) tracees: BTreeMap<u32, Tracee>,
    pub(super) order_of: BTreeMap<Tid, u32>,
    pub(super) created: u32,
    pub(super) events: Vec<RawEvent>,
    /// Beside `events`: whose and where in the schedule.
    places: Vec<Place>,
    pub(super) schedule: Schedule,
    pub(super) held_back: HeldBack,
    pub(super) shadows: Shadows,
    pub(super) stacks: Option<Stacks>,
    pub(super) changes: Changes,
    pub(super) functions: Functions,
    pub(super) guard: Guard,
    pub(super) exchange: Option<Exchange>,
    pub(super) faults: Faults,
    pub(super) drains: Vec<File>,
    pub(super) drained: u64,
    /// Bytes in the events so far.
    pub(super) recorded: u64,
    /// Memory that calls have made.
    pub(super) footprint: Footprint,
    /// Some process has made a memfd.
    pub(super) memfds: bool,
    /// First stops of children whose parent's fork stop has not come yet.
    pub(super) early: HashSet<Tid>,
    /// What was open before the run: standard streams, and pipes whose other ends strangers may hold.
    pub(super) inherited: HashSet<(u64, u64)>,
    /// The signals after which a process wants its calls restarted (SA_RESTART).
    pub(super) restarting: HashMap<Tid, HashSet<Signal>>,
    /// What the recorder knows of the kernel's objects.
    pub(super) kernel: Kernel,
    /// How many calls the model has foreseen.
    pub(super) foreseen: u64,
    /// In how many calls somebody had to look whether the caller sleeps.
    pub(super) looks: u64,
    /// Something may have been written to the pipes that are drained.
    pub(super) undrained: bool,
    /// How many semaphores each System V set has: SETALL does not say.
    pub(super) semaphores: HashMap<i32, u64>,
    pub(super) cwd: String,
    pub(super) clock: Clock,
    /// Somebody has opened a device that gives random bytes (random(4)).
    pub(super) random_devices: bool,
    /// Somebody computes on and on: it may wait for what time brings.
    pub(super) time_is_due: bool,
    /// How often it jumped.
    pub(super) jumps: u64,
    pub(super) timers: TimerList,
    /// The timerfds that were armed.
    pub(super) timer_descriptors: Vec<TimerDescriptor>,
    /// Some process has armed a timer that is the kernel's.
    pub(super) kernel_timers: bool,
    /// SO_RCVTIMEO and SO_SNDTIMEO of sockets (socket(7)).
    pub(super) socket_timeouts: HashMap<SocketTimeout, Duration>,
    /// A kill or an exit happened: even stopped tracees may have been ended.
    pub(super) deaths: bool,
    /// How many signals were sent, and processes ended, so far.
    pub(super) signals: u64,
    /// The same when those who wait for them were last looked at; none where others may have come since.
    pub(super) looked_at_signals: Option<u64>,
    /// How children ended, by their own view of their ids: what wait(2) tells those who do not ask.
    pub(super) endings: HashMap<InnerPid, Ending>,
    /// Polls in a row that found nothing.
    pub(super) polls: u32,
    pub(super) steps: u64,
    /// How many steps all took.
    pub(super) turns: u64,
    /// How many events the script had seen when the peers were last asked.
    pub(super) asked: usize,
    /// What wait told of tracees that a step woke: taken in when all is still, in their order of creation.
    pub(super) woken: Vec<(Tid, Status)>,
    pub(super) started: Instant,
    /// It has taken more real time than it may.
    pub(super) slow: bool,
    /// The CPU time of all processes so far, as far as ticks have seen it.
    pub(super) computed: Duration,
    /// Runs as long as the recording does.
    pub(super) ticks: Option<Ticks>,
    pub(super) limit: Option<(String, String, Option<Tid>)>,
}

/// A result of the engine's inner functions.
pub(super) type Fallible<T> = Result<T, RecorderError>;

impl<'a> Engine<'a> {
    pub(super) fn new(mut options: Options, script: &'a mut dyn Script) -> Self {
        let stacks = options.sites.map(Stacks::new);
        let changes = Changes::new(std::mem::take(&mut options.changes));
        let drains = std::mem::take(&mut options.drains).into_iter().map(File::from).collect();
        Self {
            schedule: Schedule::new(&options.schedule),
            held_back: HeldBack::new(options.hold),
            faults: Faults::new(std::mem::take(&mut options.faults)),
            exchange: options.substitution.clone().map(Exchange::new),
            options,
            script,
            tracees: BTreeMap::new(),
            order_of: BTreeMap::new(),
            created: 0,
            events: Vec::new(),
            places: Vec::new(),
            shadows: Shadows::default(),
            stacks,
            changes,
            functions: Functions::default(),
            guard: Guard::default(),
            drains,
            drained: 0,
            recorded: 0,
            footprint: Footprint::default(),
            memfds: false,
            early: HashSet::new(),
            inherited: HashSet::new(),
            restarting: HashMap::new(),
            kernel: Kernel::default(),
            foreseen: 0,
            looks: 0,
            undrained: false,
            semaphores: HashMap::new(),
            cwd: String::new(),
            clock: Clock::new(),
            random_devices: false,
            time_is_due: false,
            jumps: 0,
            timers: TimerList::default(),
            timer_descriptors: Vec::new(),
            kernel_timers: false,
            socket_timeouts: HashMap::new(),
            deaths: false,
            signals: 0,
            looked_at_signals: None,
            endings: HashMap::new(),
            polls: 0,
            steps: 0,
            turns: 0,
            asked: usize::MAX,
            woken: Vec::new(),
            started: Instant::now(),
            slow: false,
            computed: Duration::ZERO,
            ticks: None,
            limit: None,
        }
    }

    /// Records from the roots' first step to the end, and leaves no tracee behind.
    pub(super) fn run(
        mut self,
        roots: &[Root],
        go: impl FnOnce() -> std::io::Result<()>,
    ) -> Result<Recorded, RecorderError> {
        let ended = self.start(roots, go).and_then(|()| self.go_on());
        self.end_all();
        self.ticks = None;
        let end = ended?;
        let (steps, turns) = self.schedule.played();
        let played = Played { steps, turns, held: self.held_back.came_of_it() };
        Ok(Recorded {
            recording: Recording { events: self.events, end },
            played,
            places: self.places,
            looks: self.looks,
            by_hand: self.guard.by_hand,
        })
    }

    pub(super) fn tracee(&mut self, tid: Tid) -> Option<&mut Tracee> {
        self.tracees.get_mut(self.order_of.get(&tid)?)
    }

    /// Adds an event and tells the script of it.
    pub(super) fn tell(&mut self, tid: Tid, kind: RawKind) {
        let site = match &kind {
            // Where it was called: the stack that is there now is the new program's.
            RawKind::Exec { former, .. } => self.stacks.as_mut().and_then(|stacks| stacks.take(former.unwrap_or(tid))),
            // Found after the step: the place is that of the next call, and tells nothing.
            RawKind::Stored { access: None, .. } => None,
            _ => self.site_now(tid),
        };
        let event = RawEvent { tid, kind, site: site.map(Box::new) };
        self.changes.note(&event);
        self.count(&event);
        self.script.event(self.events.len() as u32, &event);
        self.events.push(event);
        self.places.push(self.place(tid));
    }

    /// Where in the learner's source a thread is, in a run with sites.
    fn site_now(&mut self, tid: Tid) -> Option<Site> {
        self.note_stack(tid);
        self.stacks.as_ref().and_then(|stacks| stacks.last(tid))
    }

    /// Looks where a stopped thread of the learner's is, in a run with sites; one that is not stopped is where it was.
    pub(super) fn note_stack(&mut self, tid: Tid) {
        if self.stacks.is_none() {
            return;
        }
        let process = self.tracee(tid).filter(|tracee| !tracee.peer).map(|tracee| tracee.tgid);
        if let (Some(stacks), Some(process)) = (&mut self.stacks, process)
            && let Ok(registers) = ptrace::registers(tid)
        {
            let frame = registers.frame();
            let returned = self.functions.returns_to(tid, frame.instruction);
            stacks.note(tid, process, if returned { frame.after_return() } else { frame });
        }
    }

    /// Step after step, until nothing is left to do.
    fn go_on(&mut self) -> Fallible<RawEnd> {
        loop {
            if self.slow {
                let millis = self.options.limits.map_or(0, |limits| limits.wall_ms);
                return Err(RecorderError::Slow { millis });
            }
            if let Some((limit, figure, tid)) = self.limit.take() {
                let site = tid.and_then(|tid| self.site_now(tid));
                return Ok(RawEnd::Limit { limit, figure, tid, site });
            }
            self.hand_over()?;
            if std::mem::take(&mut self.time_is_due) {
                self.advance()?;
            }
            self.let_due()?;
            self.ask_peers(false);
            self.make_changes()?;
            let alone = !self.tracees.values().any(|tracee| !tracee.peer);
            self.refresh_held();
            let candidates = self.candidates();
            if let Some(order) = self.schedule.choose(&candidates) {
                let polling = !alone && self.polls > POLLS_UNTIL_IDLE && candidates.iter().all(|c| c.demoted);
                if polling {
                    self.polls = 0;
                    // Polls that find nothing change nothing: what else could go on waits for time, or was held back.
                    let _any = self.ask_peers(true) || self.advance()? || self.let_go();
                }
                self.step(order)?;
                continue;
            }
            if alone {
                return Ok(RawEnd::Finished);
            }
            if self.advance()? {
                // Where time alone goes on, round and round, nothing that passes would let anybody else go on.
                if self.jumps.is_multiple_of(JUMPS_UNTIL_IDLE) && !self.ask_peers(true) {
                    self.let_go();
                }
                continue;
            }
            if self.ask_peers(true) || self.let_go() || self.enter_held()? {
                continue;
            }
            if !self.may_still_wake() {
                return Ok(RawEnd::Blocked);
            }
            self.wait_for_the_world()?;
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        let early = self.early_sleepers();
        self.tracees
            .iter()
            .filter(|(order, tracee)| tracee.state == State::Ready || early.contains(order))
            .filter(|(order, tracee)| !self.is_held_back(**order, tracee))
            .map(|(order, tracee)| Candidate {
                order: *order,
                at: tracee.at,
                demoted: tracee.demoted,
                decides: matches!(tracee.state, State::Sleep(_)) || self.decides(tracee),
                sleeps: match tracee.state {
                    State::Sleep(until) => Some(until),
                    _ => None,
                },
            })
            .collect()
    }

    /// Lets peers go on whose facts are true; whether any could.
    fn ask_peers(&mut self, idle: bool) -> bool {
        if !idle && self.asked == self.events.len() {
            return false;
        }
        self.asked = self.events.len();
        let waiting: Vec<(Tid, u32)> = self
            .tracees
            .values()
            .filter_map(|tracee| match tracee.state {
                State::When(step) => Some((tracee.tid, step)),
                _ => None,
            })
            .collect();
        let mut any = false;
        for (tid, step) in waiting {
            let Some(because) = self.script.may_go_on(tid, step, idle) else { continue };
            any = true;
            self.tell(tid, RawKind::Resumed { because });
            let answer = self.script.answer(tid);
            self.answer(tid, answer);
        }
        any
    }

    /// One step: into its call and to the call's exit, or to its next stop; then until everything is still.
    pub(super) fn step(&mut self, order: u32) -> Fallible<()> {
        self.turns += 1;
        if let Some(tracee) = self.tracees.get_mut(&order) {
            tracee.turns += 1;
        }
        if self.tracees.get(&order).is_some_and(|tracee| matches!(tracee.state, State::Sleep(_))) {
            self.wake_early(order);
            return Ok(());
        }
        self.signal_before_call(order)?;
        let Some(tracee) = self.tracees.get_mut(&order) else { return Ok(()) };
        let tid = tracee.tid;
        tracee.before = false;
        if !self.pass_breakpoint(tid)? {
            return self.settle();
        }
        if self.tracee(tid).is_some_and(|tracee| tracee.standing.is_before_access()) {
            if self.step_access(tid)? {
                // It ran its own code and nothing else: nobody was woken.
                self.tell_stores(tid, false);
                self.note_overtaking();
                self.check_steps();
                return Ok(());
            }
        } else if self.before_going_on(tid)? {
            self.resume(order)?;
        }
        let goes_on = self.tracee(tid).is_some_and(|tracee| tracee.state != State::Exiting);
        if goes_on {
            self.tell_stores(tid, true);
        }
        let signals = self.deaths;
        self.settle()?;
        if signals {
            self.interrupt_sleepers();
            self.interrupt_held()?;
        }
        if !goes_on {
            // What the kernel writes at an end, into robust locks and into words that threads wait on, nobody stored.
            self.shadows.changes(&self.guard, true);
        }
        self.note_overtaking();
        self.check_steps();
        self.check_footprint();
        Ok(())
    }

    /// Lets one go on until it has stopped, sleeps, or is gone.
    fn resume(&mut self, order: u32) -> Fallible<()> {
        let Some(tracee) = self.tracees.get_mut(&order) else { return Ok(()) };
        let tid = tracee.tid;
        let call = tracee.call.filter(|_| tracee.resume == Resume::Exit);
        let way = match call {
            Some(call) if !tracee.enters && tracee.lent.is_none() => self.foresee(tid, &call)?,
            _ => Way::Enter,
        };
        if matches!(way, Way::Enter | Way::Piece) && call.is_some() {
            self.rewrite_arguments(tid).or_else(stops::killed_meanwhile)?;
        }
        let sleeps = way == Way::Enter && call.is_some_and(|call| self.may_be_asleep(order, &call));
        self.looks += u64::from(sleeps);
        let Some(tracee) = self.tracees.get_mut(&order) else { return Ok(()) };
        tracee.before = false;
        let resumed = match (way, tracee.resume) {
            (Way::Held, _) => {
                self.note_overtaking();
                return Ok(());
            }
            (Way::Told, _) => ptrace::cont(tid, None),
            (Way::Audited | Way::Piece, _) | (Way::Enter, Resume::Exit) => ptrace::cont_to_exit(tid, None),
            (Way::Enter, Resume::Next(signal)) => ptrace::cont(tid, signal),
        };
        tracee.state = State::Running;
        // ESRCH: it was killed while stopped; its end is told by wait.
        if let Err(errno) = resumed.or_else(|errno| if errno == Errno::ESRCH { Ok(()) } else { Err(errno) }) {
            return Err(failed("continue", tid, errno));
        }
        self.follow(tid, sleeps)
    }

    /// A signal that came while the tracee stood before a call that waits may be delivered before the call, as if it had
    /// come a moment earlier: between a program's look at a flag and its sleep.
    fn signal_before_call(&mut self, order: u32) -> Fallible<()> {
        let signals = self.signals;
        let Some(tracee) = self.tracees.get(&order) else { return Ok(()) };
        let (tid, call, at) = (tracee.tid, tracee.call, tracee.at);
        let came = tracee.resume == Resume::Exit && !tracee.peer && tracee.signals_before != signals;
        if !came || tracee.entered || !call.is_some_and(|call| waits(call.sys)) || !stops::signal_waits(tid) {
            return Ok(());
        }
        if self.schedule.signal_first(order, at) {
            let error = |errno| failed("set the registers of", tid, errno);
            let mut registers = ptrace::registers(tid).map_err(error)?;
            registers.make_again();
            ptrace::set_registers(tid, &mut registers).map_err(error)?;
            self.set(tid, State::Ready, Resume::Next(None));
            if let Some(tracee) = self.tracee(tid) {
                tracee.call = None;
            }
        }
        Ok(())
    }

    /// Tells what the one that ran changed in memory that others can see.
    ///
    /// `guarded`: in memory whose accesses are seen one by one too, where the kernel may have stored in a call.
    pub(super) fn tell_stores(&mut self, tid: Tid, guarded: bool) {
        if self.tracee(tid).is_none_or(|tracee| tracee.peer) {
            return;
        }
        for (file, offset, bytes) in self.shadows.changes(&self.guard, guarded) {
            for (offset, bytes) in self.functions.without_objects(&file, offset, bytes) {
                self.tell(tid, RawKind::Stored { file: file.clone(), offset, bytes, access: None });
            }
        }
    }
}

/// An operation of ours that the kernel refused.
pub(super) fn failed(operation: &'static str, pid: i32, errno: Errno) -> RecorderError {
    RecorderError::Trace { operation, pid, errno }
}
