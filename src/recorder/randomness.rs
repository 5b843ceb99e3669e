//! Random bytes, the same in every run of one attempt: getrandom(2), the sixteen of AT_RANDOM (getauxval(3)), and what is
//! read from /dev/random and /dev/urandom (random(4)).
//!
//! Each thread draws its own, from the run's entropy and how often it has drawn: in another order of the threads each gets
//! the same. A mapping of a device, or a copy made by sendfile(2), is the kernel's.

use super::decode;
use super::engine::{Engine, Fallible, failed};
use crate::model::seed::split_mix;
use crate::sys::arch::{Invocation, Sys};
use crate::sys::{memory, ptrace};
use crate::trace::raw::{Call, Tid};

/// The most that one call gets (getrandom(2): larger requests may be cut short).
const MOST: u64 = 1 << 20;

/// The devices, which the box has.
const DEVICES: [&str; 2] = ["/dev/random", "/dev/urandom"];

impl Engine<'_> {
    /// Does the work of a call that is about to get random bytes. False where the kernel is to do it.
    pub(super) fn gives_random(&mut self, tid: Tid, call: &Invocation) -> Fallible<bool> {
        let Some(entropy) = self.options.entropy else { return Ok(false) };
        let [a, b, c, ..] = call.args;
        let parts = match call.sys {
            Sys::Getrandom => vec![(a, b)],
            _ if !self.random_devices => return Ok(false),
            _ if !is_device(&decode::files::link(format!("/proc/{tid}/fd/{}", a as i32))) => return Ok(false),
            Sys::Readv => decode::vectors(tid, b, c),
            _ => vec![(b, c)],
        };
        let order = self.order_of.get(&tid).copied().unwrap_or(0);
        let Some(tracee) = self.tracee(tid) else { return Ok(false) };
        let mut result = 0;
        for (addr, length) in parts {
            tracee.randoms += 1;
            let draw = u64::from(order) << 32 | tracee.randoms;
            let bytes = random_bytes(entropy, draw, length.min(MOST) as usize);
            if memory::write(tid, addr, &bytes).is_err() {
                result = if result == 0 { -i64::from(libc::EFAULT) } else { result };
                break;
            }
            result += bytes.len() as i64;
            if bytes.len() as u64 != length {
                break;
            }
        }
        let registers = ptrace::registers(tid).map_err(|errno| failed("read the registers of", tid, errno))?;
        self.skip(tid, registers, result)?;
        Ok(true)
    }

    /// From the first open of a device on, reads are looked at.
    pub(super) fn note_random_device(&mut self, call: &Call, result: i64) {
        if let Call::Open { path, .. } = call {
            self.random_devices |= result >= 0 && is_device(path);
        }
    }
}

fn is_device(path: &str) -> bool {
    DEVICES.contains(&path)
}

/// Bytes drawn from the run's entropy, other ones for each draw.
pub(super) fn random_bytes(entropy: u64, draw: u64, len: usize) -> Vec<u8> {
    let mut state = split_mix(entropy ^ split_mix(draw));
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = split_mix(state);
        bytes.extend_from_slice(&state.to_ne_bytes());
    }
    bytes.truncate(len);
    bytes
}
