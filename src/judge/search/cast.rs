//! Who plays which role.
//!
//! Roles are bound parents first, each to a life below its parent's; families take what is left. A life that cannot
//! do what its lane asks in any case is tried only where no better one is there, so that a right program is found at
//! once and a wrong one soon.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use super::facts::{Facts, Way};
use super::text;
use crate::model::{Diagnostic, RoleName, Values};
use crate::pattern::Expected;
use crate::pattern::ast::{Action, Declaration, Ending, Node, Payload, Text};
use crate::pattern::values;
use crate::trace::{EventId, LifeId, ObjectKind, Verb};

/// Lives for roles.
#[derive(Debug, Clone, Default)]
pub(super) struct Cast {
    pub(super) roles: BTreeMap<RoleName, Vec<LifeId>>,
    /// How many members each family should have, and whether more are welcome.
    wanted: BTreeMap<RoleName, (i64, bool)>,
    /// For whom each life acts: itself, or the role that delegated to it.
    principal: Vec<LifeId>,
    bound: BTreeSet<LifeId>,
}

impl Cast {
    /// The lives of a role or family, in order of creation.
    pub(super) fn lives(&self, role: &RoleName) -> &[LifeId] {
        self.roles.get(role).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn principal(&self, life: LifeId) -> LifeId {
        self.principal.get(life.index()).copied().unwrap_or(life)
    }

    /// Whether a life plays a role itself.
    pub(super) fn is_bound(&self, life: LifeId) -> bool {
        self.bound.contains(&life)
    }

    /// A role that the life plays or acts for.
    pub(super) fn role_of(&self, life: LifeId) -> Option<&RoleName> {
        let principal = self.principal(life);
        self.roles.iter().find(|(_, lives)| lives.contains(&principal)).map(|(role, _)| role)
    }

    pub(super) fn wanted(&self, role: &RoleName) -> Option<(i64, bool)> {
        self.wanted.get(role).copied()
    }
}

/// How a role comes into being.
struct Birth {
    role: RoleName,
    /// Below whom.
    above: RoleName,
    /// By a fork step, so that no other role stands between.
    forked: bool,
    directly: bool,
}

/// What an expected trace says about its roles, ready to be cast.
pub(super) struct Casting<'a> {
    expected: &'a Expected,
    facts: &'a Facts<'a>,
    births: Vec<Birth>,
    needs: BTreeMap<RoleName, Vec<Need>>,
    wanted: BTreeMap<RoleName, (i64, bool)>,
    families: Vec<(RoleName, RoleName)>,
    signatures: Vec<u64>,
}

/// A life with the event that made it: sorts in order of creation, whatever the lives' numbers are.
type Born = (Option<EventId>, LifeId);

/// What a life must have done if it plays a role.
enum Need {
    Bytes(Way, bool, Vec<Vec<u8>>),
    Message(Way),
    Exec(Vec<Vec<u8>>),
    Exit(i64),
}

impl<'a> Casting<'a> {
    pub(super) fn new(expected: &'a Expected, facts: &'a Facts<'a>, drawn: &Values) -> Result<Self, Diagnostic> {
        let mut wanted = BTreeMap::new();
        for declaration in &expected.declarations {
            if let Declaration::Family { role, size, open, span } = declaration {
                let size = values::count(size, drawn).map_err(|message| expected.mistake(*span, message))?;
                wanted.insert(role.clone(), (size, *open));
            }
        }
        let mut births = Vec::new();
        let mut families = Vec::new();
        let mut known = vec![expected.program.clone()];
        let mut at = 0;
        while at < known.len() {
            let above = known[at].clone();
            at += 1;
            let mut forks = Vec::new();
            if let Some(lane) = expected.lane(&above) {
                forked_in(&lane.body, &mut forks);
            }
            let declared = expected.declarations.iter().filter_map(|declaration| match declaration {
                Declaration::Below { roles, above: of, .. } if *of == above => Some(roles),
                Declaration::MayBe { roles, other, .. } if *other == above => Some(roles),
                _ => None,
            });
            let declared = declared.flatten().map(|role| (role.clone(), false, false));
            for (role, forked, directly) in forks.into_iter().map(|(role, it)| (role, true, it)).chain(declared) {
                if known.contains(&role) {
                    continue;
                }
                known.push(role.clone());
                if expected.family(&role).is_some() {
                    families.push((role, above.clone()));
                } else {
                    births.push(Birth { role, above: above.clone(), forked, directly });
                }
            }
        }
        let needs = expected.lanes.iter().map(|lane| {
            let mut needs = Vec::new();
            needs_of(&lane.body, drawn, &mut needs);
            (lane.role.clone(), needs)
        });
        Ok(Self { expected, facts, births, needs: needs.collect(), wanted, families, signatures: signatures(facts) })
    }

