//! Whether an expected trace's names make sense: roles, families, objects, labels.

use std::collections::BTreeSet;

use super::Expected;
use super::ast::{Action, Declaration, Measure, Node, ObjectName, Rule, Span, Step, Who};
use crate::model::{Diagnostic, RoleName};

/// The known name that is most like a wrong one, where one is near.
pub(super) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}

/// The author's first mistake in the names, if there is one.
pub(super) fn check(expected: &Expected) -> Result<(), Diagnostic> {
    let names = Names::of(expected);
    names.lanes()?;
    for declaration in &expected.declarations {
        names.declaration(declaration)?;
    }
    for lane in &expected.lanes {
        names.node(&lane.body, &mut Vec::new())?;
    }
    expected.rules.iter().try_for_each(|rule| names.rule(rule))
}

struct Names<'a> {
    expected: &'a Expected,
    roles: BTreeSet<&'a str>,
    objects: BTreeSet<&'a str>,
    labels: Vec<&'a str>,
    /// Roles that a step forks.
    forked: BTreeSet<&'a str>,
    twice: Option<(&'a Step, &'a str)>,
}

impl<'a> Names<'a> {
    fn of(expected: &'a Expected) -> Self {
        let mut names = Self {
            expected,
            roles: expected.lanes.iter().map(|lane| lane.role.as_str()).collect(),
            objects: BTreeSet::from(["stdin"]),
            labels: Vec::new(),
            forked: BTreeSet::new(),
            twice: None,
        };
        names.roles.insert(expected.program.as_str());
        for declaration in &expected.declarations {
            match declaration {
                Declaration::Objects { names: objects, .. } => names.make(objects),
                Declaration::Below { roles, .. } => names.roles.extend(roles.iter().map(RoleName::as_str)),
                Declaration::Family { role, .. } => drop(names.roles.insert(role.as_str())),
                Declaration::MayBe { .. } | Declaration::MayDelegate { .. } => {}
            }
        }
        for lane in &expected.lanes {
            names.gather(&lane.body);
        }
        names
    }

    fn make(&mut self, objects: &'a [ObjectName]) {
        self.objects.extend(objects.iter().filter_map(|object| match object {
            ObjectName::Word(word) => Some(word.as_str()),
            ObjectName::Named(_) => None,
        }));
    }

    fn gather(&mut self, node: &'a Node) {
        match node {
            Node::Sequence(nodes) | Node::Then(nodes) | Node::Both(nodes) => {
                nodes.iter().for_each(|node| self.gather(node));
            }
            Node::Optional(node) | Node::Repeat(node) => self.gather(node),
            Node::On { body, .. } | Node::Each { body, .. } | Node::EachKilled { body, .. } => self.gather(body),
            Node::Step(step) => {
                match &step.action {
                    Action::Make { names, .. } => self.make(names),
                    Action::Open(object) => self.make(std::slice::from_ref(object)),
                    Action::Fork { who, .. } => drop(self.forked.insert(who.role().as_str())),
                    _ => {}
                }
                if let Some(label) = &step.label {
                    if self.labels.contains(&label.as_str()) {
                        self.twice = Some((step, label));
                    }
                    self.labels.push(label);
                }
            }
        }
    }

    fn lanes(&self) -> Result<(), Diagnostic> {
        let mut seen = BTreeSet::new();
        for lane in &self.expected.lanes {
            let role = &lane.role;
            if !seen.insert(role) {
                return Err(self.expected.mistake(lane.span, format!("`{role}` has a lane already")));
            }
            let declared = self.expected.declarations.iter().any(|declaration| {
                matches!(declaration, Declaration::Below { roles, .. } | Declaration::MayBe { roles, .. }
                    if roles.contains(role))
            });
            if *role != self.expected.program && !declared && !self.forked.contains(role.as_str()) {
                let program = &self.expected.program;
                return Err(self.expected.mistake(lane.span, format!("nobody forks `{role}`")).help(format!(
                    "write `fork {role}` in the lane of its parent, or `role {role}: below {program}` above the lanes"
                )));
            }
        }
        match self.twice {
            Some((step, label)) => {
                Err(self.expected.mistake(step.span, format!("another step is called `{label}` already")))
            }
            None => Ok(()),
        }
    }

    fn declaration(&self, declaration: &'a Declaration) -> Result<(), Diagnostic> {
        let (roles, span): (Vec<&RoleName>, Span) = match declaration {
            Declaration::Below { roles, above, span } => (roles.iter().chain([above]).collect(), *span),
            Declaration::MayBe { roles, other, span } => (roles.iter().chain([other]).collect(), *span),
            Declaration::Family { role, span, .. } | Declaration::MayDelegate { role, span } => (vec![role], *span),
            Declaration::Objects { .. } => return Ok(()),
        };
        roles.into_iter().try_for_each(|role| self.role(role, span))
    }

    fn role(&self, role: &RoleName, span: Span) -> Result<(), Diagnostic> {
        if self.roles.contains(role.as_str()) {
            return Ok(());
        }
        Err(self.unknown(span, &format!("no lane is called `{role}`"), role.as_str(), &self.roles))
    }

