//! What the recorder knows of one thread.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::change::Lent;
use super::foresee::{Ask, Audit, Split};
use super::guard::Standing;
use super::timeouts::Deadline;
use crate::model::Signal;
use crate::sys::arch::Invocation;
use crate::trace::raw::InnerPid;

/// A thread under ptrace.
#[derive(Debug)]
pub(super) struct Tracee {
    /// Its id as the tracer sees it.
    pub(super) tid: i32,
    /// Its process's first thread.
    pub(super) tgid: i32,
    /// Its own view of its id.
    pub(super) inner: InnerPid,
    /// A process of the harness.
    pub(super) peer: bool,
    /// What it is doing.
    pub(super) state: State,
    /// How it goes on when it is its turn.
    pub(super) resume: Resume,
    /// The call that it is about to make, or is in.
    pub(super) call: Option<Invocation>,
    /// Where its stack pointer stood when it came to its call.
    pub(super) stack: u64,
    /// The program and arguments that a pending execve names.
    pub(super) exec: Option<(String, Vec<String>)>,
    /// Its sleep inside the call has been told.
    pub(super) entered: bool,
    /// The call was interrupted and nobody knows yet whether it goes on: the kernel's own error number (512 to 516).
    pub(super) restart: Option<(i64, Invocation)>,
    /// Its last call found nothing to do (EAGAIN, WNOHANG, sched_yield): others go first.
    pub(super) demoted: bool,
    /// The registers that it gets back when what it does in our name is done.
    pub(super) lent: Option<Lent>,
    /// How many calls and accesses to shared memory it has come to: its place in a schedule.
    pub(super) at: u32,
    /// Whether others can see the call that it stands before, once somebody has asked.
    pub(super) visible: Cell<Option<bool>>,
    /// It stands before something that others can see and that is no call which goes into the kernel: an access to
    /// shared memory, its own end.
    pub(super) before: bool,
    /// What others can see of its call is done, and it stands inside of it: a fork whose child is there.
    pub(super) past: bool,
    /// Polls in a row that found nothing.
    pub(super) polls: u32,
    /// The loader or the language's runtime is still at work.
    pub(super) prelude: bool,
    /// Its bytes that were exchanged for the length of a call: where, and what stood there.
    pub(super) exchanged: Vec<(u64, Vec<u8>)>,
    /// What its held call waits for.
    pub(super) ask: Option<Ask>,
    /// Its place among those that wait for the same: by its priority where that counts, then by the step since which its
    /// call is held.
    pub(super) line: (i64, u64),
    /// The model has granted its call what it waited for, as the how manieth of several.
    pub(super) granted: Option<u32>,
    /// Its call goes into the kernel, whatever the model says.
    pub(super) enters: bool,
    /// Its call goes into the kernel to show that it waits there.
    pub(super) proves: bool,
    /// What the descriptor of its call led to stands there no longer.
    pub(super) outlives: bool,
    /// It is in a call that has been told as returned.
    pub(super) foreseen: bool,
    /// What the kernel has to say about that call.
    pub(super) audit: Option<Audit>,
    /// The write that it is in, or between two pieces of.
    pub(super) split: Option<Split>,
    /// Blocks in getrandom so far: each call draws other bytes.
    pub(super) randoms: u64,
    /// How many signals had been sent, and children ended, when it came to its call.
    pub(super) signals_before: u64,
    /// Its CPU time when it was first seen to compute since its last call.
    pub(super) computes_since: Option<Duration>,
    /// Its CPU time so far, as far as it has been counted.
    pub(super) computed: Duration,
    /// It was made to let others go first once since then.
    pub(super) yielded: bool,
    /// What the guard of shared memory knows of it.
    pub(super) standing: Standing,
    /// Time was made to pass for it once since then.
    pub(super) outlasts: bool,
    /// When the call that it is in, or about to make, ends by itself.
    pub(super) deadline: Option<Deadline>,
    /// That time has come; it has been interrupted.
    pub(super) expired: bool,
    /// Arguments to be changed for the length of the call that it is about to make.
    pub(super) changes: Vec<(usize, u64)>,
    /// Arguments that are changed for the length of its call: which, and what stood there.
    pub(super) rewritten: Vec<(usize, u64)>,
    /// How many steps it took.
    pub(super) turns: u64,
    /// How many steps all others had taken when it last woke before its time.
    pub(super) woke_early: Option<u64>,
    stat: Option<File>,
    syscall: Option<File>,
}

