//! Which function an instruction stands in, by the symbol tables of the program and its libraries (elf(5)).
//!
//! At opt-level 0 an atomic load or store of Rust's is a plain `mov` inside a function of `core::sync::atomic`, and one of
//! C's with `-fno-inline-atomics` inside libatomic: the function tells atomic from plain. libc's functions on memory and
//! strings make many accesses that are one to the program.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::{Arc, LazyLock};

use object::{Object, ObjectSegment, ObjectSymbol, ObjectSymbolTable, SymbolKind};

use super::super::kept::Kept;
use super::super::proc;
use crate::sys::memory;
use crate::trace::raw::Tid;

/// What the function is that an access stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The program's own, or a library's.
    Plain,
    /// The language's atomics, or what libc synchronises by.
    Atomic,
    /// libc's functions on memory: their accesses are one.
    Bulk,
    /// libc's functions on strings: likewise, and they look further than a string reaches.
    Text,
}

impl Class {
    /// Whether the accesses of one call are one to the program.
    pub(super) fn is_one(self) -> bool {
        matches!(self, Self::Bulk | Self::Text)
    }
}

/// The executable parts of an address space, as /proc/PID/maps has them.
#[derive(Debug, Default)]
pub(super) struct Images {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    from: u64,
    to: u64,
    /// Where it begins in its file.
    offset: u64,
    functions: Arc<Functions>,
}

/// The functions of one file that matter.
#[derive(Debug, Default)]
struct Functions {
    /// From a file's offsets to the addresses that it is linked at: offset, length, address.
    segments: Vec<(u64, u64, u64)>,
    /// By address: end and class.
    by_start: Vec<(u64, u64, Class)>,
    /// Where the addresses of libc's functions on memory and strings stand once the loader has chosen them, and which.
    slots: Vec<(u64, Class)>,
    libc: bool,
    libatomic: bool,
}

/// By the name of the file, which says whether it is libc.
static FUNCTIONS: LazyLock<Kept<String, Functions>> = LazyLock::new(Kept::default);

/// None of libc's functions on memory and strings is longer.
const LONGEST: u64 = 16 << 10;

impl Images {
    /// The class of the function that holds this instruction.
    pub(super) fn class(&mut self, tid: Tid, at: u64) -> Class {
        if self.part(at).is_none() {
            self.read_maps(tid);
        }
        let Some(part) = self.part(at) else { return Class::Plain };
        if let Some(class) = part.class(at) {
            return class;
        }
        if !part.functions.libc {
            return Class::Plain;
        }
        // libc keeps the names of its inner functions to itself: those that work on memory, of which the loader chooses
        // one for the processor, and the slow ways of what synchronises.
        let chosen = self.parts.iter().flat_map(|part| {
            let bias = part.bias();
            part.functions
                .slots
                .iter()
                .filter_map(move |(slot, class)| Some((memory::read_u64(tid, bias?.wrapping_add(*slot))?, *class)))
        });
        let nearest =
            chosen.filter(|(start, _)| (*start..start + LONGEST).contains(&at)).max_by_key(|(start, _)| *start);
        nearest.map_or(Class::Atomic, |(_, class)| class)
    }

    /// Whether an instruction is libc's, or its loader's.
    pub(super) fn is_libcs(&mut self, tid: Tid, at: u64) -> bool {
        if self.part(at).is_none() {
            self.read_maps(tid);
        }
        self.part(at).is_some_and(|part| part.functions.libc)
    }

    fn part(&self, at: u64) -> Option<&Part> {
        self.parts.iter().find(|part| part.holds(at))
    }

    fn read_maps(&mut self, tid: Tid) {
        let maps = proc::text(tid, "maps");
        self.parts.clear();
        for line in maps.lines() {
            let mut fields = line.split_whitespace();
            let (Some(range), Some(rights), Some(offset), Some(path)) =
                (fields.next(), fields.next(), fields.next(), fields.nth(2))
            else {
                continue;
            };
            let number = |hex| u64::from_str_radix(hex, 16).unwrap_or(0);
            let Some((from, to)) = range.split_once('-').filter(|_| rights.contains('x') && path.starts_with('/'))
            else {
                continue;
            };
            let name = path.rsplit('/').next().unwrap_or(path);
            let read = |mut file: File| {
                let mut bytes = Vec::new();
                // What cannot be read has no functions that are known.
                let _ = file.read_to_end(&mut bytes);
                Functions::read(&bytes, name)
            };
            let file = format!("/proc/{tid}/root{path}");
            let functions = FUNCTIONS.of(&file, name.to_owned(), read);
            let functions = functions.unwrap_or_else(|| Arc::new(Functions::read(&[], name)));
            self.parts.push(Part { from: number(from), to: number(to), offset: number(offset), functions });
        }
    }
}

impl Part {
    fn holds(&self, at: u64) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// How far from where it is linked at it was loaded.
    fn bias(&self) -> Option<u64> {
        Some(self.from.wrapping_sub(self.functions.addr(self.offset)?))
    }

    fn class(&self, at: u64) -> Option<Class> {
        if self.functions.libatomic {
            return Some(Class::Atomic);
        }
        let offset = at - self.from + self.offset;
        self.functions.class(self.functions.addr(offset)?)
    }
}

