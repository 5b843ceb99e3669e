//! Descriptor tables and open file descriptions (open(2), "Open file descriptions").
//!
//! What an open file description leads to is for those who keep the tables: naming has objects there, the recorder's
//! model of the kernel has pipes.

use std::collections::BTreeMap;

use super::raw::Fd;

/// An open file description, by its place among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(usize);

/// A descriptor table, by its place among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableId(usize);

/// A descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot<S> {
    pub(crate) file: FileId,
    pub(crate) cloexec: bool,
    /// How the process came to it.
    pub(crate) since: S,
}

#[derive(Debug)]
struct Table<S> {
    slots: BTreeMap<Fd, Slot<S>>,
    users: u32,
}

/// What dup and fork share, and how many descriptors share it.
#[derive(Debug)]
struct Open<F> {
    file: F,
    descriptors: u32,
}

/// All tables and open file descriptions of a run; `F` is what a description leads to, `S` how a descriptor came about.
#[derive(Debug)]
pub(crate) struct Files<F, S> {
    tables: Vec<Table<S>>,
    open: Vec<Open<F>>,
}

impl<F, S> Default for Files<F, S> {
    fn default() -> Self {
        Self { tables: Vec::new(), open: Vec::new() }
    }
}

impl<F, S: Copy> Files<F, S> {
    /// An empty table with one user.
    pub(crate) fn new_table(&mut self) -> TableId {
        self.tables.push(Table { slots: BTreeMap::new(), users: 1 });
        TableId(self.tables.len() - 1)
    }

    /// One more process uses the table (CLONE_FILES).
    pub(crate) fn share(&mut self, table: TableId) -> TableId {
        self.tables[table.0].users += 1;
        table
    }

    /// How many processes or threads use a table.
    pub(crate) fn users(&self, table: TableId) -> u32 {
        self.tables[table.0].users
    }

    /// A copy of a table: each descriptor is one more of its open file description, and came about as `since` says.
    pub(crate) fn copy(&mut self, table: TableId, since: impl Fn(S) -> S) -> TableId {
        let mut slots = self.tables[table.0].slots.clone();
        for slot in slots.values_mut() {
            self.open[slot.file.0].descriptors += 1;
            slot.since = since(slot.since);
        }
        self.tables.push(Table { slots, users: 1 });
        TableId(self.tables.len() - 1)
    }

    /// The table that a process has to itself from now on (execve, CLOSE_RANGE_UNSHARE).
    pub(crate) fn unshare(&mut self, table: TableId) -> TableId {
        if self.tables[table.0].users <= 1 {
            return table;
        }
        self.tables[table.0].users -= 1;
        self.copy(table, |since| since)
    }

    /// A process lets go of its table; the descriptors that nobody has any more.
    pub(crate) fn leave(&mut self, table: TableId) -> Vec<Slot<S>> {
        let table = &mut self.tables[table.0];
        table.users = table.users.saturating_sub(1);
        if table.users > 0 { Vec::new() } else { std::mem::take(&mut table.slots).into_values().collect() }
    }

    /// A new open file description without descriptors.
    pub(crate) fn open(&mut self, file: F) -> FileId {
        self.open.push(Open { file, descriptors: 0 });
        FileId(self.open.len() - 1)
    }

    /// Puts a descriptor into a table; what stood at its number before is given back.
    pub(crate) fn put(&mut self, table: TableId, fd: Fd, slot: Slot<S>) -> Option<Slot<S>> {
        self.open[slot.file.0].descriptors += 1;
        self.tables[table.0].slots.insert(fd, slot)
    }

    /// Takes a descriptor out of a table.
    pub(crate) fn take(&mut self, table: TableId, fd: Fd) -> Option<Slot<S>> {
        self.tables[table.0].slots.remove(&fd)
    }

    /// One descriptor less; true where it was the last of its open file description.
    pub(crate) fn release(&mut self, file: FileId) -> bool {
        let open = &mut self.open[file.0];
        open.descriptors = open.descriptors.saturating_sub(1);
        open.descriptors == 0
    }

    /// A descriptor of a table.
    pub(crate) fn slot(&self, table: TableId, fd: Fd) -> Option<Slot<S>> {
        self.tables[table.0].slots.get(&fd).copied()
    }

    /// A descriptor of a table, to be changed.
    pub(crate) fn slot_mut(&mut self, table: TableId, fd: Fd) -> Option<&mut Slot<S>> {
        self.tables[table.0].slots.get_mut(&fd)
    }

    /// The descriptors of a table whose numbers lie in a range, lowest first.
    pub(crate) fn range(&self, table: TableId, first: Fd, last: Fd) -> Vec<Fd> {
        if first > last {
            return Vec::new();
        }
        self.tables[table.0].slots.range(first..=last).map(|(fd, _)| *fd).collect()
    }

    /// The close-on-exec descriptors of a table, lowest first.
    pub(crate) fn cloexec(&self, table: TableId) -> Vec<Fd> {
        self.tables[table.0].slots.iter().filter(|(_, slot)| slot.cloexec).map(|(fd, _)| *fd).collect()
    }

    /// All descriptors of a table.
    pub(crate) fn slots(&self, table: TableId) -> impl Iterator<Item = &Slot<S>> {
        self.tables[table.0].slots.values()
    }

    /// An open file description.
    pub(crate) fn file(&self, file: FileId) -> &F {
        &self.open[file.0].file
    }

    /// An open file description, to be changed.
    pub(crate) fn file_mut(&mut self, file: FileId) -> &mut F {
        &mut self.open[file.0].file
    }
}
