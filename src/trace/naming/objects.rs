//! Kernel objects: what identifies them while the run lasts, and what they are called afterwards.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::{Index, IndexMut};

use super::memory::Stores;
use super::messages::Messages;
use super::streams::{Stream, Units};
use crate::model::Signal;
use crate::trace::canonical::{EventId, LifeId, ObjectId, ObjectKind};
use crate::trace::raw::{FileKind, RawFile, SysvFamily};

/// Where POSIX shared memory lives (shm_overview(7)).
const SHM_FOLDER: &str = "/dev/shm/";
/// What glibc puts before a named semaphore's name there (sem_overview(7)).
const SEM_PREFIX: &str = "/dev/shm/sem.";
/// Names of POSIX queues live in a space of their own; this keeps them apart from paths, which begin with a slash.
const QUEUE_PREFIX: &str = "queue:";

/// An object with all that is on its way through it.
#[derive(Debug)]
pub(super) struct Thing {
    pub(super) kind: ObjectKind,
    pub(super) creator: Option<LifeId>,
    pub(super) naming: Naming,
    /// What stands behind the name: `[1]` of a set of semaphores, `+16` of a word in memory.
    pub(super) suffix: String,
    /// No event about it is told: a folder, a device, a file of the system's.
    pub(super) untold: bool,
    /// A thread sleeps in opening it, so it is a FIFO, and nothing else is known of it yet.
    pub(super) promised: bool,
    /// It was open before the run, or has its other end in the world outside.
    pub(super) outside: bool,
    /// A file that somebody in the run writes or made.
    pub(super) written: bool,
    /// Told at the end: it still has a name.
    pub(super) left_behind: bool,
    /// Names of it in a file system.
    pub(super) links: u32,
    /// Its System V identifier, until it is removed.
    pub(super) sysv: Option<(SysvFamily, i32)>,
    /// Open file descriptions by which it can be read.
    pub(super) readers: u32,
    /// Open file descriptions by which it can be written.
    pub(super) writers: u32,
    /// The latest opening for reading and for writing: what a FIFO's open waits for.
    pub(super) opened: [Option<EventId>; 2],
    /// Who used its identifier, since when: System V objects have no descriptors.
    pub(super) users: BTreeMap<LifeId, EventId>,
    /// What a signalfd takes.
    pub(super) takes: Option<Vec<Signal>>,
    /// Made close-on-exec as one of a pair; closed by an exec; never carried a byte but perhaps an error's number:
    /// the pair by which the standard library's Command hears from its child.
    pub(super) spawn: Spawn,
    pub(super) stream: Stream,
    pub(super) units: Units,
    pub(super) messages: Messages,
    pub(super) stores: Stores,
    /// Wakes that have not found their waiters yet, and how many each woke.
    pub(super) wakes: VecDeque<(EventId, u64)>,
    /// The last write to it.
    pub(super) last_write: Option<EventId>,
}

/// How an object is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Naming {
    /// By this.
    Fixed(String),
    /// By its creator, this word and a number.
    Ordinal(&'static str, u32),
    /// As that object, with a suffix.
    Within(ObjectId),
}

/// Whether a socket pair is only a part of spawning a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spawn {
    /// The other direction.
    pub(super) twin: Option<ObjectId>,
    /// Both ends were made close-on-exec.
    pub(super) cloexec: bool,
    /// An exec closed it.
    pub(super) closed_by_exec: bool,
    /// It carried something else than a failed exec's report.
    pub(super) carried: bool,
}

/// A name in a file system, or of a POSIX queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) object: ObjectId,
    /// The raw event that made it.
    pub(super) since: u32,
    /// It was made in this run.
    pub(super) made: bool,
}

/// A word that futex calls are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Word {
    /// In memory that processes share.
    Shared(ObjectId, u64),
    /// In a process's own.
    Own(LifeId, u64),
}

