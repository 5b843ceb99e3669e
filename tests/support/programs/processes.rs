//! handle_interrupt, reap_on_sigchld, supervisor.

use ipc_grade::model::Signal;
use ipc_grade::trace::{ObjectId, ObjectKind, Trace, Verb};

use super::super::{Process, Run};
use super::{Program, Verdict};

pub fn programs() -> Vec<Program> {
    let signal = |name, verdict, run| Program { exercise: "handle_interrupt", name, verdict, run };
    let reap = |name, verdict, run| Program { exercise: "reap_on_sigchld", name, verdict, run };
    let supervise = |name, verdict, run| Program { exercise: "supervisor", name, verdict, run };
    vec![
        signal("handler", Verdict::Accepted, || handler(false)),
        signal("handler_before_ready_is_printed", Verdict::Accepted, || handler(true)),
        signal("signalfd", Verdict::Accepted, signalfd),
        signal("sigwait_thread", Verdict::Accepted, sigwait_thread),
        signal("exits_in_handler", Verdict::Missing, exits_in_handler),
        signal("lost_wakeup", Verdict::Missing, lost_wakeup),
        signal("only_the_other_signal", Verdict::Missing, only_the_other_signal),
        reap("loop_in_handler", Verdict::Accepted, loop_in_handler),
        reap("flag_and_loop", Verdict::Accepted, flag_and_loop),
        reap("signalfd_and_waitid", Verdict::Accepted, signalfd_and_waitid),
        reap("one_wait_per_signal", Verdict::Missing, one_wait_per_signal),
        reap("ignored", Verdict::Missing, ignored),
        reap("prints_in_handler", Verdict::Surplus, prints_in_handler),
        reap("last_line_from_handler", Verdict::Forbidden, last_line_from_handler),
        supervise("blocking_waitpid", Verdict::Accepted, || supervisor(Shape::Waitpid)),
        supervise("sigchld_loop", Verdict::Accepted, || supervisor(Shape::Sigchld)),
        supervise("middle_processes", Verdict::Accepted, middle_processes),
        supervise("restarts_after_exit_0", Verdict::Surplus, restarts_after_exit_0),
        supervise("forks_and_never_reaps", Verdict::Missing, forks_and_never_reaps),
        supervise("forks_before_reaping", Verdict::WrongOrder, forks_before_reaping),
        supervise("ends_never_come", Verdict::Missing, ends_never_come),
        supervise("one_worker_at_a_time", Verdict::Forbidden, one_worker_at_a_time),
    ]
}

fn handler(early: bool) -> Trace {
    let (mut run, main) = Run::new();
    let peer = run.peer("user");
    let ready = run.ready(main, Signal::TERM);
    run.signal_after(peer, main, Signal::TERM, vec![ready]);
    if !early {
        run.print(main, "ready\n");
    }
    run.handler(main, Signal::TERM, |run| run.call(main, "nothing"));
    if early {
        run.print(main, "ready\n");
    }
    run.print(main, "bye 44\n");
    run.exit(main, 0);
    run.finish()
}

fn signalfd() -> Trace {
    let (mut run, main) = Run::new();
    let peer = run.peer("user");
    let ready = run.ready(main, Signal::TERM);
    run.print(main, "ready\n");
    run.call(main, "poll");
    run.signal_after(peer, main, Signal::TERM, vec![ready]);
    run.take(main, Signal::TERM);
    run.print(main, "bye 44\n");
    run.exit(main, 0);
    run.finish()
}

fn sigwait_thread() -> Trace {
    let (mut run, main) = Run::new();
    let peer = run.peer("user");
    let ready = run.ready(main, Signal::TERM);
    let waiter = run.thread(main);
    run.print(main, "ready\n");
    run.signal_after(peer, main, Signal::TERM, vec![ready]);
    run.take(waiter, Signal::TERM);
    run.join(main, waiter);
    run.print(main, "bye 44\n");
    run.exit(main, 0);
    run.finish()
}

fn exits_in_handler() -> Trace {
    let (mut run, main) = Run::new();
    let peer = run.peer("user");
    let ready = run.ready(main, Signal::TERM);
    run.print(main, "ready\n");
    run.signal_after(peer, main, Signal::TERM, vec![ready]);
    run.handler(main, Signal::TERM, |run| run.grumble(main, "caught\n"));
    run.exit(main, 0);
    run.finish()
}

fn lost_wakeup() -> Trace {
    let (mut run, main) = Run::new();
    let peer = run.peer("user");
    let ready = run.ready(main, Signal::TERM);
    run.print(main, "ready\n");
    run.signal_after(peer, main, Signal::TERM, vec![ready]);
    run.handler(main, Signal::TERM, |run| run.call(main, "nothing"));
    run.stuck(&[(main, "pause", None)])
}

