//! Descriptor tables and open file descriptions (open(2), "Open file descriptions").

use std::collections::BTreeMap;

use crate::trace::canonical::{EventId, ObjectId};
use crate::trace::raw::Fd;

/// An open file description, by its place among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(usize);

/// A descriptor table, by its place among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableId(usize);

/// What dup and fork share: an object's end or ends, open.
#[derive(Debug, Clone)]
pub(super) struct OpenFile {
    /// What it is open on; of a socket pair the direction that it writes.
    pub(super) about: ObjectId,
    /// What can be read through it.
    pub(super) reads: Option<ObjectId>,
    /// What can be written through it.
    pub(super) writes: Option<ObjectId>,
    /// It was open before the run, and closing it is nobody's doing.
    pub(super) inherited: bool,
    descriptors: u32,
}

/// A descriptor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) file: FileId,
    pub(super) cloexec: bool,
    /// The fork, pipe, open or receive that gave it to the process.
    pub(super) since: Option<EventId>,
}

#[derive(Debug, Default)]
struct Table {
    slots: BTreeMap<Fd, Slot>,
    users: u32,
}

/// All tables and open file descriptions of a run.
#[derive(Debug, Default)]
pub(super) struct Files {
    tables: Vec<Table>,
    open: Vec<OpenFile>,
}

impl Files {
    /// An empty table with one user.
    pub(super) fn new_table(&mut self) -> TableId {
        self.tables.push(Table { slots: BTreeMap::new(), users: 1 });
        TableId(self.tables.len() - 1)
    }

    /// One more process uses the table (CLONE_FILES).
    pub(super) fn share(&mut self, table: TableId) -> TableId {
        self.tables[table.0].users += 1;
        table
    }

    /// A copy of a table: each descriptor is one more of its open file description, and came with `since`.
    pub(super) fn copy(&mut self, table: TableId, since: Option<EventId>) -> TableId {
        let mut slots = self.tables[table.0].slots.clone();
        for slot in slots.values_mut() {
            self.open[slot.file.0].descriptors += 1;
            slot.since = since.or(slot.since);
        }
        self.tables.push(Table { slots, users: 1 });
        TableId(self.tables.len() - 1)
    }

    /// The table that a process has to itself from now on (execve, CLOSE_RANGE_UNSHARE).
    pub(super) fn unshare(&mut self, table: TableId) -> TableId {
        if self.tables[table.0].users <= 1 {
            return table;
        }
        self.tables[table.0].users -= 1;
        self.copy(table, None)
    }

    /// A process lets go of its table; the descriptors that nobody has any more.
    pub(super) fn leave(&mut self, table: TableId) -> Vec<Slot> {
        let table = &mut self.tables[table.0];
        table.users = table.users.saturating_sub(1);
        if table.users > 0 { Vec::new() } else { std::mem::take(&mut table.slots).into_values().collect() }
    }

    /// A new open file description without descriptors.
    pub(super) fn open(
        &mut self,
        about: ObjectId,
        reads: Option<ObjectId>,
        writes: Option<ObjectId>,
        inherited: bool,
    ) -> FileId {
        self.open.push(OpenFile { about, reads, writes, inherited, descriptors: 0 });
        FileId(self.open.len() - 1)
    }

    /// Puts a descriptor into a table; what stood at its number before is given back.
    pub(super) fn put(&mut self, table: TableId, fd: Fd, slot: Slot) -> Option<Slot> {
        self.open[slot.file.0].descriptors += 1;
        self.tables[table.0].slots.insert(fd, slot)
    }

    /// Takes a descriptor out of a table.
    pub(super) fn take(&mut self, table: TableId, fd: Fd) -> Option<Slot> {
        self.tables[table.0].slots.remove(&fd)
    }

    /// One descriptor less; true where it was the last of its open file description.
    pub(super) fn release(&mut self, file: FileId) -> bool {
        let open = &mut self.open[file.0];
        open.descriptors = open.descriptors.saturating_sub(1);
        open.descriptors == 0
    }

    /// A descriptor of a table.
    pub(super) fn slot(&self, table: TableId, fd: Fd) -> Option<Slot> {
        self.tables[table.0].slots.get(&fd).copied()
    }

    /// A descriptor of a table, to be changed.
    pub(super) fn slot_mut(&mut self, table: TableId, fd: Fd) -> Option<&mut Slot> {
        self.tables[table.0].slots.get_mut(&fd)
    }

    /// The descriptors of a table whose numbers lie in a range, lowest first.
    pub(super) fn range(&self, table: TableId, first: Fd, last: Fd) -> Vec<Fd> {
        if first > last {
            return Vec::new();
        }
        self.tables[table.0].slots.range(first..=last).map(|(fd, _)| *fd).collect()
    }

    /// The close-on-exec descriptors of a table, lowest first.
    pub(super) fn cloexec(&self, table: TableId) -> Vec<Fd> {
        self.tables[table.0].slots.iter().filter(|(_, slot)| slot.cloexec).map(|(fd, _)| *fd).collect()
    }

    /// All descriptors of a table.
    pub(super) fn slots(&self, table: TableId) -> impl Iterator<Item = &Slot> {
        self.tables[table.0].slots.values()
    }

    /// An open file description.
    pub(super) fn file(&self, file: FileId) -> &OpenFile {
        &self.open[file.0]
    }

    /// An open file description, to be changed.
    pub(super) fn file_mut(&mut self, file: FileId) -> &mut OpenFile {
        &mut self.open[file.0]
    }
}
