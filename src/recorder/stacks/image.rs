//! An ELF file: its unwind tables and its lines, read once and kept for later runs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;

use addr2line::Context;
use framehop::ExplicitModuleSectionInfo;
use gimli::{Dwarf, EndianRcSlice, NativeEndian, SectionId};
use object::elf::PF_X;
use object::{
    Object, ObjectSection, ObjectSegment, ObjectSymbol, ReadCache, SegmentFlags, SymbolKind, SymbolMap, SymbolMapEntry,
};

/// Bytes that are shared with those who unwind by them.
pub(super) type Section = Rc<[u8]>;
type Lines = Context<EndianRcSlice<NativeEndian>>;

/// Images that are kept; a worker meets a program, its libraries, and then the next program.
const KEPT: usize = 16;
/// An address that has been asked for is not looked for twice, up to this many of one image.
const KNOWN: usize = 1 << 16;

/// A file that code was mapped from. Addresses are the file's own (`p_vaddr`).
pub(super) struct Image {
    /// Offset in the file, address, length: what the loader maps.
    segments: Vec<(u64, u64, u64)>,
    /// Section data by name, with its address.
    text: Option<(u64, Section)>,
    eh_frame: Option<(u64, Section)>,
    eh_frame_hdr: Option<(u64, Section)>,
    lines: Option<Lines>,
    /// Functions by address: line tables alone name only what was inlined.
    functions: SymbolMap<Function>,
    known: RefCell<HashMap<u64, Rc<[Place]>>>,
}

/// A function of the symbol table.
struct Function {
    address: u64,
    name: String,
}

impl SymbolMapEntry for Function {
    fn address(&self) -> u64 {
        self.address
    }
}

/// A place in some source that an address belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// As the compiler named it.
    pub(super) file: String,
    pub(super) line: u32,
    /// 0 where unknown.
    pub(super) column: u32,
    pub(super) function: Option<String>,
}

/// A file's identity and its time of change: device, inode, seconds, nanoseconds.
type Identity = (u64, u64, i64, i64);

thread_local! {
    /// What earlier runs of this thread have read; none where a file is no ELF file.
    static IMAGES: RefCell<HashMap<Identity, Option<Rc<Image>>>> = RefCell::default();
}

/// The image of a file; none where it is no ELF file that can be read.
pub(super) fn open(path: &Path) -> Option<Rc<Image>> {
    let file = File::open(path).ok()?;
    let seen = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let key = (seen.dev(), seen.ino(), seen.mtime(), seen.mtime_nsec());
    if let Some(known) = IMAGES.with_borrow(|images| images.get(&key).cloned()) {
        return known;
    }
    let image = Image::read(file).map(Rc::new);
    IMAGES.with_borrow_mut(|images| {
        if images.len() >= KEPT {
            images.clear();
        }
        images.insert(key, image.clone());
    });
    image
}

impl Image {
    fn read(file: File) -> Option<Self> {
        let cache = ReadCache::new(file);
        let elf = object::File::parse(&cache).ok()?;
        let section = |name: &str| {
            let section = elf.section_by_name(name)?;
            Some((section.address(), Section::from(section.uncompressed_data().ok()?)))
        };
        let executable = elf
            .segments()
            .filter(|segment| matches!(segment.flags(), SegmentFlags::Elf { p_flags, .. } if p_flags.0 & PF_X.0 != 0));
        let segments = executable.map(|segment| {
            let (offset, size) = segment.file_range();
            (offset, segment.address(), size)
        });
        let lines = section(".debug_line").and_then(|_| {
            let load = |id: SectionId| {
                let data = section(id.name()).map_or_else(|| Section::from([]), |(_, data)| data);
                Ok::<_, gimli::Error>(EndianRcSlice::new(data, NativeEndian))
            };
            Context::from_dwarf(Dwarf::load(load).ok()?).ok()
        });
        // Only who has lines is asked for functions.
        let symbols = elf.symbols().filter(|symbol| lines.is_some() && symbol.kind() == SymbolKind::Text);
        let functions = symbols
            .filter(|symbol| symbol.is_definition())
            .filter_map(|symbol| Some(Function { address: symbol.address(), name: symbol.name().ok()?.to_owned() }));
        Some(Self {
            functions: SymbolMap::new(functions.collect()),
            segments: segments.collect(),
            text: section(".text"),
            eh_frame: section(".eh_frame"),
            eh_frame_hdr: section(".eh_frame_hdr"),
            lines,
            known: RefCell::default(),
        })
    }

    /// How far addresses in memory are from those of the file, where code at a file's offset stands at `start`.
    pub(super) fn bias(&self, start: u64, offset: u64) -> Option<u64> {
        // The loader maps whole pages (elf(5)): a segment's first page may begin before the segment does.
        const PAGE: u64 = 4096;
        let (at, address, _) =
            self.segments.iter().find(|(at, _, len)| (at - at % PAGE..at + len).contains(&offset))?;
        let first = address.checked_sub(at - at % PAGE).map(|_| address - at % PAGE)?;
        Some(start.wrapping_sub(first + (offset - (at - at % PAGE))))
    }

    /// What framehop unwinds by.
    pub(super) fn tables(&self) -> ExplicitModuleSectionInfo<Section> {
        let range = |section: &Option<(u64, Section)>| {
            section.as_ref().map(|(address, data)| *address..*address + data.len() as u64)
        };
        let data = |section: &Option<(u64, Section)>| section.as_ref().map(|(_, data)| Rc::clone(data));
        ExplicitModuleSectionInfo {
            base_svma: 0,
            text_svma: range(&self.text),
            text: data(&self.text),
            eh_frame_svma: range(&self.eh_frame),
            eh_frame: data(&self.eh_frame),
            eh_frame_hdr_svma: range(&self.eh_frame_hdr),
            eh_frame_hdr: data(&self.eh_frame_hdr),
            ..Default::default()
        }
    }

    /// The places of an address, the innermost of what was inlined there first.
    pub(super) fn places(&self, address: u64) -> Rc<[Place]> {
        if let Some(known) = self.known.borrow().get(&address) {
            return Rc::clone(known);
        }
        let places: Rc<[Place]> = self.look_up(address).unwrap_or_default().into();
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(address, Rc::clone(&places));
        places
    }

    fn look_up(&self, address: u64) -> Option<Vec<Place>> {
        let mut frames = self.lines.as_ref()?.find_frames(address).skip_all_loads().ok()?;
        let mut places = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.as_ref().and_then(|name| Some(name.demangle().ok()?.into_owned()));
            let Some(location) = frame.location else { continue };
            let (Some(file), Some(line @ 1..)) = (location.file, location.line) else { continue };
            places.push(Place { file: file.to_owned(), line, column: location.column.unwrap_or(0), function });
        }
        // The outermost one is the function that stands at this address.
        if let Some(Place { function: function @ None, .. }) = places.last_mut() {
            let name = self.functions.before(address).map(|function| function.name.as_str());
            *function = name.map(|name| addr2line::demangle_auto(name.into(), None).into_owned());
        }
        Some(places)
    }
}
