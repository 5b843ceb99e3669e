//! An address space: where breakpoints stand in it, and where what is mapped.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::image::{self, Image, Names};
use super::table::{Function, Sync};
use crate::recorder::decode::files::{Mapping, mappings};
use crate::sys::arch::{BREAKPOINT, errno_offset};
use crate::sys::memory;
use crate::trace::raw::Tid;

/// Beginnings of the names of the files that have the functions: before glibc 2.34 libpthread was a library of its own.
const LIBRARIES: [&str; 4] = ["libc.so.", "libc-", "libpthread.so.", "libpthread-"];
/// What the loader is called; it calls functions of libc's for itself.
const LOADERS: [&str; 2] = ["ld-linux", "ld-"];

const PAGE: u64 = 4096;

/// What the recorder knows of a process's memory, or of several that share one.
#[derive(Debug, Default)]
pub(super) struct Space {
    pub(super) sites: HashMap<u64, Site>,
    /// Where the program begins to run.
    pub(super) program: u64,
    /// The same, until it is reached.
    pub(super) entry: Option<u64>,
    /// Where libc and its loader are.
    libc: Vec<(u64, u64)>,
    /// Where locks of libc's own are in a static program.
    own: Vec<(u64, u64)>,
    /// Functions that a handler must not call.
    pub(super) not_in_handlers: Vec<(u64, &'static str)>,
    /// The program's own functions of that kind have been looked for.
    pub(super) looked_at_program: bool,
    /// How many handlers run, for which those have breakpoints.
    pub(super) handlers: u32,
    /// How far errno is from the thread pointer.
    pub(super) errno: Option<i64>,
    /// What is mapped, until that changes.
    pub(super) mappings: Option<Vec<Mapping>>,
    /// Spin locks that were used: the first use is the init, which has no address of its own.
    pub(super) spins: BTreeSet<u64>,
    /// Where in private memory functions were called for something.
    pub(super) own_objects: BTreeSet<u64>,
    /// /proc/PID/mem, opened when first written to.
    memory: Option<File>,
}

/// A place with a breakpoint, and why.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Site {
    /// What stands there in the program.
    pub(super) byte: u8,
    /// A function that synchronises begins here.
    pub(super) sync: Option<&'static Sync>,
    /// One that a handler must not call begins here.
    pub(super) not_in_handlers: Option<&'static str>,
    /// A function has returned or will return here.
    pub(super) returns: bool,
}

impl Space {
    /// That of a program which begins to run at `entry`, of which nothing is known yet.
    pub(super) fn of(entry: u64) -> Self {
        Self { program: entry, ..Self::default() }
    }

    /// A child's copy.
    pub(super) fn copied(&self) -> Self {
        Self {
            sites: self.sites.clone(),
            program: self.program,
            entry: self.entry,
            libc: self.libc.clone(),
            own: self.own.clone(),
            not_in_handlers: self.not_in_handlers.clone(),
            looked_at_program: self.looked_at_program,
            handlers: self.handlers,
            errno: self.errno,
            mappings: self.mappings.clone(),
            spins: self.spins.clone(),
            own_objects: self.own_objects.clone(),
            memory: None,
        }
    }

    /// Puts a breakpoint at an address, for the reason that `why` notes. Where nothing is mapped there, none.
    pub(super) fn plant(&mut self, tid: Tid, addr: u64, why: impl FnOnce(&mut Site)) {
        if let Some(site) = self.sites.get_mut(&addr) {
            why(site);
            return;
        }
        let mut byte = [0];
        if memory::read(tid, addr, &mut byte) != Ok(1) || !self.write(tid, addr, &[BREAKPOINT]) {
            return;
        }
        let mut site = Site { byte: byte[0], ..Site::default() };
        why(&mut site);
        self.sites.insert(addr, site);
    }