/// All objects of a run.
#[derive(Debug, Default)]
pub(super) struct Objects {
    things: Vec<Thing>,
    by_identity: HashMap<(FileKind, u64, u64), ObjectId>,
    /// By a socket's identity what it writes and what it reads.
    sockets: HashMap<(u64, u64), (ObjectId, ObjectId)>,
    /// What sockets were bound to.
    addresses: HashMap<String, ObjectId>,
    links: HashMap<String, Link>,
    sysv: HashMap<(SysvFamily, i32), ObjectId>,
    /// Semaphores of a System V set beyond the first.
    members: HashMap<(ObjectId, u16), ObjectId>,
    words: HashMap<Word, ObjectId>,
    ordinals: HashMap<(Option<LifeId>, &'static str), u32>,
    /// The program's working directory with a slash behind it.
    cwd: String,
}

impl Index<ObjectId> for Objects {
    type Output = Thing;

    fn index(&self, id: ObjectId) -> &Thing {
        &self.things[id.index()]
    }
}

impl IndexMut<ObjectId> for Objects {
    fn index_mut(&mut self, id: ObjectId) -> &mut Thing {
        &mut self.things[id.index()]
    }
}

impl Objects {
    /// Names are told relative to this folder from now on.
    pub(super) fn set_cwd(&mut self, cwd: &str) {
        self.cwd = format!("{}/", cwd.trim_end_matches('/'));
    }

    /// Whether a path lies where programs under judgement put their own things.
    pub(super) fn is_own_place(&self, path: &str) -> bool {
        path.starts_with(SHM_FOLDER)
            || (self.cwd.len() > 1 && path.starts_with(&self.cwd))
            || self.links.contains_key(path)
    }

    /// A new object.
    pub(super) fn add(&mut self, kind: ObjectKind, creator: Option<LifeId>, naming: Naming) -> ObjectId {
        let naming = match naming {
            Naming::Ordinal(word, _) => {
                let count = self.ordinals.entry((creator, word)).or_default();
                *count += 1;
                Naming::Ordinal(word, *count)
            }
            other => other,
        };
        self.things.push(Thing {
            kind,
            creator,
            naming,
            suffix: String::new(),
            untold: false,
            promised: false,
            outside: false,
            written: false,
            left_behind: false,
            links: 0,
            sysv: None,
            readers: 0,
            writers: 0,
            opened: [None; 2],
            users: BTreeMap::new(),
            takes: None,
            spawn: Spawn::default(),
            stream: Stream::default(),
            units: Units::default(),
            messages: Messages::default(),
            stores: Stores::default(),
            wakes: VecDeque::new(),
            last_write: None,
        });
        ObjectId(self.things.len() as u32 - 1)
    }

    /// A new object that is called by its creator and a number.
    pub(super) fn add_ordinal(&mut self, kind: ObjectKind, creator: Option<LifeId>, word: &'static str) -> ObjectId {
        self.add(kind, creator, Naming::Ordinal(word, 0))
    }

    /// The object behind a file, where it is known. Descriptors of anonymous inodes all look alike and are never
    /// known by their identity.
    pub(super) fn known(&self, file: &RawFile) -> Option<ObjectId> {
        if file.kind == FileKind::Anonymous {
            return None;
        }
        self.by_identity.get(&(file.kind, file.dev, file.ino)).copied()
    }

    /// From now on this identity is that object's; an earlier owner of it is gone.
    pub(super) fn identify(&mut self, file: &RawFile, object: ObjectId) {
        if file.kind != FileKind::Anonymous {
            self.by_identity.insert((file.kind, file.dev, file.ino), object);
        }
    }

    /// The identity is free: a new object took it over.
    pub(super) fn forget(&mut self, file: &RawFile) {
        self.by_identity.remove(&(file.kind, file.dev, file.ino));
    }

    /// Gives a socket its two directions.
    pub(super) fn identify_socket(&mut self, file: &RawFile, writes: ObjectId, reads: ObjectId) {
        self.sockets.insert((file.dev, file.ino), (writes, reads));
    }

    /// A socket was bound to this name.
    pub(super) fn bound(&mut self, address: &str, object: ObjectId) {
        self.addresses.insert(address.to_owned(), object);
    }

    /// The socket that was last bound to this name.
    pub(super) fn at_address(&self, address: &str) -> Option<ObjectId> {
        self.addresses.get(address).copied()
    }

