//! Which children a process has, and whether wait(2) would wait for them.
//!
//! Only one thing is claimed, and only where it is sure: that a wait would sleep, because a child that it asks for lives
//! and none has ended or stopped since. All else the kernel answers.

use std::collections::{BTreeMap, HashMap};

use crate::trace::raw::{InnerPid, Tid};

/// The children of all processes.
#[derive(Debug, Default)]
pub(crate) struct Children {
    of: HashMap<Tid, BTreeMap<Tid, Child>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Child {
    inner: InnerPid,
    /// It ended, stopped or went on, and its parent may not have been told; or it is of a kind that wait passes by.
    news: bool,
}

impl Children {
    /// A process made a child; `plain` where its end is told by SIGCHLD to this very process (clone(2)).
    pub(crate) fn born(&mut self, parent: Tid, child: Tid, inner: InnerPid, plain: bool) {
        self.of.entry(parent).or_default().insert(child, Child { inner, news: !plain });
    }

    /// A process ended, was stopped, or goes on.
    pub(crate) fn changed(&mut self, process: Tid) {
        for children in self.of.values_mut() {
            if let Some(child) = children.get_mut(&process) {
                child.news = true;
            }
        }
    }

    /// A process is gone; its children are somebody else's now, whom nobody here knows.
    pub(crate) fn gone(&mut self, process: Tid) {
        self.changed(process);
        self.of.remove(&process);
    }

    /// A wait collected a child.
    pub(crate) fn reaped(&mut self, parent: Tid, inner: InnerPid) {
        if let Some(children) = self.of.get_mut(&parent) {
            children.retain(|_, child| child.inner != inner);
        }
    }

    /// A wait for these found no child at all: the kernel had taken those that ended (SA_NOCLDWAIT in sigaction(2)).
    pub(crate) fn none_left(&mut self, parent: Tid, which: Option<InnerPid>) {
        if let Some(children) = self.of.get_mut(&parent) {
            children.retain(|_, child| which.is_some_and(|which| which != child.inner));
        }
    }

    /// Whether a wait for this child, or for any, sleeps.
    pub(crate) fn sleeps(&self, parent: Tid, which: Option<InnerPid>) -> bool {
        let Some(children) = self.of.get(&parent) else { return false };
        let mut asked = children.values().filter(|child| which.is_none_or(|which| which == child.inner)).peekable();
        asked.peek().is_some() && asked.all(|child| !child.news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_sleep_while_all_asked_for_live() {
        let mut children = Children::default();
        assert!(!children.sleeps(1, None), "ECHILD");
        children.born(1, 10, 1010, true);
        children.born(1, 11, 1011, true);
        assert!(children.sleeps(1, None) && children.sleeps(1, Some(1011)) && !children.sleeps(1, Some(1012)));
        children.gone(10);
        assert!(!children.sleeps(1, None) && !children.sleeps(1, Some(1010)) && children.sleeps(1, Some(1011)));
        children.reaped(1, 1010);
        assert!(children.sleeps(1, None));
        children.changed(11);
        assert!(!children.sleeps(1, None));
    }

    #[test]
    fn children_that_wait_passes_by_are_left_to_the_kernel() {
        let mut children = Children::default();
        children.born(1, 10, 1010, false);
        assert!(!children.sleeps(1, None));
    }

    #[test]
    fn children_that_the_kernel_took_are_gone_when_a_wait_says_so() {
        let mut children = Children::default();
        children.born(1, 10, 1010, true);
        children.gone(10);
        children.none_left(1, None);
        children.born(1, 11, 1011, true);
        assert!(children.sleeps(1, None));
    }
}
