//! What a scenario lets go wrong with a program's calls: less than was asked for, or an error.
//!
//! Everything here is what the manual pages allow a call to do and what seldom happens by hand: a read that gets a part
//! of what is there, a call that a signal interrupted, a queue that is full. Which calls are meant is said by counting,
//! so a run with faults is replayed as exactly as any other.

use serde::{Deserialize, Serialize};

use super::{Template, Values};

/// The least number of bytes that a write is cut to: one of up to PIPE_BUF bytes goes into a pipe whole (pipe(7)).
pub const LEAST_WRITTEN: u64 = 4096;

/// Calls of the learner's processes that do not go as they would have gone. `On` is how an object is named: a template in
/// an exercise, a text in an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault<On = String> {
    /// A path, a POSIX name, `stdin`, `stdout`, `stderr`, or any other name, which stands for every anonymous pipe and
    /// socket and every System V queue. None where the call is about no object.
    pub on: Option<On>,
    /// Which calls.
    pub call: FaultyCall,
    /// What becomes of them.
    pub becomes: Mishap,
    /// How many of these calls go well before the first that does not, in the order of the run.
    pub after: u32,
    /// How many do not go well; none is all that come.
    pub times: Option<u32>,
}

/// The calls that can be made to go wrong, in the words of exercises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultyCall {
    /// read(2) and its kin.
    Read,
    /// write(2) and its kin.
    Write,
    /// open(2), mq_open(3), shm_open(3).
    Open,
    /// mq_send(3), msgsnd(2).
    Send,
    /// mq_receive(3), msgrcv(2).
    Receive,
    /// wait(2) and its kin.
    Wait,
    /// fork(2) and its kin, not of threads.
    Fork,
}

impl FaultyCall {
    /// All, by name.
    pub const ALL: [(&'static str, Self); 7] = [
        ("read", Self::Read),
        ("write", Self::Write),
        ("open", Self::Open),
        ("send", Self::Send),
        ("receive", Self::Receive),
        ("wait", Self::Wait),
        ("fork", Self::Fork),
    ];

    /// Whether the call is about an object that has a name.
    pub fn has_object(self) -> bool {
        !matches!(self, Self::Wait | Self::Fork)
    }

    /// Whether the call moves some of the bytes that it was asked for, rather than a whole message.
    pub fn moves_bytes(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// It moves at most so many bytes.
    AtMost(u64),
    /// It is not made and fails.
    Fails(FaultError),
}

macro_rules! errors {
    ($($name:ident $number:literal $what:literal,)+) => {
        /// An error by its name in errno(3).
        #[allow(clippy::upper_case_acronyms, reason = "they are the manual's names")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum FaultError {
            $(#[doc = $what] $name,)+
        }

        impl FaultError {
            /// All, by name.
            pub const ALL: &'static [(&'static str, Self)] = &[$((stringify!($name), Self::$name),)+];

            /// The name, as in errno(3).
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The kernel's number (asm-generic/errno-base.h and errno.h, which x86 and ARM share).
            pub fn number(self) -> i32 {
                match self { $(Self::$name => $number,)+ }
            }
        }
    };
}

errors! {
    EPERM 1 "Not permitted.",
    ENOENT 2 "No such file.",
    EINTR 4 "A signal interrupted the call.",
    EIO 5 "The device failed.",
    ENXIO 6 "No such device, or no reader of a FIFO.",
    ECHILD 10 "No children.",
    EAGAIN 11 "Not now: try again.",
    ENOMEM 12 "Out of memory.",
    EACCES 13 "Permission denied.",
    EBUSY 16 "Busy.",
    EEXIST 17 "There already.",
    ENFILE 23 "Too many open files in the system.",
    EMFILE 24 "Too many open files.",
    EFBIG 27 "The file is too large.",
    ENOSPC 28 "No space left.",
    EROFS 30 "Read-only file system.",
    EPIPE 32 "Nobody reads.",
    ENOSYS 38 "No such call here.",
    EIDRM 43 "The queue was removed.",
    EMSGSIZE 90 "The message is too long.",
    ECONNRESET 104 "The other side is gone.",
    ENOBUFS 105 "No room for buffers.",
    ETIMEDOUT 110 "The time is over.",
    EDQUOT 122 "Over quota.",
}

impl Fault<Template> {
    /// The fault with its object's name as it is in one run.
    ///
    /// # Errors
    /// The name of a value that is not drawn.
    pub fn resolve(&self, values: &Values) -> Result<Fault, String> {
        let text = |on: &Template| on.resolve(values).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let on = self.on.as_ref().map(text).transpose()?;
        Ok(Fault { on, call: self.call, becomes: self.becomes, after: self.after, times: self.times })
    }
}

impl<On: std::fmt::Display> Fault<On> {
    /// What it does to a run, after "in a run in which".
    pub fn said(&self) -> String {
        let on = self.on.as_ref().map_or_else(String::new, |on| format!(" of {on}"));
        let verb = match self.call {
            FaultyCall::Read => "reads",
            FaultyCall::Write => "writes",
            FaultyCall::Open => "opens",
            FaultyCall::Send => "sends",
            FaultyCall::Receive => "receives",
            FaultyCall::Wait => "waits",
            FaultyCall::Fork => "forks",
        };
        let on = match self.call {
            FaultyCall::Write | FaultyCall::Send => on.replacen(" of ", " to ", 1),
            FaultyCall::Read | FaultyCall::Receive => on.replacen(" of ", " from ", 1),
            _ => on,
        };
        match self.becomes {
            Mishap::AtMost(1) => format!("{verb}{on} move one byte at a time"),
            Mishap::AtMost(most) => format!("{verb}{on} move at most {most} bytes each"),
            Mishap::Fails(error) => {
                let once = if self.times == Some(1) { "one of the " } else { "" };
                let fail = if self.times == Some(1) { "fails" } else { "fail" };
                format!("{once}{verb}{on} {fail} with {}", error.name())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_kernels_numbers() {
        assert_eq!(FaultError::EINTR.number(), libc::EINTR);
        for (name, error) in FaultError::ALL {
            let known = nix::errno::Errno::from_raw(error.number());
            assert_eq!(format!("{known:?}"), *name);
        }
    }

    #[test]
    fn a_fault_is_said_in_words() {
        let fault = |call, becomes, times| Fault { on: Some("data"), call, becomes, after: 0, times }.said();
        assert_eq!(fault(FaultyCall::Read, Mishap::AtMost(1), None), "reads from data move one byte at a time");
        assert_eq!(fault(FaultyCall::Write, Mishap::AtMost(4096), None), "writes to data move at most 4096 bytes each");
        assert_eq!(
            fault(FaultyCall::Receive, Mishap::Fails(FaultError::EINTR), Some(1)),
            "one of the receives from data fails with EINTR"
        );
        assert_eq!(
            Fault::<String> {
                on: None,
                call: FaultyCall::Fork,
                becomes: Mishap::Fails(FaultError::EAGAIN),
                after: 1,
                times: None
            }
            .said(),
            "forks fail with EAGAIN"
        );
    }
}