fn only_the_other_signal() -> Trace {
    let (mut run, main) = Run::new();
    let peer = run.peer("user");
    run.ready(main, Signal::INT);
    run.print(main, "ready\n");
    run.signal(peer, main, Signal::TERM);
    run.killed(main, Signal::TERM);
    run.finish()
}

fn children(run: &mut Run, main: Process, count: usize) -> Vec<Process> {
    (0..count).map(|_| run.fork(main)).collect()
}

/// Signals merge: one handler collects three, and one child ends while others are still to be forked.
fn loop_in_handler() -> Trace {
    let (mut run, main) = Run::new();
    run.ready(main, Signal::CHLD);
    let first = run.fork(main);
    run.exit(first, 9);
    run.handler(main, Signal::CHLD, |run| run.wait(main, first));
    let rest = children(&mut run, main, 3);
    rest.iter().for_each(|child| run.exit(*child, 9));
    run.handler(main, Signal::CHLD, |run| rest.iter().for_each(|child| run.wait(main, *child)));
    run.print(main, "all 4\n");
    run.exit(main, 0);
    run.finish()
}

fn flag_and_loop() -> Trace {
    let (mut run, main) = Run::new();
    run.ready(main, Signal::CHLD);
    let all = children(&mut run, main, 4);
    for pair in all.chunks(2) {
        pair.iter().for_each(|child| run.exit(*child, 9));
        run.handler(main, Signal::CHLD, |run| run.call(main, "nothing"));
        pair.iter().for_each(|child| run.wait(main, *child));
    }
    run.print(main, "all 4\n");
    run.exit(main, 0);
    run.finish()
}

fn signalfd_and_waitid() -> Trace {
    let (mut run, main) = Run::new();
    run.ready(main, Signal::CHLD);
    let all = children(&mut run, main, 4);
    all.iter().for_each(|child| run.exit(*child, 9));
    run.take(main, Signal::CHLD);
    all.iter().rev().for_each(|child| run.wait(main, *child));
    run.call(main, "waitid");
    run.print(main, "all 4\n");
    run.exit(main, 0);
    run.finish()
}

fn one_wait_per_signal() -> Trace {
    let (mut run, main) = Run::new();
    run.ready(main, Signal::CHLD);
    let all = children(&mut run, main, 4);
    all.iter().for_each(|child| run.exit(*child, 9));
    run.handler(main, Signal::CHLD, |run| run.wait(main, all[0]));
    run.stuck(&[(main, "pause", None)])
}

fn ignored() -> Trace {
    let (mut run, main) = Run::new();
    run.plain(main, Verb::Ignore { signal: Signal::CHLD });
    let all = children(&mut run, main, 4);
    for child in all {
        run.exit(child, 9);
        run.wait(main, child);
    }
    run.print(main, "all 4\n");
    run.exit(main, 0);
    run.finish()
}

fn prints_in_handler() -> Trace {
    let (mut run, main) = Run::new();
    run.ready(main, Signal::CHLD);
    let all = children(&mut run, main, 4);
    all.iter().for_each(|child| run.exit(*child, 9));
    run.handler(main, Signal::CHLD, |run| {
        for child in &all {
            run.wait(main, *child);
            run.print(main, "one more\n");
        }
    });
    run.print(main, "all 4\n");
    run.exit(main, 0);
    run.finish()
}

fn last_line_from_handler() -> Trace {
    let (mut run, main) = Run::new();
    run.ready(main, Signal::CHLD);
    let all = children(&mut run, main, 4);
    all.iter().for_each(|child| run.exit(*child, 9));
    run.handler(main, Signal::CHLD, |run| {
        all.iter().for_each(|child| run.wait(main, *child));
        run.print(main, "all 4\n");
    });
    run.exit(main, 0);
    run.finish()
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Waitpid,
    Sigchld,
}

/// Three workers, a peer that sends jobs and two crashes, and TERM at the end.
struct Office {
    run: Run,
    main: Process,
    peer: Process,
    jobs: ObjectId,
    live: Vec<Process>,
}

fn office() -> Office {
    let (mut run, main) = Run::new();
    let peer = run.peer("client");
    run.ready(main, Signal::TERM);
    let jobs = run.make(main, ObjectKind::Queue, "/jobs");
    let live = children(&mut run, main, 3);
    for job in ["1001", "1002", "1003"] {
        run.send(peer, jobs, job.as_bytes(), 0);
    }
    Office { run, main, peer, jobs, live }
}

