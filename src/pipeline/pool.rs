//! Many jobs on a few workers.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::grade::{Grade, Job, Tools, grade};
use super::worker::Worker;

/// Something that happened to a job, which is named by its index.
#[derive(Debug)]
pub enum Progress {
    /// A worker has taken it.
    Started(usize),
    /// It has its grade.
    Finished(usize, Box<Grade>),
}

/// How many workers this machine can use.
pub fn default_width() -> usize {
    crate::sys::affinity::allowed().map_or(1, |cpus| cpus.len()).max(1)
}

/// Grades jobs on `width` workers and tells of each as it goes; returns when all are graded.
///
/// `tell` runs in the calling thread. Where it says stop, jobs that have not been started are left.
pub fn run(jobs: &[Job<'_>], tools: &Tools, width: usize, mut tell: impl FnMut(Progress) -> Go) {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..jobs.len()).collect());
    let next = || queue.lock().expect("no thread panics while it holds the queue").pop_front();
    let (send, events) = channel();
    std::thread::scope(|scope| {
        for _ in 0..width.clamp(1, jobs.len().max(1)) {
            let send = send.clone();
            let next = &next;
            scope.spawn(move || {
                let mut worker = Worker::new(tools.isolation);
                while let Some(index) = next() {
                    // Nobody listens any more: the run was stopped.
                    if send.send(Progress::Started(index)).is_err() {
                        return;
                    }
                    let grade = grade(&jobs[index], tools, &mut worker);
                    if send.send(Progress::Finished(index, Box::new(grade))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for event in events {
            if tell(event) == Go::Stop {
                queue.lock().expect("no thread panics while it holds the queue").clear();
            }
        }
    });
}

/// Whether more jobs are to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Go {
    /// Yes.
    On,
    /// No.
    Stop,
}
