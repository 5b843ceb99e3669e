//! Which drawn values travel on which objects, for runs that change them in transit.

use std::collections::BTreeSet;

use super::Expected;
use super::ast::{Action, Node, ObjectName, Payload, Text};

impl Expected {
    /// The names of the values that stand in the texts of these objects, written or read, sent or received.
    pub fn carried_on(&self, objects: &[String]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for lane in &self.lanes {
            collect(&lane.body, objects, &mut names);
        }
        names
    }
}

fn collect(node: &Node, objects: &[String], names: &mut BTreeSet<String>) {
    match node {
        Node::Step(step) => {
            let (object, text) = match &step.action {
                Action::Write(object, text) | Action::Read(object, text) | Action::Send(object, text, _) => {
                    (object, text)
                }
                Action::Receive(object, Some(Payload::Text(text)), _) => {
                    return add(object, text, objects, names);
                }
                _ => return,
            };
            if let Some(text) = text {
                add(object, text, objects, names);
            }
        }
        Node::Sequence(nodes) | Node::Then(nodes) | Node::Both(nodes) => {
            nodes.iter().for_each(|node| collect(node, objects, names));
        }
        Node::Optional(body) | Node::Repeat(body) => collect(body, objects, names),
        Node::On { body, .. } | Node::Each { body, .. } | Node::EachKilled { body, .. } => {
            collect(body, objects, names);
        }
    }
}

fn add(object: &ObjectName, text: &Text, objects: &[String], names: &mut BTreeSet<String>) {
    let name = match object {
        ObjectName::Word(word) => word.clone(),
        ObjectName::Named(template) => template.to_string(),
    };
    if objects.contains(&name) {
        names.extend(text.alternatives.iter().flat_map(|template| template.names().map(str::to_owned)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_object() {
        let text = "parent:\n    pipe a, b; fork child\n    write a \"{x} {y}\\n\" & read b \"{z}\\n\"\n    exit 0\n\
                    child:\n    read a \"{x} {y}\\n\" then write b \"{z}\\n\"\n    stdout \"{w}\"\n    exit 0\n";
        let expected = Expected::parse("expected.trace", text).expect("an expected trace");
        let on = |object: &str| expected.carried_on(&[object.to_owned()]).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!((on("a"), on("b"), on("c")), ("x y".into(), "z".into(), String::new()));
    }
}
