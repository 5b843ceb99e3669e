//! System V semaphores: their values, and what the ends of processes give back (semop(2), semctl(2), ipc/sem.c).
//!
//! Who waits is not known here: those that go on after a change are chosen among the ones that the asker names, in the
//! order in which they came. As in the kernel, those that wait for zero go first and change nothing; then the first whose
//! operations can all be made, and so on from the beginning until none is left that can.

use std::collections::{BTreeMap, HashMap};

use nix::errno::Errno;

use crate::trace::raw::Tid;

/// The largest value, and the largest adjustment at an end (SEMVMX and SEMAEM in semop(2) and linux/sem.h).
const LARGEST: i32 = 32_767;

/// One of the operations of a call (struct sembuf).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) number: u16,
    pub(crate) change: i16,
    /// IPC_NOWAIT.
    pub(crate) nowait: bool,
    /// SEM_UNDO.
    pub(crate) undo: bool,
}

/// What would come of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Only the kernel knows.
    Unknown,
    /// They would wait.
    Waits,
    /// They fail at once, and none is made.
    Fails(Errno),
    /// All are made.
    Done,
}

/// A call that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting<'a> {
    pub(crate) tid: Tid,
    pub(crate) id: i32,
    pub(crate) operations: &'a [Operation],
}

/// All sets of a run, by their identifiers, and the lists of what is given back.
#[derive(Debug, Default)]
pub(crate) struct Semaphores {
    /// None where the set is not modelled.
    sets: HashMap<i32, Option<Vec<u16>>>,
    /// Whose list each thread's is; threads share one (CLONE_SYSVSEM in clone(2)).
    lists: HashMap<Tid, u32>,
    given_back: HashMap<u32, List>,
    made_lists: u32,
    /// Those that wait may not have to any more.
    changed: bool,
}

/// What is added to semaphores when the last of its users ends.
#[derive(Debug, Default)]
struct List {
    users: u32,
    adjustments: BTreeMap<i32, Vec<i16>>,
}

/// The values of a set after operations, and the adjustments of whoever made them.
type Changed = (Vec<u16>, Vec<i16>);

impl Semaphores {
    /// semget(2) gave this identifier. One that nobody has had before is a new set, of semaphores that are all 0;
    /// `known`: its owner may use it, and so may all that are in the run.
    pub(crate) fn got(&mut self, id: i32, count: u64, known: bool) {
        let values = (known && count > 0).then(|| vec![0; count as usize]);
        self.sets.entry(id).or_insert(values);
    }

    /// Whether the set is modelled.
    pub(crate) fn models(&self, id: i32) -> bool {
        matches!(self.sets.get(&id), Some(Some(_)))
    }

    /// The set is not modelled any more, or is gone.
    pub(crate) fn abandon(&mut self, id: i32) {
        self.sets.insert(id, None);
        self.given_back.values_mut().for_each(|list| drop(list.adjustments.remove(&id)));
    }

    /// No set is modelled any more.
    pub(crate) fn abandon_all(&mut self) {
        self.sets.values_mut().for_each(|set| *set = None);
        self.given_back.values_mut().for_each(|list| list.adjustments.clear());
    }

    /// A thread was made; `shares`: with its maker's list (CLONE_SYSVSEM).
    pub(crate) fn forked(&mut self, parent: Tid, child: Tid, shares: bool) {
        if shares {
            let list = self.list_of(parent);
            self.given_back.entry(list).or_default().users += 1;
            self.lists.insert(child, list);
        }
    }

    /// A thread ended: where nobody shares its list, what is on it is given back, as far as values go (semop(2), BUGS).
    pub(crate) fn gone(&mut self, tid: Tid) {
        let Some(of) = self.lists.remove(&tid) else { return };
        let Some(list) = self.given_back.get_mut(&of) else { return };
        list.users -= 1;
        if list.users > 0 {
            return;
        }
        for (id, adjustments) in self.given_back.remove(&of).unwrap_or_default().adjustments {
            let Some(Some(values)) = self.sets.get_mut(&id) else { continue };
            for (value, by) in values.iter_mut().zip(adjustments) {
                *value = (i32::from(*value) + i32::from(by)).clamp(0, LARGEST) as u16;
            }
            self.changed = true;
        }
    }