    /// Calls `visit` with each cast that is worth a try, best first, until it says `false`.
    ///
    /// # Errors
    /// What `visit` returns.
    pub(super) fn each<E>(&self, visit: &mut impl FnMut(&Cast) -> Result<bool, E>) -> Result<bool, E> {
        let mut cast = Cast { wanted: self.wanted.clone(), ..Cast::default() };
        let program = self.facts.trace.main();
        cast.bound.extend(program);
        cast.roles.insert(self.expected.program.clone(), program.into_iter().collect());
        self.bind(0, &mut cast, visit)
    }

    fn bind<E>(&self, at: usize, cast: &mut Cast, visit: &mut impl FnMut(&Cast) -> Result<bool, E>) -> Result<bool, E> {
        let Some(birth) = self.births.get(at) else {
            let mut whole = cast.clone();
            self.unbind_strays(&mut whole);
            self.bind_families(&mut whole);
            self.delegate(&mut whole);
            return visit(&whole);
        };
        let candidates = self.candidates(birth, cast);
        if candidates.is_empty() {
            cast.roles.insert(birth.role.clone(), Vec::new());
            let go_on = self.bind(at + 1, cast, visit);
            cast.roles.remove(&birth.role);
            return go_on;
        }
        for life in candidates {
            let new = cast.bound.insert(life);
            cast.roles.insert(birth.role.clone(), vec![life]);
            let go_on = self.bind(at + 1, cast, visit);
            cast.roles.remove(&birth.role);
            if new {
                cast.bound.remove(&life);
            }
            if !go_on? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lives that may play a role, those that did what its lane asks first.
    fn candidates(&self, birth: &Birth, cast: &Cast) -> Vec<LifeId> {
        let above = cast.lives(&birth.above).first().copied().or_else(|| self.facts.trace.main());
        let Some(above) = above else { return Vec::new() };
        let free = |life: LifeId| {
            let played = cast.roles.iter().filter(|(_, lives)| lives.contains(&life));
            played.into_iter().all(|(role, _)| self.expected.may_be(role, &birth.role))
        };
        let below = |life: LifeId| {
            let may_be = self.expected.may_be(&birth.role, &birth.above) && life == above;
            may_be
                || if birth.directly {
                    self.facts.trace.life(life).parent == Some(above)
                } else {
                    self.facts.descends(life, above)
                }
        };
        let mut rated = Vec::new();
        let mut seen = BTreeSet::new();
        for life in self.facts.learners().filter(|life| free(*life) && below(*life)) {
            // Of lives that did the very same, the first will do.
            if cast.bound.contains(&life) || seen.insert(self.signatures[life.index()]) {
                rated.push((self.unmet(&birth.role, life), self.born(life)));
            }
        }
        best(rated, self.facts.few())
    }

    /// A forked role stands below its parent without another role between; one that does not is not that role.
    fn unbind_strays(&self, cast: &mut Cast) {
        for birth in self.births.iter().filter(|birth| birth.forked) {
            let Some(life) = cast.lives(&birth.role).first().copied() else { continue };
            let Some(above) = cast.lives(&birth.above).first().copied() else { continue };
            let nearest = self.facts.ancestors(life).find(|it| cast.is_bound(*it));
            if life != above && nearest != Some(above) {
                cast.roles.insert(birth.role.clone(), Vec::new());
                if !cast.roles.values().any(|lives| lives.contains(&life)) {
                    cast.bound.remove(&life);
                }
            }
        }
    }

    fn bind_families(&self, cast: &mut Cast) {
        for (family, above) in &self.families {
            let above = cast.lives(above).first().copied().or_else(|| self.facts.trace.main());
            let candidates: Vec<LifeId> = self
                .facts
                .learners()
                .filter(|life| !cast.is_bound(*life) && above.is_some_and(|above| self.facts.descends(*life, above)))
                .collect();
            // Who forks although the lane does not is a process in the middle, unless the members may delegate.
            let forks = self.expected.lane(family).is_some_and(|lane| {
                let mut forks = Vec::new();
                forked_in(&lane.body, &mut forks);
                !forks.is_empty()
            });
            let delegates = self.expected.may_delegate(family);
            let members = candidates.iter().copied().filter(|life| {
                let child_of = |of: LifeId| candidates.iter().any(|it| self.facts.trace.life(*it).parent == Some(of));
                let parent_in = self.facts.trace.life(*life).parent.is_some_and(|parent| candidates.contains(&parent));
                if delegates { !parent_in } else { forks || !child_of(*life) }
            });
            let mut rated: Vec<(usize, Born)> = members.map(|it| (self.unmet(family, it), self.born(it))).collect();
            rated.sort();
            if let Some((size, false)) = self.wanted.get(family) {
                // All that fit are members, and too many where they are more; others fill the ranks.
                let fit = rated.iter().filter(|(unmet, _)| *unmet == 0).count();
                rated.truncate(fit.max(usize::try_from(*size).unwrap_or_default()));
            }
            let mut born: Vec<Born> = rated.into_iter().map(|(_, born)| born).collect();
            born.sort();
            let lives: Vec<LifeId> = born.into_iter().map(|(_, life)| life).collect();
            cast.bound.extend(&lives);
            cast.roles.insert(family.clone(), lives);
        }
    }

    fn delegate(&self, cast: &mut Cast) {
        let lives = (0..self.facts.trace.lives.len() as u32).map(LifeId);
        cast.principal = lives
            .map(|life| {
                if cast.is_bound(life) || !self.facts.is_learner(life) {
                    return life;
                }
                let above = self.facts.ancestors(life).find(|above| cast.is_bound(*above));
                let delegates = |above: &LifeId| {
                    cast.roles.iter().any(|(role, lives)| lives.contains(above) && self.expected.may_delegate(role))
                };
                above.filter(delegates).unwrap_or(life)
            })
            .collect();
    }

    fn born(&self, life: LifeId) -> Born {
        (self.facts.forked[life.index()], life)
    }

    /// How much of what the role's lane asks in any case this life did not do.
    fn unmet(&self, role: &RoleName, life: LifeId) -> usize {
        let delegates = self.expected.may_delegate(role);
        let company = |it: LifeId| it == life || (delegates && self.facts.descends(it, life));
        let needs = self.needs.get(role).map(Vec::as_slice).unwrap_or_default();
        needs.iter().filter(|need| !self.met(need, life, &company)).count()
    }

    fn met(&self, need: &Need, life: LifeId, company: &dyn Fn(LifeId) -> bool) -> bool {
        match need {
            Need::Bytes(way, stdout, texts) => self.facts.bytes.iter().any(|((object, done), events)| {
                let kind = self.facts.trace.object(*object).kind;
                if done != way || (kind == ObjectKind::Stdout) != *stdout {
                    return false;
                }
                let own = events.iter().copied().filter(|event| company(self.facts.life_of(*event))).collect();
                let stream = self.facts.stream(own);
                texts.iter().any(|text| text::find(&stream.bytes, text, 0).is_some())
            }),
            Need::Message(way) => self.facts.messages.iter().any(|((_, done), events)| {
                done == way && events.iter().any(|event| company(self.facts.life_of(*event)))
            }),
            Need::Exec(programs) => self.facts.trace.of(life).any(|(_, event)| match &event.verb {
                Verb::Exec { program } => programs.iter().any(|it| it == program.as_bytes()),
                _ => false,
            }),
            Need::Exit(status) => self.facts.ends[life.index()].first().is_some_and(|end| {
                matches!(self.facts.trace.event(*end).verb, Verb::Exit { status: it } if i64::from(it) == *status)
            }),
        }
    }
}

/// Those that meet everything; where none does, the best few.
fn best(mut rated: Vec<(usize, Born)>, few: usize) -> Vec<LifeId> {
    rated.sort();
    if rated.first().is_some_and(|(unmet, _)| *unmet == 0) {
        rated.retain(|(unmet, _)| *unmet == 0);
    } else {
        rated.truncate(few);
    }
    rated.into_iter().map(|(_, (_, life))| life).collect()
}

/// The roles that a lane forks, and whether directly.
fn forked_in(node: &Node, forks: &mut Vec<(RoleName, bool)>) {
    match node {
        Node::Sequence(nodes) | Node::Then(nodes) | Node::Both(nodes) => {
            nodes.iter().for_each(|node| forked_in(node, forks));
        }
        Node::Optional(node) | Node::Repeat(node) => forked_in(node, forks),
        Node::On { body, .. } | Node::Each { body, .. } | Node::EachKilled { body, .. } => forked_in(body, forks),
        Node::Step(step) => {
            if let Action::Fork { who, directly } = &step.action {
                forks.push((who.role().clone(), *directly));
            }
        }
    }
}

/// What a lane asks whatever happens; what depends on loops is left out.
fn needs_of(node: &Node, drawn: &Values, needs: &mut Vec<Need>) {
    let texts = |text: &Option<Text>| {
        text.as_ref()
            .and_then(|text| values::text(text, drawn).ok())
            .filter(|texts| texts.iter().all(|t| !t.is_empty()))
    };
    match node {
        Node::Sequence(nodes) | Node::Then(nodes) | Node::Both(nodes) => {
            nodes.iter().for_each(|node| needs_of(node, drawn, needs));
        }
        Node::On { body, .. } => needs_of(body, drawn, needs),
        Node::Optional(_) | Node::Repeat(_) | Node::Each { .. } | Node::EachKilled { .. } => {}
        Node::Step(step) => match &step.action {
            Action::Write(_, text) => needs.extend(texts(text).map(|texts| Need::Bytes(Way::In, false, texts))),
            Action::Read(_, text) => needs.extend(texts(text).map(|texts| Need::Bytes(Way::Out, false, texts))),
            Action::Stdout(text) => needs.extend(texts(text).map(|texts| Need::Bytes(Way::In, true, texts))),
            Action::Send(..) => needs.push(Need::Message(Way::In)),
            Action::Receive(_, Some(Payload::Text(_)), _) => needs.push(Need::Message(Way::Out)),
            Action::Exec(program) => needs.extend(values::text(program, drawn).ok().map(Need::Exec)),
            Action::Ends(endings) => {
                if let [Ending::Exit(status)] = endings.as_slice() {
                    needs.extend(values::number(status, drawn).ok().map(Need::Exit));
                }
            }
            _ => {}
        },
    }
}

/// For each life a digest of what it and those below it did. Lives with one digest are interchangeable.
fn signatures(facts: &Facts<'_>) -> Vec<u64> {
    let trace = facts.trace;
    let mut hashers: Vec<DefaultHasher> = trace.lives.iter().map(|_| DefaultHasher::new()).collect();
    let mut below: Vec<Vec<u64>> = vec![Vec::new(); trace.lives.len()];
    for (_, event) in trace.iter() {
        let hasher = &mut hashers[event.life.index()];
        match &event.verb {
            Verb::Fork { .. } => "fork".hash(hasher),
            Verb::Thread { .. } => "thread".hash(hasher),
            Verb::Reaped { ending, .. } => format!("{ending:?}").hash(hasher),
            Verb::Write { object, bytes } => ("write", object, bytes).hash(hasher),
            Verb::Read { object, bytes } => ("read", object, bytes).hash(hasher),
            // There may be a million of them, and printing is dear.
            Verb::Store { object, offset, bytes, atomic, .. } => ("store", object, offset, bytes, atomic).hash(hasher),
            Verb::Load { object, offset, bytes, atomic, .. } => ("load", object, offset, bytes, atomic).hash(hasher),
            Verb::Acquire { object } => ("acquire", object).hash(hasher),
            Verb::Release { object } => ("release", object).hash(hasher),
            verb => format!("{verb:?}").hash(hasher),
        }
    }
    let mut signatures = vec![0; trace.lives.len()];
    // Children come after their parents, so that from the end each child is known before its parent.
    for index in (0..trace.lives.len()).rev() {
        let life = &trace.lives[index];
        let mut hasher = hashers[index].clone();
        below[index].hash(&mut hasher);
        (life.ended.is_some(), life.reaped.is_some()).hash(&mut hasher);
        signatures[index] = hasher.finish();
        if let Some(parent) = life.parent {
            below[parent.index()].push(signatures[index]);
        }
    }
    signatures
}