/// What a tracee is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Stopped; goes on when it is its turn.
    Ready,
    /// Runs its own code, or a call that does not sleep.
    Running,
    /// Sleeps inside a call.
    Asleep {
        /// The call ends by itself after a time.
        timed: bool,
    },
    /// A vfork's parent: in the kernel until its child lets go.
    Vfork,
    /// Held at the entry of a peer's `when` before this step.
    When(u32),
    /// Held at the entry of a sleep that ends at this virtual time.
    Sleep(Duration),
    /// Held at the entry of a call that would wait, as the model says.
    Held,
    /// In group-stop.
    Stopped,
    /// Past its exit stop: its end will be told.
    Exiting,
}

/// How a ready tracee goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resume {
    /// To its next stop, with this signal.
    Next(Option<Signal>),
    /// Into or through its call, to the call's exit.
    Exit,
}

impl Tracee {
    /// A thread at its first stop.
    pub(super) fn new(tid: i32, tgid: i32, inner: InnerPid, peer: bool) -> Self {
        Self {
            tid,
            tgid,
            inner,
            peer,
            state: State::Ready,
            resume: Resume::Next(None),
            call: None,
            stack: 0,
            exec: None,
            entered: false,
            restart: None,
            demoted: false,
            lent: None,
            at: 0,
            visible: Cell::new(None),
            before: false,
            past: false,
            polls: 0,
            prelude: true,
            exchanged: Vec::new(),
            ask: None,
            line: (0, 0),
            granted: None,
            enters: false,
            proves: false,
            outlives: false,
            foreseen: false,
            audit: None,
            split: None,
            randoms: 0,
            signals_before: 0,
            computes_since: None,
            computed: Duration::ZERO,
            yielded: false,
            standing: Standing::default(),
            outlasts: false,
            deadline: None,
            expired: false,
            changes: Vec::new(),
            rewritten: Vec::new(),
            turns: 0,
            woke_early: None,
            stat: File::open(format!("/proc/{tid}/stat")).ok(),
            syscall: File::open(format!("/proc/{tid}/syscall")).ok(),
        }
    }

    /// It comes to a place of its own in a schedule; `before`: to something that others can see and that is no call
    /// which goes into the kernel. It then stands there until it is resumed.
    pub(super) fn comes_to(&mut self, before: bool) {
        self.at += 1;
        self.before = before;
        self.visible.set(None);
        self.past = false;
    }

    /// Its priority, the lower the better (proc_pid_stat(5)): 20 and its nice value, below 0 for realtime policies.
    pub(super) fn priority(&self) -> i64 {
        /// How many fields stand between its name and this.
        const BEFORE: usize = 15;
        let mut buffer = [0; 512];
        let got = self.stat.as_ref().and_then(|stat| stat.read_at(&mut buffer, 0).ok()).unwrap_or(0);
        let text = String::from_utf8_lossy(&buffer[..got]);
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        fields.split_whitespace().nth(BEFORE).and_then(|priority| priority.parse().ok()).unwrap_or(0)
    }

    /// The letter of its state (proc_pid_stat(5)): R, S, D, t, Z …; X where it is gone.
    pub(super) fn letter(&self) -> u8 {
        let mut buffer = [0; 128];
        let got = self.stat.as_ref().and_then(|stat| stat.read_at(&mut buffer, 0).ok()).unwrap_or(0);
        // The name in parentheses may hold anything, parentheses too; what follows it is short.
        let close = buffer[..got].iter().rposition(|byte| *byte == b')');
        close.and_then(|at| buffer.get(at + 2).copied()).filter(|letter| *letter != 0).unwrap_or(b'X')
    }

    /// Whether it sleeps in the kernel and is off the processor, for one of these reasons (letters of its state).
    ///
    /// The letter alone lies: a call that is about to look whether it must sleep says S already, and may lose the
    /// processor there. /proc/PID/syscall waits until the thread is off the run queue, and says `running` where it is
    /// not asleep after all (proc_pid_syscall(5)). It does not say `running` of a thread that came to its stop between
    /// the two looks, so the letter is read once more.
    pub(super) fn sleeps(&self, letters: &[u8]) -> bool {
        if !letters.contains(&self.letter()) {
            return false;
        }
        let mut buffer = [0; 16];
        let got = self.syscall.as_ref().and_then(|file| file.read_at(&mut buffer, 0).ok()).unwrap_or(0);
        // A kernel without the file leaves the letter.
        got == 0 || !buffer[..got].starts_with(b"running") && letters.contains(&self.letter())
    }
}
