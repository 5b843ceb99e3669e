//! Where in the learner's source a thread is: its innermost frame whose file is the learner's.
//!
//! A thread that has stopped is walked from frame to frame, by the unwind tables of the files that its code was mapped
//! from, or by frame pointers where a file has none (framehop knows both). Each address is looked up in its file's line
//! tables, inlined functions too (addr2line), until one of the learner's comes. A handler's frames lead through the
//! kernel's signal frame to what was interrupted.
//!
//! This costs some ten microseconds for each event, so a run that is graded goes without; what it showed is shown once
//! more with stacks ([`super::Options::sites`]).
//!
//! Architecture invariant: looks at tracees and changes nothing in them, so a run with stacks is the same run.

mod image;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use framehop::{CacheNative, FrameAddress, MayAllocateDuringUnwind, Module, Unwinder, UnwinderNative};
use serde::{Deserialize, Serialize};

use self::image::{Image, Place, Section};
use super::proc;
use crate::sys::arch::Frame;
use crate::sys::memory;
use crate::trace::Site;
use crate::trace::raw::Tid;

/// Frames that are looked at; a recursion that is deeper shows its innermost ones.
const DEEPEST: usize = 256;
/// How much of a stack is read at once.
const CHUNK: usize = 4096;

/// Whose frames are the learner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sites {
    /// Those of files with relative paths: graded programs are compiled so.
    Relative,
    /// Those of the program's own file whose sources are on this machine, outside of Rust's own folders; shown relative
    /// to the working directory.
    OnDisk,
}

/// The stacks of a run's threads.
pub(super) struct Stacks {
    whose: Sites,
    /// By process.
    spaces: HashMap<Tid, Rc<Space>>,
    /// Where each thread was when it last stopped.
    last: HashMap<Tid, Option<Site>>,
    cache: CacheNative<MayAllocateDuringUnwind>,
}

/// What a process has mapped to run.
struct Space {
    unwinder: UnwinderNative<Section, MayAllocateDuringUnwind>,
    mapped: Vec<Mapped>,
}

struct Mapped {
    start: u64,
    end: u64,
    /// What to subtract from an address in memory.
    bias: u64,
    image: Rc<Image>,
    /// It is the program's own file.
    own: bool,
}

impl std::fmt::Debug for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Space").field("mapped", &self.mapped.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Stacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stacks").field("whose", &self.whose).field("last", &self.last).finish_non_exhaustive()
    }
}

impl Stacks {
    pub(super) fn new(whose: Sites) -> Self {
        Self { whose, spaces: HashMap::new(), last: HashMap::new(), cache: CacheNative::new() }
    }

    /// Looks where a thread of a process is that has stopped in this frame.
    pub(super) fn note(&mut self, tid: Tid, process: Tid, frame: Frame) {
        let site = self.walk(tid, process, frame).or_else(|| {
            // Where libc makes a thread it leaves out how to get back (glibc, clone.S), and nothing is on the stack yet.
            let caller = frame.of_leaf(|addr| memory::read_u64(tid, addr)).filter(|_| frame.behind)?;
            self.walk(tid, process, caller)
        });
        self.last.insert(tid, site);
    }

    /// Where a thread was when it last stopped.
    pub(super) fn last(&self, tid: Tid) -> Option<Site> {
        self.last.get(&tid).cloned().flatten()
    }

    /// Where a thread was that is not there any more.
    pub(super) fn take(&mut self, tid: Tid) -> Option<Site> {
        self.last.remove(&tid).flatten()
    }

    /// A child has its parent's mappings.
    pub(super) fn forked(&mut self, parent: Tid, child: Tid) {
        if let Some(space) = self.spaces.get(&parent) {
            self.spaces.insert(child, Rc::clone(space));
        }
    }

    /// A new program has mappings of its own.
    pub(super) fn exec(&mut self, process: Tid) {
        self.spaces.remove(&process);
    }

    fn walk(&mut self, tid: Tid, process: Tid, mut frame: Frame) -> Option<Site> {
        let mut space = self.space(process, frame.instruction);
        let mut stack = Stack { tid, start: 0, bytes: Vec::new() };
        for _ in 0..DEEPEST {
            if space.find(frame.instruction).is_none() {
                // A library may have been loaded since.
                space = self.space(process, frame.instruction);
            }
            if let Some(site) = self.learners(&space, frame) {
                return Some(site);
            }
            let code = |addr, bytes: &mut [u8]| memory::read(tid, addr, bytes) == Ok(bytes.len());
            frame = match frame.interrupted(code, |addr| stack.word(addr)) {
                Some(interrupted) => interrupted,
                None => space.caller(frame, &mut self.cache, &mut stack)?,
            };
        }
        None
    }

