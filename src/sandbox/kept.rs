//! Namespaces that nobody lives in: made once by a worker, kept by a descriptor, entered by run after run.

use std::fs::File;
use std::io::{Read, Write};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::pipe2;

use super::enter::Person;
use super::error::Step;
use super::stub::change_user;
use super::wire::Failure;
use crate::sys::namespace::{Ids, deny_setgroups, errno, map_ids};
use crate::sys::process::{Side, exit_now, fork};

/// User and group of every root, as it sees itself.
const ORDINARY: u32 = 1000;

/// What a child has made of its namespace of this kind (its name in /proc/PID/ns). To be called by a process of one
/// thread.
pub(super) fn kept(kind: &str, make: impl FnOnce() -> Result<(), Failure>) -> Result<File, Failure> {
    let failed = Failure::at(Step::Namespaces);
    let (told, tell) = pipe2(OFlag::O_CLOEXEC).map_err(&failed)?;
    let (until, lifeline) = pipe2(OFlag::O_CLOEXEC).map_err(&failed)?;
    match fork().map_err(Failure::at(Step::Fork))? {
        Side::Child => {
            drop((told, lifeline));
            let answer = match make() {
                Ok(()) => [0, 0],
                Err(failure) => [failure.step.number() + 1, failure.errno as i32],
            };
            let bytes: Vec<u8> = answer.iter().flat_map(|number| number.to_ne_bytes()).collect();
            let _heard = File::from(tell).write_all(&bytes);
            // It is only there until somebody has a descriptor of its namespace.
            let _end = nix::unistd::read(&until, &mut [0]);
            exit_now(0)
        }
        Side::Parent(pid) => {
            drop((tell, until));
            let mut bytes = [0; 8];
            let read = File::from(told).read_exact(&mut bytes);
            let number = |at: usize| i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            let namespace = File::open(format!("/proc/{pid}/ns/{kind}")).map_err(errno);
            drop(lifeline);
            let _reaped = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
            read.map_err(errno).map_err(&failed)?;
            match Step::numbered(number(0) - 1) {
                Some(step) => Err(Failure::at(step)(Errno::from_raw(number(4)))),
                None => namespace.map_err(&failed),
            }
        }
    }
}

/// User namespaces in which number 1000 is the person that roots run as, and nothing else is mapped.
#[derive(Debug)]
pub(super) struct Users {
    /// The program's, and a tool's.
    pub(super) program: File,
    /// The peers', one of their own: what the program may look into is what its own namespace has (ptrace(2), "Ptrace
    /// access mode checking").
    pub(super) peers: File,
}

impl Users {
    /// To be called by a worker in its own user namespace, where these are made.
    pub(super) fn new(person: Person) -> Result<Self, Failure> {
        let one = || kept("user", || ordinary(person));
        Ok(Self { program: one()?, peers: one()? })
    }
}

fn ordinary(person: Person) -> Result<(), Failure> {
    let failed = Failure::at(Step::OrdinaryUser);
    let id = person.id();
    if id != 0 {
        change_user(id)?;
        // That took /proc/self away (prctl(2), PR_SET_DUMPABLE).
        nix::sys::prctl::set_dumpable(true).map_err(&failed)?;
    }
    unshare(CloneFlags::CLONE_NEWUSER).map_err(&failed)?;
    map_ids("self", Ids::Users, &[(ORDINARY, id, 1)]).map_err(&failed)?;
    deny_setgroups().map_err(&failed)?;
    map_ids("self", Ids::Groups, &[(ORDINARY, id, 1)]).map_err(&failed)
}
