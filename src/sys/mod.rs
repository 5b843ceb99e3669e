//! The only layer with `unsafe` in it: system calls that no safe crate offers, behind functions that keep their rules.
//!
//! Architecture invariant: knows no exercise and no verdict. Each function is one call or one small protocol of calls,
//! named after the manual page that it stands for; every descriptor it makes is close-on-exec.
#![expect(unsafe_code, reason = "the one layer that talks to the kernel directly")]

pub mod affinity;
pub mod arch;
pub mod creds;
pub mod descriptor;
pub mod mapping;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod objects;
pub mod peer_call;
pub mod process;
pub mod ptrace;
pub mod queue;
pub mod seccomp;
pub mod tick;
pub mod timer_descriptor;
pub mod wait;