    /// Another program, whose first thread has the list of the one that called (semop(2)).
    pub(crate) fn exec(&mut self, tid: Tid, former: Tid) {
        if former == tid {
            return;
        }
        let kept = self.lists.remove(&former);
        self.gone(tid);
        self.lists.extend(kept.map(|list| (tid, list)));
    }

    fn list_of(&mut self, tid: Tid) -> u32 {
        *self.lists.entry(tid).or_insert_with(|| {
            self.made_lists += 1;
            self.given_back.insert(self.made_lists, List { users: 1, adjustments: BTreeMap::new() });
            self.made_lists
        })
    }

    /// What would come of a thread's operations.
    pub(crate) fn ask(&self, tid: Tid, id: i32, operations: &[Operation]) -> Outcome {
        self.after(tid, id, operations).map_or_else(|outcome| outcome, |_| Outcome::Done)
    }

    /// Makes a thread's operations, where they can be made; what comes of them.
    pub(crate) fn operate(&mut self, tid: Tid, id: i32, operations: &[Operation]) -> Outcome {
        let (values, adjustments) = match self.after(tid, id, operations) {
            Ok(after) => after,
            Err(outcome) => return outcome,
        };
        self.sets.insert(id, Some(values));
        if operations.iter().any(|operation| operation.undo) {
            let list = self.list_of(tid);
            self.given_back.entry(list).or_default().adjustments.insert(id, adjustments);
        }
        self.changed |= operations.iter().any(|operation| operation.change != 0);
        Outcome::Done
    }

    /// One operation after the other: the first that cannot be made decides (semop(2)).
    fn after(&self, tid: Tid, id: i32, operations: &[Operation]) -> Result<Changed, Outcome> {
        let Some(Some(values)) = self.sets.get(&id) else { return Err(Outcome::Unknown) };
        if operations.iter().any(|operation| usize::from(operation.number) >= values.len()) {
            return Err(Outcome::Fails(Errno::EFBIG));
        }
        let mut values = values.clone();
        let list = self.lists.get(&tid).and_then(|list| self.given_back.get(list));
        let known = list.and_then(|list| list.adjustments.get(&id).cloned());
        let mut adjustments = known.unwrap_or_else(|| vec![0; values.len()]);
        for Operation { number, change, nowait, undo } in operations {
            let place = usize::from(*number);
            let (value, change) = (i32::from(values[place]), i32::from(*change));
            if change == 0 && value != 0 || value + change < 0 {
                return Err(if *nowait { Outcome::Fails(Errno::EAGAIN) } else { Outcome::Waits });
            }
            let adjustment = i32::from(adjustments[place]) - change;
            if value + change > LARGEST || *undo && !(-LARGEST - 1..=LARGEST).contains(&adjustment) {
                return Err(Outcome::Fails(Errno::ERANGE));
            }
            values[place] = (value + change) as u16;
            if *undo {
                adjustments[place] = adjustment as i16;
            }
        }
        Ok((values, adjustments))
    }

    /// SETVAL and SETALL: nothing that was done before to these is given back any more (semctl(2)).
    pub(crate) fn set(&mut self, id: i32, new: &[(u16, u16)]) {
        let Some(Some(values)) = self.sets.get_mut(&id) else { return };
        for (number, value) in new {
            let place = usize::from(*number);
            if let Some(there) = values.get_mut(place) {
                *there = *value;
            }
            let lists = self.given_back.values_mut().filter_map(|list| list.adjustments.get_mut(&id));
            lists.filter_map(|adjustments| adjustments.get_mut(place)).for_each(|adjustment| *adjustment = 0);
        }
        self.changed = true;
    }

