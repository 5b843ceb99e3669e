//! What the recorder asks while a run is under way: whether a peer that waits may go on.
//!
//! Facts are read off the names of what has happened so far, never off a time; the events that made them true come
//! before the peer's next step in sync order.

use std::collections::HashMap;

use super::leftovers::Leftovers;
use super::resolve::{ResolvedFact, ResolvedPeer, ResolvedStep, ResolvedWaiting};
use crate::recorder::Script;
use crate::trace::Trace;
use crate::trace::naming::{NameKind, Namer};
use crate::trace::raw::{Call, InnerPid, RawEnd, RawEvent, RawKind, Tid};

/// Names events as they come, and answers peers.
pub(super) struct FactScript<'a> {
    namer: Namer,
    peers: &'a [ResolvedPeer],
    /// Each peer's place, once it has started.
    by_tid: HashMap<Tid, usize>,
    /// The process that each peer's facts singled out last.
    it: HashMap<Tid, InnerPid>,
    leftovers: Leftovers,
}

impl<'a> FactScript<'a> {
    pub(super) fn new(peers: &'a [ResolvedPeer], leftovers: Leftovers) -> Self {
        Self { namer: Namer::new(), peers, by_tid: HashMap::new(), it: HashMap::new(), leftovers }
    }

    /// The trace of all events told, and for each of its events the raw one with which it began.
    pub(super) fn finish(self, end: &RawEnd) -> (Trace, Vec<u32>) {
        self.namer.finish_with_beginnings(end)
    }

    /// The event that made the fact true for this peer, if it is.
    fn holds(&self, peer: Tid, fact: &ResolvedFact) -> Option<u32> {
        let namer = &self.namer;
        match fact {
            ResolvedFact::Exists(path) => namer.exists(NameKind::Path, path),
            ResolvedFact::ShmExists(name) => namer.exists(NameKind::Shm, name),
            ResolvedFact::QueueExists(name) => namer.exists(NameKind::Queue, name),
            ResolvedFact::Ready(signal) => namer.ready(namer.program()?, *signal),
            ResolvedFact::WaitsIn(ResolvedWaiting { call, object }) => {
                namer.waits_in(namer.program()?, call, object.as_deref())
            }
            ResolvedFact::Received(text) => namer.received(peer, &text.0),
            ResolvedFact::SomeChildReceived(text) => namer.some_child_received(&text.0).map(|(_, raw)| raw),
            ResolvedFact::ItExited => namer.exited_inner(*self.it.get(&peer)?),
            ResolvedFact::Children { count, waiting: None } => namer.children(*count as usize),
            ResolvedFact::Children { count, waiting: Some(ResolvedWaiting { call, object }) } => {
                namer.children_wait_in(*count as usize, call, object.as_deref())
            }
            ResolvedFact::MainExited => namer.exited(namer.program()?),
        }
    }
}

impl Script for FactScript<'_> {
    fn event(&mut self, _index: u32, event: &RawEvent) {
        if let RawKind::Started { peer: Some(name), .. } = &event.kind
            && let Some(place) = self.peers.iter().position(|peer| peer.name.as_str() == name)
        {
            self.by_tid.insert(event.tid, place);
        }
        if let RawKind::Returned { call, result } = &event.kind {
            self.leftovers.after(call, *result);
        }
        self.namer.feed(event);
    }

    fn may_make(&mut self, process: Tid, call: &Call) {
        self.leftovers.before(process, call);
    }

    fn may_go_on(&mut self, peer: Tid, step: u32, idle: bool) -> Option<Vec<u32>> {
        let steps = &self.peers.get(*self.by_tid.get(&peer)?)?.steps;
        let ResolvedStep::When { facts, or_idle } = steps.get(step as usize)? else { return Some(Vec::new()) };
        let because: Option<Vec<u32>> = facts.iter().map(|fact| self.holds(peer, fact)).collect();
        let it = facts.iter().find_map(|fact| match fact {
            ResolvedFact::SomeChildReceived(text) => self.namer.some_child_received(&text.0).map(|(inner, _)| inner),
            _ => None,
        });
        self.it.extend(it.map(|it| (peer, it)));
        // What it waited for did not come, so nothing that happened is the reason.
        because.or_else(|| (*or_idle && idle).then(Vec::new))
    }

    fn answer(&mut self, peer: Tid) -> i64 {
        self.it.get(&peer).copied().map_or(0, i64::from)
    }
}