impl Functions {
    fn read(file: &[u8], name: &str) -> Self {
        let libc = ["libc.so", "libc-", "ld-linux", "libpthread"].iter().any(|prefix| name.starts_with(prefix));
        let libatomic = name.starts_with("libatomic");
        let Ok(elf) = object::File::parse(file) else { return Self { libc, libatomic, ..Self::default() } };
        let segments = elf.segments().map(|it| (it.file_range().0, it.file_range().1, it.address())).collect();
        let mut by_start: Vec<_> = elf
            .symbols()
            .chain(elf.dynamic_symbols())
            .filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown) && symbol.size() > 0)
            .map(|symbol| {
                let class = class_of(symbol.name().unwrap_or_default());
                (symbol.address(), symbol.address() + symbol.size(), class)
            })
            .collect();
        by_start.sort_unstable_by_key(|(start, end, _)| (*start, *end));
        by_start.dedup_by_key(|(start, ..)| *start);
        Self { segments, by_start, slots: slots(&elf), libc, libatomic }
    }

    /// Where a byte of the file is linked at.
    fn addr(&self, offset: u64) -> Option<u64> {
        let (start, _, addr) = self.segments.iter().find(|(start, len, _)| (*start..start + len).contains(&offset))?;
        Some(offset - start + addr)
    }

    fn class(&self, at: u64) -> Option<Class> {
        let after = self.by_start.partition_point(|(start, ..)| *start <= at);
        let (_, end, class) = self.by_start[..after].last()?;
        (at < *end).then_some(*class)
    }
}

/// The places that the loader fills with the addresses of libc's functions on memory and strings: by their names, or
/// inside of libc by the function that chooses (STT_GNU_IFUNC, R_X86_64_IRELATIVE and its like elsewhere).
fn slots(elf: &object::File<'_>) -> Vec<(u64, Class)> {
    let choosers: HashMap<u64, Class> = elf
        .dynamic_symbols()
        .map(|symbol| (symbol.address(), class_of(symbol.name().unwrap_or_default())))
        .filter(|(addr, class)| *addr != 0 && class.is_one())
        .collect();
    let symbols = elf.dynamic_symbol_table();
    let relocations = elf.dynamic_relocations().into_iter().flatten();
    relocations
        .filter_map(|(slot, relocation)| {
            let class = match relocation.target() {
                object::RelocationTarget::Symbol(index) => {
                    class_of(symbols.as_ref()?.symbol_by_index(index).ok()?.name().ok()?)
                }
                _ => *choosers.get(&(relocation.addend() as u64))?,
            };
            class.is_one().then_some((slot, class))
        })
        .collect()
}

/// Functions of libc's that synchronise, beside those that begin with `pthread_`.
const SYNCHRONISE: [&str; 6] =
    ["sem_wait", "sem_post", "sem_trywait", "sem_timedwait", "sem_clockwait", "sem_getvalue"];
/// libc's functions on memory and strings; where they are linked statically, the processor's variant is named behind.
const BULK: [&str; 32] = [
    "memcpy",
    "memmove",
    "mempcpy",
    "memset",
    "memcmp",
    "bcmp",
    "memchr",
    "memrchr",
    "rawmemchr",
    "memccpy",
    "bcopy",
    "bzero",
    "strlen",
    "strnlen",
    "strcpy",
    "strncpy",
    "stpcpy",
    "stpncpy",
    "strcat",
    "strncat",
    "strcmp",
    "strncmp",
    "strcasecmp",
    "strncasecmp",
    "strchr",
    "strrchr",
    "strchrnul",
    "strstr",
    "strspn",
    "strcspn",
    "strpbrk",
    "strlcpy",
];
const VARIANTS: [&str; 9] = ["_sse", "_ssse", "_avx", "_evex", "_erms", "_generic", "_unaligned", "_chk", "_inline"];

fn class_of(name: &str) -> Class {
    if name.contains("4core4sync6atomic") || name.starts_with("__atomic_") || name.starts_with("libat_") {
        return Class::Atomic;
    }
    if name.contains("compiler_builtins3mem") {
        return Class::Bulk;
    }
    let plain = name.trim_start_matches('_');
    let inner = ["pthread_", "new_sem_", "lll_lock", "lll_unlock"].iter().any(|prefix| plain.starts_with(prefix));
    let inner = inner || name.starts_with("__sem_");
    if inner || SYNCHRONISE.contains(&plain) {
        return Class::Atomic;
    }
    let bulk = BULK.iter().filter_map(|known| plain.strip_prefix(known));
    let known = |rest: &str| rest.is_empty() || VARIANTS.iter().any(|variant| rest.starts_with(variant));
    match bulk.into_iter().any(known) {
        true if plain.starts_with("st") => Class::Text,
        true => Class::Bulk,
        false => Class::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_by_their_names() {
        let check = |name: &str, class: Class| assert_eq!(class_of(name), class, "{name}");
        check("_ZN4core4sync6atomic12atomic_store17h4e6e0acc06e15a27E", Class::Atomic);
        check("_RINvNtNtCs1234_4core4sync6atomic11atomic_loadmECs5678_1a", Class::Atomic);
        check("__atomic_store_4", Class::Atomic);
        check("pthread_mutex_lock", Class::Atomic);
        check("__pthread_mutex_unlock_full", Class::Atomic);
        check("sem_post", Class::Atomic);
        check("__sem_wait_cleanup", Class::Atomic);
        check("sem_worker", Class::Plain);
        check("memcpy", Class::Bulk);
        check("__memmove_avx_unaligned_erms", Class::Bulk);
        check("__strlen_sse2", Class::Text);
        check("memcpy_of_mine", Class::Plain);
        check("main", Class::Plain);
    }
}
