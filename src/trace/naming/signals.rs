//! Signals: dispositions, masks, and the way from a kill to its take (signal(7)).

use std::collections::{HashMap, VecDeque};

use super::Namer;
use super::processes::Entered;
use crate::model::Signal;
use crate::trace::canonical::{EventId, LifeId, ThreadId, Verb};
use crate::trace::raw::{Disposition, InnerPid};

/// A table of dispositions.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Dispositions {
    handled: u64,
    ignored: u64,
    /// SA_NOCLDWAIT.
    pub(super) no_zombies: bool,
}

impl Dispositions {
    pub(super) fn ignores(&self, signal: Signal) -> bool {
        self.ignored & bit(signal) != 0
    }
}

/// Signals on their way, by number; a standard signal that waits already is not sent a second time.
#[derive(Debug, Default)]
pub(super) struct Pending(HashMap<Signal, VecDeque<Sent>>);

#[derive(Debug, Clone, Copy)]
struct Sent {
    event: EventId,
    sender: LifeId,
}

const FIRST_REALTIME: i32 = 32;

impl Pending {
    fn push(&mut self, signal: Signal, sent: Sent) {
        let waiting = self.0.entry(signal).or_default();
        if signal.number() >= FIRST_REALTIME || waiting.is_empty() {
            waiting.push_back(sent);
        }
    }

    /// Takes one out: that of the sender, where one is named, else the oldest.
    fn take(&mut self, signal: Signal, sender: Option<LifeId>) -> Option<EventId> {
        let waiting = self.0.get_mut(&signal)?;
        let at = match sender {
            Some(sender) => waiting.iter().position(|sent| sent.sender == sender)?,
            None => 0,
        };
        let sent = waiting.remove(at)?;
        if signal.number() < FIRST_REALTIME {
            waiting.clear();
        }
        Some(sent.event)
    }
}

pub(super) fn bit(signal: Signal) -> u64 {
    1 << (signal.number() - 1)
}

/// The signals of a set, lowest first.
pub(super) fn members(set: u64) -> impl Iterator<Item = Signal> {
    (1..=64).filter_map(Signal::from_number).filter(move |signal| set & bit(*signal) != 0)
}

/// The two signals that glibc keeps for itself (nptl(7)).
fn is_libcs_own(signal: Signal) -> bool {
    matches!(signal.number(), 32 | 33)
}

/// Only glibc's own code masks its own signals, for a moment in which a thread or process is made. Such a mask says
/// nothing about the program.
fn is_libc_internal(masked: u64) -> bool {
    masked >> 31 & 0b11 == 0b11
}

impl Namer {
    /// rt_sigaction.
    pub(super) fn set_disposition(
        &mut self,
        thread: ThreadId,
        signal: Signal,
        disposition: Disposition,
        no_zombies: bool,
    ) {
        let life = self.life_of(thread);
        let table = &mut self.dispositions[self.processes[life.index()].dispositions];
        let ignored_before = table.ignores(signal);
        table.handled &= !bit(signal);
        table.ignored &= !bit(signal);
        match disposition {
            Disposition::Default => {}
            Disposition::Ignore => table.ignored |= bit(signal),
            Disposition::Handler => table.handled |= bit(signal),
        }
        if signal == Signal::CHLD {
            table.no_zombies = no_zombies;
        }
        if is_libcs_own(signal) {
            return;
        }
        // The Rust runtime catches stack overflows and ignores SIGPIPE before main; Python ignores SIGPIPE.
        let runtimes = match disposition {
            Disposition::Handler => matches!(signal, Signal::SEGV | Signal::BUS),
            Disposition::Ignore => signal == Signal::PIPE,
            Disposition::Default => false,
        };
        if self.processes[life.index()].prelude && runtimes {
            return;
        }
        if disposition == Disposition::Ignore && !ignored_before {
            self.emit(thread, Verb::Ignore { signal }, Vec::new());
        }
        self.note_readiness_for(thread, bit(signal));
    }