    /// Makes the operations of those that need not wait any more, in the order in which the kernel would: their places
    /// among `waiting`, who came first stands first.
    pub(crate) fn wake(&mut self, waiting: &[Waiting<'_>]) -> Vec<(usize, Outcome)> {
        let mut woken: Vec<(usize, Outcome)> = Vec::new();
        if !std::mem::take(&mut self.changed) {
            return woken;
        }
        let for_zero = |one: &Waiting<'_>| one.operations.iter().all(|operation| operation.change == 0);
        let order = || {
            let all = || waiting.iter().enumerate();
            all().filter(|(_, one)| for_zero(one)).chain(all().filter(|(_, one)| !for_zero(one)))
        };
        loop {
            let left = order().filter(|(place, _)| woken.iter().all(|(other, _)| other != place));
            let mut asked = left.map(|(place, one)| (place, one, self.ask(one.tid, one.id, one.operations)));
            let next = asked.find(|(.., outcome)| matches!(outcome, Outcome::Done | Outcome::Fails(_)));
            let Some((place, Waiting { tid, id, operations }, _)) = next else { break };
            woken.push((place, self.operate(*tid, *id, operations)));
        }
        self.changed = false;
        woken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: i32 = 5;

    fn op(number: u16, change: i16) -> Operation {
        Operation { number, change, nowait: false, undo: false }
    }

    fn undo(number: u16, change: i16) -> Operation {
        Operation { undo: true, ..op(number, change) }
    }

    fn with(values: &[u16]) -> Semaphores {
        let mut sets = Semaphores::default();
        sets.got(ID, values.len() as u64, true);
        let new: Vec<_> = values.iter().enumerate().map(|(place, value)| (place as u16, *value)).collect();
        sets.set(ID, &new);
        sets.changed = false;
        sets
    }

    fn values(sets: &Semaphores) -> Vec<u16> {
        sets.sets[&ID].clone().expect("it is modelled")
    }

    /// Who of these wakes, each with its operations and in the order in which they came.
    #[track_caller]
    fn check_woken(sets: &mut Semaphores, waiting: &[&[Operation]], expected: &[usize]) {
        let all: Vec<Waiting<'_>> = waiting
            .iter()
            .enumerate()
            .map(|(place, operations)| Waiting { tid: 10 + place as Tid, id: ID, operations })
            .collect();
        let woken = sets.wake(&all);
        assert_eq!(woken, expected.iter().map(|place| (*place, Outcome::Done)).collect::<Vec<_>>());
    }

    #[test]
    fn all_operations_are_made_or_none() {
        let mut sets = with(&[1, 0]);
        assert_eq!(sets.operate(1, ID, &[op(0, -1), op(1, -1)]), Outcome::Waits);
        assert_eq!(values(&sets), [1, 0]);
        assert_eq!(sets.operate(1, ID, &[op(0, -1), op(1, 1)]), Outcome::Done);
        assert_eq!(values(&sets), [0, 1]);
        assert_eq!(sets.operate(1, ID, &[op(0, 2), op(0, -1), op(0, -1), op(0, 0)]), Outcome::Done);
        assert_eq!(sets.operate(1, ID, &[op(1, 0)]), Outcome::Waits);
        assert_eq!(sets.operate(1, ID, &[op(0, 0), op(0, 1)]), Outcome::Done);
        assert_eq!(sets.operate(1, ID, &[op(0, 0), op(0, 1)]), Outcome::Waits);
    }

    #[test]
    fn the_first_that_cannot_be_made_decides() {
        let mut sets = with(&[0, 1]);
        let nowait = |number, change| Operation { nowait: true, ..op(number, change) };
        assert_eq!(sets.ask(1, ID, &[nowait(0, -1), op(1, 0)]), Outcome::Fails(Errno::EAGAIN));
        assert_eq!(sets.ask(1, ID, &[op(1, 0), nowait(0, -1)]), Outcome::Waits);
        assert_eq!(sets.ask(1, ID, &[op(2, 1)]), Outcome::Fails(Errno::EFBIG));
        assert_eq!(sets.operate(1, ID, &[op(0, i16::MAX)]), Outcome::Done);
        assert_eq!(sets.ask(1, ID, &[op(0, 1)]), Outcome::Fails(Errno::ERANGE));
        assert_eq!(sets.ask(1, 6, &[op(0, 1)]), Outcome::Unknown);
    }

    #[test]
    fn who_waits_for_zero_is_first_and_others_in_their_order() {
        let mut sets = with(&[0]);
        assert_eq!(sets.operate(1, ID, &[op(0, 3)]), Outcome::Done);
        // The first wants too much, and goes on waiting; the one for zero comes after those that bring it there.
        check_woken(&mut sets, &[&[op(0, -4)], &[op(0, -2)], &[op(0, 0)], &[op(0, -1)], &[op(0, -1)]], &[1, 3, 2]);
        assert_eq!(values(&sets), [0]);
        check_woken(&mut sets, &[&[op(0, 0)]], &[]);
    }

    #[test]
    fn one_that_is_woken_wakes_others() {
        let mut sets = with(&[0, 0]);
        sets.operate(1, ID, &[op(0, 1)]);
        check_woken(&mut sets, &[&[op(1, -1)], &[op(0, -1), op(1, 2)], &[op(1, -1)]], &[1, 0, 2]);
    }

    #[test]
    fn what_waits_may_fail_when_others_change_the_values() {
        let mut sets = with(&[0, 0]);
        sets.operate(1, ID, &[op(0, 1)]);
        let nowait = Operation { nowait: true, ..op(1, -1) };
        let waiting = [Waiting { tid: 2, id: ID, operations: &[op(0, -1), nowait] }];
        assert_eq!(sets.wake(&waiting), [(0, Outcome::Fails(Errno::EAGAIN))]);
        assert_eq!(values(&sets), [1, 0]);
    }

    #[test]
    fn ends_give_back_what_the_last_user_of_the_list_did() {
        let mut sets = with(&[2, 0]);
        sets.operate(1, ID, &[undo(0, -1), op(0, -1), undo(1, 3)]);
        sets.forked(1, 2, true);
        sets.forked(1, 3, false);
        sets.operate(2, ID, &[undo(1, 2)]);
        sets.operate(3, ID, &[undo(1, -1)]);
        assert_eq!(values(&sets), [0, 4]);
        sets.gone(1);
        assert_eq!(values(&sets), [0, 4]);
        sets.operate(9, ID, &[op(1, -1)]);
        sets.changed = false;
        sets.gone(2);
        // Five are to be taken from three.
        assert_eq!(values(&sets), [1, 0]);
        assert!(sets.changed);
        sets.gone(3);
        assert_eq!(values(&sets), [1, 1]);
    }

    #[test]
    fn a_value_that_is_set_is_not_given_back_and_an_exec_changes_nothing() {
        let mut sets = with(&[1, 1]);
        sets.operate(1, ID, &[undo(0, -1), undo(1, -1)]);
        sets.set(ID, &[(0, 7)]);
        sets.forked(1, 2, true);
        sets.gone(1);
        sets.exec(1, 2);
        assert_eq!(values(&sets), [7, 0]);
        sets.gone(1);
        assert_eq!(values(&sets), [7, 1]);
        let largest = Operation { change: i16::MIN, ..undo(0, 0) };
        sets.set(ID, &[(0, 32_767)]);
        assert_eq!(sets.ask(1, ID, &[largest]), Outcome::Waits);
    }

    #[test]
    fn adjustments_have_bounds() {
        let mut sets = with(&[0]);
        assert_eq!(sets.operate(1, ID, &[undo(0, i16::MAX)]), Outcome::Done);
        assert_eq!(sets.operate(1, ID, &[op(0, -2), undo(0, 1)]), Outcome::Done);
        assert_eq!(sets.ask(1, ID, &[undo(0, 1)]), Outcome::Fails(Errno::ERANGE));
        assert_eq!(sets.ask(2, ID, &[undo(0, 1)]), Outcome::Done);
    }

    #[test]
    fn a_set_that_left_the_model_or_belongs_to_others_is_the_kernels() {
        let mut sets = with(&[1]);
        sets.operate(1, ID, &[undo(0, -1)]);
        sets.abandon(ID);
        sets.got(ID, 1, true);
        assert!(!sets.models(ID));
        sets.got(6, 1, false);
        assert!(!sets.models(6));
        // One that was there before is only asked for.
        sets.got(7, 0, true);
        assert!(!sets.models(7));
        sets.gone(1);
    }
}