    fn object(&self, object: &ObjectName, span: Span) -> Result<(), Diagnostic> {
        match object {
            ObjectName::Word(word) if !self.objects.contains(word.as_str()) => {
                let message = format!("nothing makes an object called `{word}`");
                Err(self.unknown(span, &message, word, &self.objects))
            }
            _ => Ok(()),
        }
    }

    fn label(&self, label: &str, span: Span) -> Result<(), Diagnostic> {
        if self.labels.contains(&label) {
            return Ok(());
        }
        let known = self.labels.iter().copied().collect();
        Err(self.unknown(span, &format!("no step is called `{label}`: write `as {label}` behind it"), label, &known))
    }

    fn unknown(&self, span: Span, message: &str, wrong: &str, known: &BTreeSet<&str>) -> Diagnostic {
        let mistake = self.expected.mistake(span, message);
        match nearest(wrong, known.iter().copied()) {
            Some(name) => mistake.help(format!("did you mean `{name}`?")),
            None if known.is_empty() => mistake,
            None => mistake.help(format!("there are {}", known.iter().copied().collect::<Vec<_>>().join(", "))),
        }
    }

    /// `members` are the families of which the steps mean one member.
    fn node(&self, node: &'a Node, members: &mut Vec<&'a RoleName>) -> Result<(), Diagnostic> {
        match node {
            Node::Sequence(nodes) | Node::Then(nodes) | Node::Both(nodes) => {
                nodes.iter().try_for_each(|node| self.node(node, members))
            }
            Node::Optional(node) | Node::Repeat(node) => self.node(node, members),
            Node::On { body, .. } | Node::Each { body, .. } => self.node(body, members),
            Node::EachKilled { family, body, span, .. } => {
                self.whole_family(family, *span)?;
                members.push(family);
                let result = self.node(body, members);
                members.pop();
                result
            }
            Node::Step(step) => self.action(&step.action, step.span, members),
        }
    }

    fn action(&self, action: &Action, span: Span, members: &[&RoleName]) -> Result<(), Diagnostic> {
        match action {
            Action::Make { .. } | Action::Open(_) => Ok(()),
            Action::Unlink(object)
            | Action::Write(object, _)
            | Action::Read(object, _)
            | Action::End(object)
            | Action::Send(object, ..)
            | Action::Receive(object, ..)
            | Action::Store(object, ..)
            | Action::Load(object, ..)
            | Action::Acquire(object)
            | Action::Release(object) => self.object(object, span),
            Action::Fork { who, .. } => match who {
                Who::One(role) => self.role(role, span),
                Who::Each(role) | Who::Some(_, role) => self.whole_family(role, span),
                Who::Live(_) | Who::Any(_) => {
                    Err(self.expected.mistake(span, "a fork makes one process, `each` of a family, or so many of it"))
                }
            },
            Action::Signal(who, _) | Action::Wait(who, _) => self.who(who, span, members),
            Action::Reaped(who, _) => who.iter().try_for_each(|who| self.who(who, span, members)),
            Action::Exec(_)
            | Action::Stdout(_)
            | Action::Stderr(_)
            | Action::Ready(_)
            | Action::Take(_)
            | Action::Ends(_) => Ok(()),
        }
    }

    fn who(&self, who: &Who, span: Span, members: &[&RoleName]) -> Result<(), Diagnostic> {
        match who {
            Who::One(role) if self.expected.family(role).is_some() && !members.contains(&role) => Err(self
                .expected
                .mistake(span, format!("`{role}` is a family"))
                .help(format!("write `each {role}` or `any {role}`"))),
            Who::One(role) => self.role(role, span),
            Who::Each(role) | Who::Live(role) | Who::Any(role) | Who::Some(_, role) => self.whole_family(role, span),
        }
    }

    fn whole_family(&self, role: &RoleName, span: Span) -> Result<(), Diagnostic> {
        self.role(role, span)?;
        if self.expected.family(role).is_some() {
            return Ok(());
        }
        let message = format!("`{role}` is one process, no family");
        Err(self.expected.mistake(span, message).help(format!("declare it above the lanes: `family {role}[3]`")))
    }

    fn rule(&self, rule: &'a Rule) -> Result<(), Diagnostic> {
        match rule {
            Rule::Share { family, span, .. } => self.whole_family(family, *span),
            Rule::Free { queue, span, .. } => self.object(queue, *span),
            Rule::Reaped { who, span, .. } => who.iter().try_for_each(|who| self.who(who, *span, &[])),
            Rule::Never { role, action, span } => {
                role.iter().try_for_each(|role| self.role(role, *span))?;
                let everyone: Vec<&RoleName> = self.expected.lanes.iter().map(|lane| &lane.role).collect();
                self.action(action, *span, &everyone)
            }
            Rule::Always { between, measure, span, .. } => {
                if let Some((from, to)) = between {
                    self.label(from, *span)?;
                    self.label(to, *span)?;
                }
                match measure {
                    Measure::Live(role) => self.role(role, *span),
                    Measure::Unread(object) => self.object(object, *span),
                }
            }
            Rule::Before { first, second, span } => {
                self.label(first, *span)?;
                self.label(second, *span)
            }
        }
    }
}