    /// What a socket writes and what it reads.
    pub(super) fn socket(&self, file: &RawFile) -> Option<(ObjectId, ObjectId)> {
        self.sockets.get(&(file.dev, file.ino)).copied()
    }

    /// The object behind a file, made up where it is not known.
    pub(super) fn of_file(&mut self, file: &RawFile, creator: Option<LifeId>) -> ObjectId {
        if let Some(known) = self.known(file) {
            return known;
        }
        let kind = match file.kind {
            FileKind::Pipe => ObjectKind::Pipe,
            FileKind::Fifo => ObjectKind::Fifo,
            FileKind::Socket => ObjectKind::Socket,
            FileKind::Regular => ObjectKind::File,
            FileKind::Terminal => ObjectKind::Terminal,
            FileKind::Shm if file.path.starts_with(SEM_PREFIX) => ObjectKind::Semaphore,
            FileKind::Shm => ObjectKind::Shm,
            FileKind::Memory => ObjectKind::SharedMapping,
            FileKind::Queue => ObjectKind::Queue,
            FileKind::Folder | FileKind::Anonymous | FileKind::Other => ObjectKind::Other,
        };
        let has_path = !matches!(file.kind, FileKind::Pipe | FileKind::Socket | FileKind::Memory | FileKind::Anonymous)
            && !file.path.is_empty();
        let naming = if has_path { Naming::Fixed(self.short(&file.path)) } else { Naming::Ordinal(word(kind), 0) };
        let object = self.add(kind, creator, naming);
        let system = ["/proc/", "/sys/", "/dev/"].iter().any(|folder| file.path.starts_with(folder));
        let thing = &mut self[object];
        thing.untold = match file.kind {
            FileKind::Folder | FileKind::Anonymous => true,
            FileKind::Regular | FileKind::Other => system,
            _ => false,
        };
        // What is not known to have been made in this run has an end outside.
        thing.outside = creator.is_none();
        self.identify(file, object);
        object
    }

    /// A path as people read it: relative to the working directory, POSIX names with their slash.
    pub(super) fn short(&self, path: &str) -> String {
        if let Some(name) = path.strip_prefix(SEM_PREFIX).or_else(|| path.strip_prefix(SHM_FOLDER)) {
            return format!("/{name}");
        }
        match path.strip_prefix(&self.cwd) {
            Some(relative) if self.cwd.len() > 1 && !relative.is_empty() => relative.to_owned(),
            _ => path.to_owned(),
        }
    }

    /// A path in full, as the kernel tells it.
    pub(super) fn long(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}{path}", self.cwd) }
    }

    /// Where a shared memory object's name is found.
    pub(super) fn shm_path(name: &str) -> String {
        format!("{SHM_FOLDER}{}", name.trim_start_matches('/'))
    }

    /// Where a queue's name is found.
    pub(super) fn queue_path(name: &str) -> String {
        format!("{QUEUE_PREFIX}/{}", name.trim_start_matches('/'))
    }

    /// Gives an object one more name.
    pub(super) fn link(&mut self, path: &str, object: ObjectId, since: u32, made: bool) {
        let old = self.links.insert(path.to_owned(), Link { object, since, made });
        if old.is_none_or(|old| old.object != object) {
            self[object].links += 1;
        }
        if let Some(old) = old.filter(|old| old.object != object) {
            self[old.object].links = self[old.object].links.saturating_sub(1);
        }
    }

    /// Removes a name.
    pub(super) fn unlink(&mut self, path: &str) -> Option<Link> {
        let link = self.links.remove(path)?;
        self[link.object].links = self[link.object].links.saturating_sub(1);
        Some(link)
    }

    /// What a name stands for.
    pub(super) fn linked(&self, path: &str) -> Option<Link> {
        self.links.get(path).copied()
    }

    /// The object with this identifier.
    pub(super) fn by_id(&self, family: SysvFamily, id: i32) -> Option<ObjectId> {
        self.sysv.get(&(family, id)).copied()
    }

    /// From now on the identifier is that object's.
    pub(super) fn set_id(&mut self, family: SysvFamily, id: i32, object: ObjectId) {
        self[object].sysv = Some((family, id));
        self.sysv.insert((family, id), object);
    }