    /// rt_sigprocmask.
    pub(super) fn set_mask(&mut self, thread: ThreadId, masked: &[Signal]) {
        let masked = masked.iter().fold(0, |set, signal| set | bit(*signal));
        if !is_libc_internal(masked) && self.threads[thread.index()].mask != masked {
            self.threads[thread.index()].mask = masked;
            self.note_readiness(thread);
        }
    }

    /// Tells for which signals the process became ready, or is ready no more.
    pub(super) fn note_readiness(&mut self, thread: ThreadId) {
        self.note_readiness_for(thread, u64::MAX);
    }

    /// The same for some signals only.
    fn note_readiness_for(&mut self, thread: ThreadId, which: u64) {
        let life = self.life_of(thread);
        let process = &self.processes[life.index()];
        let masked = process.threads.iter().fold(u64::MAX, |all, other| all & self.threads[other.index()].mask);
        let masked = if process.threads.is_empty() { 0 } else { masked & !bit(Signal::KILL) & !bit(Signal::STOP) };
        let before = process.ready;
        // Handlers that were not told stay untold, unless this is about them.
        let handled = self.dispositions[process.dispositions].handled & (which_or_told(which, before));
        let now = (masked | handled) & which | before & !which;
        let (index, changed) = (self.index(), before ^ now);
        self.processes[life.index()].ready = now;
        for signal in members(changed) {
            if now & bit(signal) != 0 {
                self.processes[life.index()].ready_since.insert(signal, index);
                self.emit(thread, Verb::Ready { signal }, Vec::new());
            } else {
                self.processes[life.index()].ready_since.remove(&signal);
                self.emit(thread, Verb::Unready { signal }, Vec::new());
            }
        }
    }

    /// execve: handlers are gone, what was ignored stays so, and so does the mask.
    pub(super) fn reset_dispositions(&mut self, thread: ThreadId) {
        let life = self.life_of(thread);
        let own = self.dispositions[self.processes[life.index()].dispositions];
        self.dispositions.push(Dispositions { handled: 0, no_zombies: false, ..own });
        self.processes[life.index()].dispositions = self.dispositions.len() - 1;
        self.note_readiness(thread);
    }

    /// kill, tgkill and their like succeeded.
    pub(super) fn kill(&mut self, thread: ThreadId, target: InnerPid, to_thread: bool, signal: Signal) {
        let sender = self.life_of(thread);
        let group = !to_thread && target <= 0;
        let receiver = match target {
            -1 => None,
            0 => Some(thread),
            _ => self.by_inner.get(&target.saturating_abs()).copied(),
        };
        let life = receiver.map(|receiver| self.life_of(receiver));
        if to_thread && life == Some(sender) {
            // Inside one process: the take has its cause, and nothing else is told.
            if let (Some(receiver), Some(event)) = (receiver, self.threads[thread.index()].last)
                && receiver != thread
            {
                self.threads[receiver.index()].pending.push(signal, Sent { event, sender });
            }
            return;
        }
        let event = self.emit(thread, Verb::Signal { target: life, signal, group }, Vec::new());
        match (to_thread, receiver, life) {
            (true, Some(receiver), _) => {
                self.threads[receiver.index()].pending.push(signal, Sent { event, sender });
            }
            // Who else belongs to a group is not known: any process of the run may be in it.
            _ if group => {
                for life in 0..self.lives.len() as u32 {
                    self.send_to_process(LifeId(life), signal, event, sender);
                }
            }
            (_, _, Some(life)) => self.send_to_process(life, signal, event, sender),
            _ => {}
        }
    }

    /// A signal is on its way to a process, unless that would not notice.
    pub(super) fn send_to_process(&mut self, life: LifeId, signal: Signal, event: EventId, sender: LifeId) {
        let process = &mut self.processes[life.index()];
        if process.exited.is_some() {
            return;
        }
        let dispositions = self.dispositions[process.dispositions];
        let unnoticed =
            dispositions.ignores(signal) || dispositions.handled & bit(signal) == 0 && signal.default_is_harmless();
        let mut threads = process.threads.iter().map(|thread| &self.threads[thread.index()]);
        let matters =
            threads.any(|thread| thread.mask & bit(signal) != 0 || signal == Signal::CONT && thread.stopped.is_some());
        if !unnoticed || matters {
            process.pending.push(signal, Sent { event, sender });
        }
    }