    /// The mappings of a process, read again where they lack an address.
    fn space(&mut self, process: Tid, address: u64) -> Rc<Space> {
        let known = self.spaces.get(&process).filter(|space| space.find(address).is_some());
        if let Some(space) = known {
            return Rc::clone(space);
        }
        let space = Rc::new(Space::of(process));
        self.spaces.insert(process, Rc::clone(&space));
        space
    }

    /// The learner's place at a frame, where it is one of theirs.
    fn learners(&self, space: &Space, frame: Frame) -> Option<Site> {
        // A call's return address may already be the next line's.
        let address = if frame.behind { frame.instruction.checked_sub(1)? } else { frame.instruction };
        let mapped = space.find(address)?;
        let places = mapped.image.places(address.wrapping_sub(mapped.bias));
        places.iter().find_map(|place| {
            let file = self.whose.shown(&place.file, mapped.own)?;
            let Place { line, column, ref function, .. } = *place;
            Some(Site { file, line, column, function: function.clone() })
        })
    }
}

impl Sites {
    /// The file as the learner knows it, where it is the learner's.
    fn shown(self, file: &str, own: bool) -> Option<String> {
        match self {
            Self::Relative => {
                let file = file.strip_prefix("./").unwrap_or(file);
                Path::new(file).is_relative().then(|| file.to_owned()).filter(|file| !file.starts_with('<'))
            }
            Self::OnDisk => {
                let foreign = ["/rustc/", "/lib/rustlib/", "/registry/src/", "/git/checkouts/"];
                if !own || foreign.iter().any(|part| file.contains(part)) || !Path::new(file).is_file() {
                    return None;
                }
                let here = std::env::current_dir().unwrap_or_default();
                let shown = Path::new(file).strip_prefix(here).map_or_else(|_| PathBuf::from(file), Path::to_path_buf);
                Some(shown.display().to_string())
            }
        }
    }
}

impl Space {
    /// What /proc says that a process has mapped (proc_pid_maps(5)).
    fn of(process: Tid) -> Self {
        let own = std::fs::read_link(format!("/proc/{process}/exe")).unwrap_or_default();
        let mut space = Self { unwinder: UnwinderNative::new(), mapped: Vec::new() };
        let maps = proc::text(process, "maps");
        for line in maps.lines() {
            let mut fields = line.splitn(6, ' ');
            let (Some(range), Some(may), Some(offset)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let path = fields.nth(2).map_or("", str::trim_start);
            if !may.contains('x') || !path.starts_with('/') {
                continue;
            }
            let hex = |text: &str| u64::from_str_radix(text, 16).ok();
            let range = range.split_once('-').and_then(|(start, end)| Some((hex(start)?, hex(end)?)));
            let (Some((start, end)), Some(offset)) = (range, hex(offset)) else { continue };
            let is_own = Path::new(path) == own;
            // Paths are the tracee's; its own file can be had whatever it is called and wherever it has gone.
            let file = if is_own { format!("/proc/{process}/exe") } else { format!("/proc/{process}/root{path}") };
            let Some(image) = image::open(Path::new(&file)) else { continue };
            let Some(bias) = image.bias(start, offset) else { continue };
            space.unwinder.add_module(Module::new(path.to_owned(), start..end, bias, image.tables()));
            space.mapped.push(Mapped { start, end, bias, image, own: is_own });
        }
        space
    }

    fn find(&self, address: u64) -> Option<&Mapped> {
        self.mapped.iter().find(|mapped| (mapped.start..mapped.end).contains(&address))
    }

    /// The frame that called this one; none at the outermost, or where nobody can tell.
    fn caller(
        &self,
        frame: Frame,
        cache: &mut CacheNative<MayAllocateDuringUnwind>,
        stack: &mut Stack,
    ) -> Option<Frame> {
        let mut registers = frame.unwind_registers();
        let address = if frame.behind {
            FrameAddress::from_return_address(frame.instruction)?
        } else {
            FrameAddress::from_instruction_pointer(frame.instruction)
        };
        let mut read = |addr| stack.word(addr).ok_or(());
        let instruction = self.unwinder.unwind_frame(address, &mut registers, cache, &mut read).ok()??;
        Some(Frame { instruction, stack: registers.sp(), base: registers.bp(), behind: true })
    }
}

/// A thread's stack, read piece by piece.
struct Stack {
    tid: Tid,
    start: u64,
    bytes: Vec<u8>,
}

impl Stack {
    fn word(&mut self, addr: u64) -> Option<u64> {
        if let Some(word) = self.read(addr) {
            return Some(word);
        }
        self.bytes = memory::read_vec(self.tid, addr, CHUNK);
        self.start = addr;
        self.read(addr)
    }

    fn read(&self, addr: u64) -> Option<u64> {
        let at = usize::try_from(addr.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(8)?)?;
        Some(u64::from_ne_bytes(bytes.try_into().expect("eight bytes")))
    }
}