    /// Puts breakpoints at functions of one page, by address, as [`Space::plant`] does but all at once.
    ///
    /// For the beginning of a program, when one thread is all there is.
    fn plant_page(&mut self, tid: Tid, places: &[(u64, &'static Sync)]) {
        let fresh = !places.iter().any(|(addr, _)| self.sites.contains_key(addr));
        let ([(first, _), .., (last, _)], true) = (places, fresh) else {
            places.iter().for_each(|(addr, sync)| self.plant(tid, *addr, |site| site.sync = Some(sync)));
            return;
        };
        let mut bytes = memory::read_vec(tid, *first, (last - first + 1) as usize);
        if bytes.len() as u64 != last - first + 1 {
            return;
        }
        let mut sites = Vec::new();
        for (addr, sync) in places {
            let byte = std::mem::replace(&mut bytes[(addr - first) as usize], BREAKPOINT);
            sites.push((*addr, Site { byte, sync: Some(sync), ..Site::default() }));
        }
        if self.write(tid, *first, &bytes) {
            self.sites.extend(sites);
        }
    }

    /// Takes a breakpoint away.
    pub(super) fn unplant(&mut self, tid: Tid, addr: u64) {
        if let Some(site) = self.sites.remove(&addr) {
            self.write(tid, addr, &[site.byte]);
        }
    }

    /// Writes into the program's text; whether that went well. It does not where the process was killed, or has
    /// unmapped the place.
    pub(super) fn write(&mut self, tid: Tid, addr: u64, bytes: &[u8]) -> bool {
        if self.memory.is_none() {
            self.memory = OpenOptions::new().write(true).open(format!("/proc/{tid}/mem")).ok();
        }
        self.memory.as_ref().is_some_and(|memory| memory.write_all_at(bytes, addr).is_ok())
    }

    /// The functions of a program that has libc in it.
    pub(super) fn plant_static(&mut self, tid: Tid, entry: u64) {
        let image = image::image(&format!("/proc/{tid}/exe"), Names::Static);
        let bias = entry.wrapping_sub(image.entry);
        self.looked_at_program = true;
        self.own.extend(image.own.iter().map(|(from, to)| (from.wrapping_add(bias), to.wrapping_add(bias))));
        self.take_in(tid, &image, bias);
    }

    /// libc's functions, now that the loader has mapped it.
    pub(super) fn plant_libraries(&mut self, tid: Tid) {
        let mapped = mappings(tid);
        for mapping in mapped.iter().filter(|mapping| mapping.start == 0 && mapping.name.starts_with('/')) {
            let file = mapping.name.rsplit('/').next().unwrap_or_default();
            let is_libc = LIBRARIES.iter().any(|library| file.starts_with(library));
            if !is_libc && !LOADERS.iter().any(|loader| file.starts_with(loader)) {
                continue;
            }
            let image = image::image(&format!("/proc/{tid}/root{}", mapping.name), Names::Library);
            if image.range.0 >= image.range.1 {
                continue;
            }
            let bias = mapping.from.wrapping_sub(image.range.0);
            self.libc.push((mapping.from, image.range.1.wrapping_add(bias)));
            if is_libc {
                self.take_in(tid, &image, bias);
            }
        }
        self.mappings = Some(mapped);
    }

    fn take_in(&mut self, tid: Tid, image: &Image, bias: u64) {
        let mut places = Vec::new();
        for (addr, function) in &image.functions {
            let addr = addr.wrapping_add(bias);
            match function {
                Function::Sync(sync) => places.push((addr, *sync)),
                Function::Unsafe(name) => self.not_in_handlers.push((addr, name)),
            }
        }
        for page in places.chunk_by(|(one, _), (other, _)| one / PAGE == other / PAGE) {
            self.plant_page(tid, page);
        }
        if let Some(addr) = image.errno_location.map(|addr| addr.wrapping_add(bias)) {
            let code = memory::read_vec(tid, addr, 32);
            self.errno = self.errno.or_else(|| errno_offset(addr, &code, |addr| memory::read_u64(tid, addr)));
        }
    }

    /// The program's own functions that a handler must not call: a Rust program has `print!` in it.
    pub(super) fn look_at_program(&mut self, tid: Tid) {
        if std::mem::replace(&mut self.looked_at_program, true) {
            return;
        }
        let path = format!("/proc/{tid}/exe");
        let image = image::image(&path, Names::Rust);
        let program = crate::recorder::decode::files::link(&path);
        let first = mappings(tid).into_iter().find(|mapping| mapping.start == 0 && mapping.name == program);
        let Some(first) = first else { return };
        let bias = first.from.wrapping_sub(image.range.0 & !0xfff);
        for (addr, function) in &image.functions {
            if let Function::Unsafe(name) = function {
                self.not_in_handlers.push((addr.wrapping_add(bias), name));
            }
        }
    }

    /// Nothing lies here any more. Whether something did in private memory for which functions were called.
    pub(super) fn unmap(&mut self, range: Range<u64>) -> bool {
        let [_, gone] = [&mut self.spins, &mut self.own_objects].map(|places| {
            let gone: Vec<u64> = places.range(range.clone()).copied().collect();
            gone.iter().for_each(|addr| {
                places.remove(addr);
            });
            !gone.is_empty()
        });
        gone
    }

    /// Whether an address is in libc or its loader, or in a lock that they have for themselves.
    pub(super) fn is_libcs(&self, addr: u64) -> bool {
        self.libc.iter().chain(&self.own).any(|(from, to)| (*from..*to).contains(&addr))
    }

    /// The mapping that holds an address. `fresh`: what was there before may be gone, without a call that we saw.
    pub(super) fn mapping(&mut self, tid: Tid, addr: u64, fresh: bool) -> Option<&Mapping> {
        let holds = |mapping: &Mapping| (mapping.from..mapping.to).contains(&addr);
        let known = |space: &Self| space.mappings.as_ref().is_some_and(|all| all.iter().any(holds));
        if fresh || !known(self) {
            self.mappings = Some(mappings(tid));
        }
        self.mappings.as_ref()?.iter().find(|mapping| holds(mapping))
    }
}