    /// The identifier is nobody's.
    pub(super) fn remove_id(&mut self, family: SysvFamily, id: i32) -> Option<ObjectId> {
        let object = self.sysv.remove(&(family, id))?;
        self[object].sysv = None;
        Some(object)
    }

    /// A semaphore of a set; the first is the set's own object.
    pub(super) fn member(&mut self, set: ObjectId, number: u16) -> ObjectId {
        if number == 0 {
            return set;
        }
        if let Some(known) = self.members.get(&(set, number)) {
            return *known;
        }
        let creator = self[set].creator;
        let member = self.add(ObjectKind::Semaphore, creator, Naming::Within(set));
        self[member].suffix = format!("[{number}]");
        self.members.insert((set, number), member);
        member
    }

    /// Of the semaphores of a set that an operation takes from the first that has too little, as far as is known.
    pub(super) fn lacking(&self, set: ObjectId, ops: &[(u16, i16)]) -> ObjectId {
        let known = |number: u16| if number == 0 { Some(set) } else { self.members.get(&(set, number)).copied() };
        let takes =
            || ops.iter().filter(|(_, change)| *change < 0).filter_map(|(number, by)| Some((known(*number)?, by)));
        let lacks = takes().find(|(member, by)| self[*member].units.total() < u64::from(by.unsigned_abs()));
        lacks.or_else(|| takes().next()).map_or(set, |(member, _)| member)
    }

    /// The object that stands for the whole set of a semaphore; others are their own.
    pub(super) fn set_of(&self, member: ObjectId) -> ObjectId {
        self.members.iter().find(|(_, known)| **known == member).map_or(member, |((set, _), _)| *set)
    }

    /// The object that futex calls on a word are about: a named semaphore as a whole, else the word.
    pub(super) fn word(&mut self, word: Word) -> ObjectId {
        if let Word::Shared(memory, _) = word
            && self[memory].kind == ObjectKind::Semaphore
        {
            return memory;
        }
        if let Some(known) = self.words.get(&word) {
            return *known;
        }
        let object = match &word {
            Word::Shared(memory, offset) => {
                let creator = self[*memory].creator;
                let object = self.add(ObjectKind::Futex, creator, Naming::Within(*memory));
                self[object].suffix = format!("+{offset}");
                object
            }
            Word::Own(life, _) => self.add_ordinal(ObjectKind::Futex, Some(*life), "futex"),
        };
        self.words.insert(word, object);
        object
    }

    /// From now on futex calls on the word are about that object.
    pub(super) fn set_word(&mut self, word: Word, object: ObjectId) {
        self.words.insert(word, object);
    }

    /// What such words are is something else from now on.
    pub(super) fn forget_words(&mut self, gone: impl Fn(&Word) -> bool) {
        self.words.retain(|word, _| !gone(word));
    }

    /// A word's object, where there is one already.
    pub(super) fn known_word(&self, word: &Word) -> Option<ObjectId> {
        match word {
            Word::Shared(memory, _) if self[*memory].kind == ObjectKind::Semaphore => Some(*memory),
            _ => self.words.get(word).copied(),
        }
    }

    /// All objects, in order of creation.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ObjectId, &Thing)> {
        self.things.iter().enumerate().map(|(index, thing)| (ObjectId(index as u32), thing))
    }
}

/// What stands between creator and number in the name of an object that has no name of its own.
pub(super) fn word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Pipe => "pipe",
        ObjectKind::Fifo => "fifo",
        ObjectKind::Socket => "socket",
        ObjectKind::Stdin => "stdin",
        ObjectKind::Stdout => "stdout",
        ObjectKind::Stderr => "stderr",
        ObjectKind::File => "file",
        ObjectKind::Terminal => "terminal",
        ObjectKind::Shm | ObjectKind::SysvShm => "shm",
        ObjectKind::SharedMapping => "mapping",
        ObjectKind::Memfd => "memfd",
        ObjectKind::Queue | ObjectKind::SysvQueue => "queue",
        ObjectKind::Semaphore => "semaphore",
        ObjectKind::Lock => "lock",
        ObjectKind::Futex => "futex",
        ObjectKind::Eventfd => "eventfd",
        ObjectKind::Other => "other",
    }
}
