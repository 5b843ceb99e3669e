//! producer_consumer, work_queue.

use ipc_grade::model::Signal;
use ipc_grade::trace::{ObjectId, ObjectKind, Trace};

use super::super::{Process, Run};
use super::{ITEMS, JOBS, Program, Verdict};

pub fn programs() -> Vec<Program> {
    let ring = |name, verdict, run| Program { exercise: "producer_consumer", name, verdict, run };
    let queue = |name, verdict, run| Program { exercise: "work_queue", name, verdict, run };
    vec![
        ring("unnamed_semaphores", Verdict::Accepted, || producer_consumer(ObjectKind::Semaphore, Access::Whole)),
        ring("system_v", Verdict::Accepted, || producer_consumer(ObjectKind::Semaphore, Access::Halves)),
        ring("extra_lock", Verdict::Accepted, || producer_consumer(ObjectKind::Semaphore, Access::Locked)),
        ring("batch", Verdict::Accepted, batch),
        ring("main_forks_both", Verdict::Accepted, main_forks_both),
        ring("every_access", Verdict::Accepted, || every_access(1)),
        ring("every_access_many_looks", Verdict::Accepted, || every_access(200)),
        ring("no_semaphore", Verdict::Missing, no_semaphore),
        ring("spins_on_index", Verdict::Missing, spins_on_index),
        ring("full_starts_at_1", Verdict::Unforced, full_starts_at_1),
        ring("post_before_store", Verdict::Unforced, || post_before_store(true)),
        ring("post_before_store_unlucky", Verdict::Missing, || post_before_store(false)),
        ring("overfull", Verdict::Forbidden, overfull),
        queue("pill_each", Verdict::Accepted, || work_queue(Stop::PillEach)),
        queue("pill_passed_on", Verdict::Accepted, || work_queue(Stop::PillPassedOn)),
        queue("by_signal", Verdict::Accepted, || work_queue(Stop::Signal)),
        queue("never_reaped", Verdict::Missing, never_reaped),
        queue("a_queue_each", Verdict::Missing, a_queue_each),
        queue("exits_after_first_job", Verdict::Missing, exits_after_first_job),
        queue("job_done_twice", Verdict::Surplus, job_done_twice),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Whole,
    Halves,
    Locked,
}

/// Where the values begin: behind the semaphores and an index.
const BASE: u64 = 80;

fn place(index: usize) -> u64 {
    BASE + 8 * (index as u64 % 2)
}

fn ring(run: &mut Run, main: Process, kind: ObjectKind, full: usize) -> [ObjectId; 3] {
    let ring = run.make(main, ObjectKind::SharedMapping, "main.map1");
    // Another mapping that nobody uses.
    run.make(main, ObjectKind::SharedMapping, "main.map2");
    let empty = run.semaphore(main, kind, "main.sem1", 2);
    let full = run.semaphore(main, kind, "main.sem2", full);
    [ring, empty, full]
}

fn print_sum(run: &mut Run, by: Process) {
    let sum: u128 = ITEMS.iter().map(|item| u128::from(*item)).sum();
    run.print(by, &format!("{sum}\n"));
}

fn producer_consumer(kind: ObjectKind, access: Access) -> Trace {
    let (mut run, main) = Run::new();
    let [ring, empty, full] = ring(&mut run, main, kind, 0);
    let lock = run.semaphore(main, ObjectKind::Lock, "main.lock1", 1);
    let child = run.fork(main);
    for (index, item) in ITEMS.iter().enumerate() {
        let (at, bytes) = (place(index), item.to_ne_bytes());
        run.acquire(main, empty);
        if access == Access::Locked {
            run.acquire(main, lock);
        }
        if access == Access::Halves {
            run.store(main, ring, at, &bytes[..4]);
            run.store(main, ring, at + 4, &bytes[4..]);
        } else {
            run.store(main, ring, at, &bytes);
        }
        run.store(main, ring, 0, &(index as u32).to_ne_bytes());
        if access == Access::Locked {
            run.release(main, lock);
        }
        run.release(main, full);
        run.acquire(child, full);
        // A debug build looks twice.
        for _ in 0..2 {
            if access == Access::Halves {
                run.load(child, ring, at + 4, 4);
                run.load(child, ring, at, 4);
            } else {
                run.load(child, ring, at, 8);
            }
        }
        run.release(child, empty);
    }
    print_sum(&mut run, child);
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

/// Two stores, then two posts; the parent consumes.
fn batch() -> Trace {
    let (mut run, main) = Run::new();
    let [ring, empty, full] = ring(&mut run, main, ObjectKind::Semaphore, 0);
    let child = run.fork(main);
    for pair in 0..2 {
        run.acquire(child, empty);
        run.acquire(child, empty);
        for index in [2 * pair, 2 * pair + 1] {
            run.store(child, ring, place(index), &ITEMS[index].to_ne_bytes());
        }
        run.release(child, full);
        run.release(child, full);
        for index in [2 * pair, 2 * pair + 1] {
            run.acquire(main, full);
            run.load(main, ring, place(index), 8);
            run.release(main, empty);
        }
    }
    run.exit(child, 0);
    print_sum(&mut run, main);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

fn main_forks_both() -> Trace {
    let (mut run, main) = Run::new();
    let [ring, empty, full] = ring(&mut run, main, ObjectKind::Semaphore, 0);
    let (producer, consumer) = (run.fork(main), run.fork(main));
    for (index, item) in ITEMS.iter().enumerate() {
        run.acquire(producer, empty);
        run.store(producer, ring, place(index), &item.to_ne_bytes());
        run.release(producer, full);
        run.acquire(consumer, full);
        run.load(consumer, ring, place(index), 8);
        run.release(consumer, empty);
    }
    run.exit(producer, 0);
    print_sum(&mut run, consumer);
    run.exit(consumer, 0);
    run.wait(main, producer);
    run.wait(main, consumer);
    run.exit(main, 0);
    run.finish()
}

/// What a recorder tells that sees every access: indices in the segment, looked at and stored under a mutex, a value
/// that is looked at before it is stored over, slots that are copied as a whole and looked at again and again, a number
/// of all that is kept by an atomic.
fn every_access(looks: usize) -> Trace {
    let (mut run, main) = Run::new();
    let ring = run.make(main, ObjectKind::SharedMapping, "main.map1");
    run.make(main, ObjectKind::SharedMapping, "main.map2");
    let semaphores = ["main.sem1", "main.sem2"].map(|name| run.object(ObjectKind::Semaphore, name));
    let [empty, full] = semaphores;
    run.init(main, empty, 2);
    run.init(main, full, 0);
    let lock = run.semaphore(main, ObjectKind::Lock, "main.lock1", 1);
    run.store(main, ring, 0, &[0; 16]);
    let child = run.fork(main);
    for (index, item) in ITEMS.iter().enumerate() {
        let at = place(index);
        run.acquire(main, empty);
        run.acquire(main, lock);
        run.load(main, ring, 0, 4);
        run.load(main, ring, at, 8);
        run.store(main, ring, at, &item.to_ne_bytes());
        run.load(main, ring, 0, 4);
        run.store(main, ring, 0, &(index as u32 + 1).to_ne_bytes());
        run.release(main, lock);
        run.fetch_add(main, ring, 64, 1);
        run.release(main, full);
        run.acquire(child, full);
        run.acquire(child, lock);
        run.load(child, ring, 4, 4);
        for _ in 0..looks {
            run.load(child, ring, BASE, 16);
        }
        run.load(child, ring, at, 8);
        run.store(child, ring, 4, &(index as u32 + 1).to_ne_bytes());
        run.release(child, lock);
        run.fetch_add(child, ring, 64, 1);
        run.release(child, empty);
    }
    print_sum(&mut run, child);
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

/// No semaphore: the consumer looks at the index until it has changed.
fn spins_on_index() -> Trace {
    let (mut run, main) = Run::new();
    let ring = run.make(main, ObjectKind::SharedMapping, "main.map1");
    let child = run.fork(main);
    for (index, item) in ITEMS.iter().enumerate() {
        for _ in 0..30 {
            run.load(child, ring, 0, 4);
        }
        run.store(main, ring, place(index), &item.to_ne_bytes());
        run.store(main, ring, 0, &(index as u32 + 1).to_ne_bytes());
        run.load(child, ring, 0, 4);
        run.load(child, ring, place(index), 8);
    }
    print_sum(&mut run, child);
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

fn no_semaphore() -> Trace {
    let (mut run, main) = Run::new();
    let ring = run.make(main, ObjectKind::SharedMapping, "main.map1");
    let child = run.fork(main);
    for (index, item) in ITEMS.iter().enumerate() {
        run.load(child, ring, 0, 4);
        run.store(main, ring, place(index), &item.to_ne_bytes());
        run.store(main, ring, 0, &(index as u32 + 1).to_ne_bytes());
        run.load(child, ring, 0, 4);
        run.load(child, ring, place(index), 8);
    }
    print_sum(&mut run, child);
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

/// It goes well in this run; nothing says that it must.
fn full_starts_at_1() -> Trace {
    let (mut run, main) = Run::new();
    let [ring, empty, full] = ring(&mut run, main, ObjectKind::Semaphore, 1);
    let child = run.fork(main);
    for (index, item) in ITEMS.iter().enumerate() {
        run.acquire(main, empty);
        run.store(main, ring, place(index), &item.to_ne_bytes());
        run.release(main, full);
        run.acquire(child, full);
        run.load(child, ring, place(index), 8);
        run.release(child, empty);
    }
    print_sum(&mut run, child);
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

fn post_before_store(lucky: bool) -> Trace {
    let (mut run, main) = Run::new();
    let [ring, empty, full] = ring(&mut run, main, ObjectKind::Semaphore, 0);
    let child = run.fork(main);
    for (index, item) in ITEMS.iter().enumerate() {
        run.acquire(main, empty);
        run.release(main, full);
        if lucky || index > 0 {
            run.store(main, ring, place(index), &item.to_ne_bytes());
        }
        run.acquire(child, full);
        run.load(child, ring, place(index), 8);
        run.release(child, empty);
        if !lucky && index == 0 {
            run.store(main, ring, place(index), &item.to_ne_bytes());
        }
    }
    // A post for the end, so that the last release has a store before it.
    run.release(main, full);
    if lucky {
        print_sum(&mut run, child);
    } else {
        run.print(child, "36000000000000000033\n");
    }
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

/// Four values stand in memory before any is looked at.
fn overfull() -> Trace {
    let (mut run, main) = Run::new();
    let ring = run.make(main, ObjectKind::SharedMapping, "main.map1");
    let empty = run.semaphore(main, ObjectKind::Semaphore, "main.sem1", 4);
    let full = run.semaphore(main, ObjectKind::Semaphore, "main.sem2", 0);
    let child = run.fork(main);
    for (index, item) in ITEMS.iter().enumerate() {
        run.acquire(main, empty);
        run.store(main, ring, BASE + 8 * index as u64, &item.to_ne_bytes());
        run.release(main, full);
    }
    for index in 0..ITEMS.len() {
        run.acquire(child, full);
        run.load(child, ring, BASE + 8 * index as u64, 8);
        run.release(child, empty);
    }
    print_sum(&mut run, child);
    run.exit(child, 0);
    run.wait(main, child);
    run.exit(main, 0);
    run.finish()
}

#[derive(Clone, Copy, PartialEq)]
enum Stop {
    PillEach,
    PillPassedOn,
    Signal,
}

fn text(number: i128) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn work(run: &mut Run, worker: Process, jobs: ObjectId, results: ObjectId) {
    let job: i128 = String::from_utf8(run.receive(worker, jobs)).unwrap().parse().unwrap();
    run.send(worker, results, &text(job * job), 0);
}

fn work_queue(stop: Stop) -> Trace {
    let (mut run, main) = Run::new();
    let jobs = run.make(main, ObjectKind::Queue, "/jobs");
    let results = run.make(main, ObjectKind::Queue, "/results");
    let workers = [run.fork(main), run.fork(main), run.fork(main)];
    JOBS.iter().for_each(|job| run.send(main, jobs, &text(*job), 0));
    // One worker does three, one two, one none.
    for turn in [1, 1, 0, 1, 0] {
        work(&mut run, workers[turn], jobs, results);
    }
    JOBS.iter().for_each(|_| drop(run.receive(main, results)));
    match stop {
        Stop::PillEach => {
            workers.iter().for_each(|_| run.send(main, jobs, b"stop", 0));
            for worker in workers {
                run.receive(worker, jobs);
                run.exit(worker, 0);
            }
        }
        Stop::PillPassedOn => {
            run.send(main, jobs, b"", 0);
            for worker in workers {
                run.receive(worker, jobs);
                run.send(worker, jobs, b"", 0);
                run.exit(worker, 0);
            }
        }
        Stop::Signal => {
            workers.iter().for_each(|worker| run.signal(main, *worker, Signal::TERM));
            workers.iter().for_each(|worker| run.killed(*worker, Signal::TERM));
        }
    }
    workers.iter().for_each(|worker| run.wait(main, *worker));
    run.unlink(main, results);
    run.unlink(main, jobs);
    run.exit(main, 0);
    run.finish()
}

fn never_reaped() -> Trace {
    let (mut run, main) = Run::new();
    let jobs = run.make(main, ObjectKind::Queue, "/jobs");
    let results = run.make(main, ObjectKind::Queue, "/results");
    let workers = [run.fork(main), run.fork(main), run.fork(main)];
    JOBS.iter().for_each(|job| run.send(main, jobs, &text(*job), 0));
    JOBS.iter().for_each(|_| work(&mut run, workers[0], jobs, results));
    JOBS.iter().for_each(|_| drop(run.receive(main, results)));
    run.send(main, jobs, b"stop", 0);
    run.receive(workers[0], jobs);
    run.exit(workers[0], 0);
    run.wait(main, workers[0]);
    run.unlink(main, jobs);
    run.unlink(main, results);
    run.exit(main, 0);
    run.stuck(&[(workers[1], "receive", Some(jobs)), (workers[2], "receive", Some(jobs))])
}

fn a_queue_each() -> Trace {
    let (mut run, main) = Run::new();
    let queues = ["/jobs1", "/jobs2", "/jobs3"].map(|name| run.make(main, ObjectKind::Queue, name));
    let results = run.make(main, ObjectKind::Queue, "/results");
    let workers = [run.fork(main), run.fork(main), run.fork(main)];
    for (index, job) in JOBS.iter().enumerate() {
        run.send(main, queues[index % 3], &text(*job), 0);
        work(&mut run, workers[index % 3], queues[index % 3], results);
        run.receive(main, results);
    }
    for (worker, queue) in workers.into_iter().zip(queues) {
        run.send(main, queue, b"stop", 0);
        run.receive(worker, queue);
        run.exit(worker, 0);
        run.wait(main, worker);
        run.unlink(main, queue);
    }
    run.unlink(main, results);
    run.exit(main, 0);
    run.finish()
}

fn exits_after_first_job() -> Trace {
    let (mut run, main) = Run::new();
    let jobs = run.make(main, ObjectKind::Queue, "/jobs");
    let results = run.make(main, ObjectKind::Queue, "/results");
    let workers = [run.fork(main), run.fork(main), run.fork(main)];
    JOBS.iter().for_each(|job| run.send(main, jobs, &text(*job), 0));
    for worker in workers {
        work(&mut run, worker, jobs, results);
        run.exit(worker, 0);
        run.receive(main, results);
    }
    run.stuck(&[(main, "receive", Some(results))])
}

fn job_done_twice() -> Trace {
    let (mut run, main) = Run::new();
    let jobs = run.make(main, ObjectKind::Queue, "/jobs");
    let results = run.make(main, ObjectKind::Queue, "/results");
    let workers = [run.fork(main), run.fork(main), run.fork(main)];
    let twice: Vec<i128> = JOBS.iter().chain(&JOBS[..1]).copied().collect();
    twice.iter().for_each(|job| run.send(main, jobs, &text(*job), 0));
    for turn in 0..twice.len() {
        work(&mut run, workers[turn % 3], jobs, results);
    }
    twice.iter().for_each(|_| drop(run.receive(main, results)));
    workers.iter().for_each(|worker| run.signal(main, *worker, Signal::TERM));
    workers.iter().for_each(|worker| run.killed(*worker, Signal::TERM));
    workers.iter().for_each(|worker| run.wait(main, *worker));
    run.unlink(main, jobs);
    run.unlink(main, results);
    run.exit(main, 0);
    run.finish()
}