impl Office {
    fn crash(&mut self, index: usize) -> Process {
        let dead = self.live.remove(index);
        self.run.receive(dead, self.jobs);
        let received = self.run.last();
        self.run.signal_after(self.peer, dead, Signal::SEGV, vec![received]);
        self.run.killed(dead, Signal::SEGV);
        dead
    }

    fn stop(mut self) -> Trace {
        self.run.signal(self.peer, self.main, Signal::TERM);
        self.run.handler(self.main, Signal::TERM, |run| run.call(self.main, "nothing"));
        for worker in &self.live {
            self.run.signal(self.main, *worker, Signal::TERM);
        }
        for worker in &self.live {
            self.run.killed(*worker, Signal::TERM);
            self.run.wait(self.main, *worker);
        }
        self.run.exit(self.main, 0);
        self.run.finish()
    }
}

fn supervisor(shape: Shape) -> Trace {
    let mut office = office();
    for index in [1, 2] {
        let dead = office.crash(index);
        let main = office.main;
        if shape == Shape::Sigchld {
            office.run.take(main, Signal::CHLD);
        }
        office.run.wait(main, dead);
        let new = office.run.fork(main);
        office.live.push(new);
    }
    let last = office.live[0];
    office.run.receive(last, office.jobs);
    office.stop()
}

/// Each worker has a process of its own between it and the supervisor.
fn middle_processes() -> Trace {
    let (mut run, main) = Run::new();
    let peer = run.peer("client");
    run.ready(main, Signal::TERM);
    let jobs = run.make(main, ObjectKind::Queue, "/jobs");
    let middles = children(&mut run, main, 3);
    let mut workers: Vec<Process> = middles.iter().map(|middle| run.fork(*middle)).collect();
    run.send(peer, jobs, b"1001", 0);
    run.receive(workers[1], jobs);
    let received = run.last();
    run.signal_after(peer, workers[1], Signal::SEGV, vec![received]);
    run.killed(workers[1], Signal::SEGV);
    run.wait(middles[1], workers[1]);
    workers[1] = run.fork(middles[1]);
    run.signal(peer, main, Signal::TERM);
    run.handler(main, Signal::TERM, |run| run.call(main, "nothing"));
    for (middle, worker) in middles.iter().zip(&workers) {
        run.signal(main, *middle, Signal::TERM);
        run.take(*middle, Signal::TERM);
        run.signal(*middle, *worker, Signal::TERM);
        run.killed(*worker, Signal::TERM);
        run.wait(*middle, *worker);
        run.exit(*middle, 0);
        run.wait(main, *middle);
    }
    run.exit(main, 0);
    run.finish()
}

fn restarts_after_exit_0() -> Trace {
    let mut office = office();
    for index in [0, 1] {
        let done = office.live.remove(index);
        office.run.receive(done, office.jobs);
        office.run.exit(done, 0);
        office.run.wait(office.main, done);
        let new = office.run.fork(office.main);
        office.live.push(new);
    }
    office.stop()
}

fn forks_and_never_reaps() -> Trace {
    let mut office = office();
    office.crash(1);
    let new = office.run.fork(office.main);
    office.live.push(new);
    office.stop()
}

fn forks_before_reaping() -> Trace {
    let mut office = office();
    let dead = office.crash(1);
    let new = office.run.fork(office.main);
    office.live.push(new);
    office.run.wait(office.main, dead);
    office.stop()
}

/// The new worker holds the write end that would tell the supervisor of the others' end.
fn ends_never_come() -> Trace {
    let mut office = office();
    let life_line = office.run.make(office.main, ObjectKind::Pipe, "main.pipe1");
    let dead = office.crash(1);
    office.run.wait(office.main, dead);
    let new = office.run.fork(office.main);
    office.live.push(new);
    office.run.signal(office.peer, office.main, Signal::TERM);
    office.run.take(office.main, Signal::TERM);
    for worker in office.live.clone() {
        office.run.signal(office.main, worker, Signal::TERM);
    }
    let (main, new) = (office.main, office.live[2]);
    for worker in office.live.drain(..2) {
        office.run.killed(worker, Signal::TERM);
    }
    office.run.stuck(&[(main, "read", Some(life_line)), (new, "receive", None)])
}

fn one_worker_at_a_time() -> Trace {
    let mut office = office();
    let dead = [office.crash(0), office.crash(0)];
    for dead in dead {
        office.run.wait(office.main, dead);
        let new = office.run.fork(office.main);
        office.live.push(new);
    }
    office.stop()
}
