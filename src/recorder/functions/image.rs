//! What an executable file or library says of the functions in it, read once for each file.

use std::fs::File;
use std::sync::{Arc, LazyLock};

use object::Endianness;
use object::elf::{FileHeader64, PT_LOAD, SHT_DYNSYM, SHT_SYMTAB, STT_FUNC};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader, Sym};

use super::table::{self, Function, Role};
use crate::recorder::kept::Kept;

/// Locks of libc's loader and of the unwinder, by the names that they have in a static program: what is done to them is
/// no doing of the program's (glibc, elf/dl-support.c; GCC, libgcc/unwind-dw2-fde.c).
const OWN_LOCKS: [&[u8]; 4] = [b"_dl_load_lock", b"_dl_load_write_lock", b"_dl_load_tls_lock", b"object_mutex"];
/// What the address of errno is asked by (errno(3)).
const ERRNO_LOCATION: &[u8] = b"__errno_location";

/// A file's functions, at the addresses that it was linked for.
#[derive(Debug, Default)]
pub(super) struct Image {
    /// Where its first and last byte in memory are.
    pub(super) range: (u64, u64),
    /// Where it begins to run.
    pub(super) entry: u64,
    /// Those that the recorder knows.
    pub(super) functions: Vec<(u64, Function)>,
    /// Where libc's loader has its own locks.
    pub(super) own: Vec<(u64, u64)>,
    /// The function that says where errno is.
    pub(super) errno_location: Option<u64>,
}

/// Which of a file's symbols are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Names {
    /// What a library offers: `.dynsym`, by default versions.
    Library,
    /// A program with libc in it: `.symtab`.
    Static,
    /// A dynamic program's own functions that a handler must not call: `.symtab`.
    Rust,
}

static IMAGES: LazyLock<Kept<Names, Image>> = LazyLock::new(Kept::default);

/// The image of a file; one that is no ELF file or has no symbols gives an empty one.
pub(super) fn image(path: &str, names: Names) -> Arc<Image> {
    IMAGES.of(path, names, |file| read(file, names).unwrap_or_default()).unwrap_or_default()
}

/// Reads only what is needed of the file: headers, one table of symbols and its names.
fn read(file: File, names: Names) -> object::Result<Image> {
    let data = &ReadCache::new(file);
    let elf = FileHeader64::<Endianness>::parse(data)?;
    let endian = elf.endian()?;
    let mut image = Image { range: (u64::MAX, 0), entry: elf.e_entry(endian), ..Image::default() };
    for segment in elf.program_headers(endian, data)? {
        if segment.p_type(endian) == PT_LOAD {
            let (from, len) = (segment.p_vaddr(endian), segment.p_memsz(endian));
            image.range = (image.range.0.min(from), image.range.1.max(from.saturating_add(len)));
        }
    }
    let sections = elf.sections(endian, data)?;
    let versions = if names == Names::Library { sections.versions(endian, data)? } else { None };
    let symbols = sections.symbols(endian, data, if names == Names::Library { SHT_DYNSYM } else { SHT_SYMTAB })?;
    for (index, symbol) in symbols.enumerate() {
        let addr = symbol.st_value(endian);
        if addr == 0 {
            continue;
        }
        let name = symbols.symbol_name(endian, symbol)?;
        if names == Names::Static && OWN_LOCKS.contains(&name) {
            image.own.push((addr, addr + symbol.st_size(endian)));
        }
        // Not the resolvers of indirect functions (STT_GNU_IFUNC): none of those in the tables is one.
        if symbol.st_type() != STT_FUNC {
            continue;
        }
        // An old version of a name, for programs linked long ago, calls the new one where it does the same work.
        if versions.as_ref().is_some_and(|versions| versions.version_index(endian, index).is_hidden()) {
            continue;
        }
        if name == ERRNO_LOCATION {
            image.errno_location = Some(addr);
        }
        let function = match names {
            Names::Library => table::in_libc(name),
            Names::Static => table::in_libc(name).or_else(|| table::in_rust(name)),
            Names::Rust => table::in_rust(name),
        };
        if let Some(function) = function {
            image.functions.push((addr, function));
        }
    }
    // pthread_spin_init and pthread_spin_unlock store the same number, and are one function: the latter stays.
    let later = |function: &Function| matches!(function, Function::Sync(sync) if sync.role == Role::Release);
    image.functions.sort_unstable_by_key(|(addr, function)| (*addr, !later(function)));
    image.functions.dedup_by_key(|(addr, _)| *addr);
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libc() -> String {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("proc is there");
        let line = maps.lines().find(|line| line.contains("/libc.so.6")).expect("tests run with a dynamic glibc");
        line[line.find('/').expect("a path")..].to_owned()
    }

    #[test]
    fn libc_has_one_address_for_each() {
        let image = image(&libc(), Names::Library);
        let addresses = |name: &str| {
            let named = |function: &Function| matches!(function, Function::Sync(sync) if sync.name == name);
            image.functions.iter().filter(|(_, function)| named(function)).count()
        };
        assert_eq!(addresses("sem_post"), 1);
        assert_eq!(addresses("pthread_cond_signal"), 1, "the version of old programs is not asked for");
        assert!(image.errno_location.is_some());
        assert!(image.range.0 < image.range.1);
    }

    #[test]
    fn what_is_no_program_has_no_functions() {
        assert!(image("/proc/self/maps", Names::Library).functions.is_empty());
        assert!(image("/nowhere", Names::Static).functions.is_empty());
    }
}