    /// Where the signal that this thread takes came from.
    fn sent(&mut self, thread: ThreadId, signal: Signal, sender: InnerPid) -> Vec<EventId> {
        let life = self.life_of(thread);
        let known = self.by_inner.get(&sender).map(|sender| self.life_of(*sender)).filter(|_| sender > 0);
        if sender > 0 && known.is_none() {
            // A child that was reaped already, or a stranger: what is on its way may be another's, so only a sole one
            // is taken for it.
            let own = self.processes[life.index()].pending.0.get(&signal).map_or(0, VecDeque::len);
            if own != 1 {
                return Vec::new();
            }
        }
        let own = self.threads[thread.index()].pending.take(signal, known);
        own.or_else(|| self.processes[life.index()].pending.take(signal, known)).into_iter().collect()
    }

    /// A signal reached a thread.
    pub(super) fn delivered(&mut self, thread: ThreadId, signal: Signal, handled: bool, sender: InnerPid) {
        let causes = self.sent(thread, signal, sender);
        if handled {
            let take = self.emit(thread, Verb::Take { signal }, causes);
            self.left_out[take.index()] |= is_libcs_own(signal);
            self.threads[thread.index()].handlers.push((take, signal));
        } else {
            let life = self.life_of(thread);
            self.processes[life.index()].fatal = Some((signal, causes));
        }
    }

    /// A signal stopped the thread, or it goes on: by SIGCONT, whose sender comes before what it does next.
    pub(super) fn stopped(&mut self, thread: ThreadId, signal: Option<Signal>) {
        let causes = self.sent(thread, signal.unwrap_or(Signal::CONT), 0);
        if signal.is_none() {
            self.threads[thread.index()].incoming.extend(causes);
        }
        self.threads[thread.index()].stopped = signal;
    }

    /// What a process died of.
    pub(super) fn senders_of_death(&mut self, life: LifeId, signal: Signal) -> Vec<EventId> {
        let process = &mut self.processes[life.index()];
        match process.fatal.take() {
            Some((fatal, causes)) if fatal == signal => causes,
            _ => process.pending.take(signal, None).into_iter().collect(),
        }
    }

    /// A handler returned.
    pub(super) fn handler_returned(&mut self, thread: ThreadId) {
        if let Some((_, signal)) = self.threads[thread.index()].handlers.last().copied() {
            let event = self.emit(thread, Verb::Return { signal }, Vec::new());
            self.left_out[event.index()] |= is_libcs_own(signal);
            self.threads[thread.index()].handlers.pop();
        }
    }

    /// sigwait and its like returned a signal.
    pub(super) fn sig_waited(&mut self, thread: ThreadId, number: i64) {
        if let Some(signal) = i32::try_from(number).ok().and_then(Signal::from_number) {
            let causes = self.sent(thread, signal, 0);
            self.emit(thread, Verb::Take { signal }, causes);
        }
    }

    /// A signalfd was read: one or more of `struct signalfd_siginfo`, 128 bytes each (signalfd(2)).
    pub(super) fn signalfd_read(&mut self, thread: ThreadId, bytes: &[u8]) {
        const SIZE: usize = 128;
        const SENDER: usize = 12;
        let number = |info: &[u8], at: usize| i32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
        for info in bytes.chunks_exact(SIZE) {
            if let Some(signal) = Signal::from_number(number(info, 0)) {
                let causes = self.sent(thread, signal, number(info, SENDER));
                self.emit(thread, Verb::Take { signal }, causes);
            }
        }
    }

    /// The first of a pair "entered, returned" tells a call that does not come back.
    pub(super) fn leaves(&mut self, thread: ThreadId, name: &str, entered: Option<&Entered>) {
        if name == "rt_sigreturn" && entered.is_none() {
            self.handler_returned(thread);
        }
    }
}

/// Handlers count where the question is about one signal, or where they were told before.
fn which_or_told(which: u64, told: u64) -> u64 {
    if which.count_ones() == 1 { which } else { told }
}
