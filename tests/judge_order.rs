//! The judge against the definition of `;`, `then` and `&`, on runs of one thread in every order.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use ipc_grade::judge::{ProblemKind, match_trace};
use ipc_grade::pattern::Expected;
use ipc_grade::trace::{ObjectKind, Trace};
use proptest::prelude::*;
use support::{Dice, Run};

/// Steps in an order, and what the order demands of their places in a run of one thread.
#[derive(Debug, Clone)]
enum Shape {
    Step(usize),
    Sequence(Vec<Shape>),
    Then(Vec<Shape>),
    Both(Vec<Shape>),
}

impl Shape {
    fn parts(&self) -> &[Shape] {
        match self {
            Self::Step(_) => &[],
            Self::Sequence(parts) | Self::Then(parts) | Self::Both(parts) => parts,
        }
    }

    /// Numbers the steps.
    fn number(&mut self, next: &mut usize) {
        match self {
            Self::Step(number) => {
                *number = *next;
                *next += 1;
            }
            Self::Sequence(parts) | Self::Then(parts) | Self::Both(parts) => {
                parts.iter_mut().for_each(|part| part.number(next));
            }
        }
    }

    fn text(&self, verb: &str) -> String {
        let joined = |parts: &[Shape], by: &str| {
            format!("{{ {} }}", parts.iter().map(|part| part.text(verb)).collect::<Vec<_>>().join(by))
        };
        match self {
            Self::Step(number) => format!("{verb} \"<{number}>\""),
            Self::Sequence(parts) => joined(parts, "; "),
            Self::Then(parts) => joined(parts, " then "),
            Self::Both(parts) => joined(parts, " & "),
        }
    }

    /// First and last place, where the order holds: the definition, word for word.
    fn extent(&self, places: &[usize]) -> Option<(usize, usize)> {
        if let Self::Step(number) = self {
            return Some((places[*number], places[*number]));
        }
        let extents: Vec<(usize, usize)> =
            self.parts().iter().map(|part| part.extent(places)).collect::<Option<_>>()?;
        let holds = extents.windows(2).all(|pair| match self {
            Self::Then(_) => pair[0].1 < pair[1].0,
            Self::Sequence(_) => pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1,
            Self::Step(_) | Self::Both(_) => true,
        });
        let first = extents.iter().map(|extent| extent.0).min()?;
        let last = extents.iter().map(|extent| extent.1).max()?;
        holds.then_some((first, last))
    }

    /// The steps in an order that holds.
    fn linear(&self, dice: &mut Dice) -> Vec<usize> {
        let mut parts: Vec<Vec<usize>> = self.parts().iter().map(|part| part.linear(dice)).collect();
        match self {
            Self::Step(number) => vec![*number],
            Self::Then(_) => parts.concat(),
            Self::Both(_) => {
                let mut merged = Vec::new();
                while parts.iter().any(|part| !part.is_empty()) {
                    let at = dice.below(parts.len());
                    if !parts[at].is_empty() {
                        merged.push(parts[at].remove(0));
                    }
                }
                merged
            }
            Self::Sequence(_) => {
                // Each part begins and ends behind the one before it.
                let mut merged = parts.remove(0);
                let mut start = 0;
                for part in parts {
                    let (last, inner) = part.split_last().unwrap();
                    let mut at = start + 1;
                    for (index, step) in inner.iter().enumerate() {
                        at += dice.below(merged.len() - at + 1);
                        merged.insert(at, *step);
                        if index == 0 {
                            start = at;
                        }
                        at += 1;
                    }
                    if inner.is_empty() {
                        start = merged.len();
                    }
                    merged.push(*last);
                }
                merged
            }
        }
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    let shape = Just(Shape::Step(0)).prop_recursive(4, 12, 3, |inner| {
        let parts = || proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![parts().prop_map(Shape::Sequence), parts().prop_map(Shape::Then), parts().prop_map(Shape::Both)]
    });
    shape.prop_map(|mut shape| {
        shape.number(&mut 0);
        shape
    })
}

/// One thread's messages, or lines, in this order.
fn performed(order: &[usize], messages: bool) -> Trace {
    let (mut run, main) = Run::new();
    let queue = run.make(main, ObjectKind::Queue, "/q");
    for step in order {
        let text = format!("<{step}>");
        if messages {
            run.send(main, queue, text.as_bytes(), 0);
        } else {
            run.print(main, &text);
        }
    }
    run.exit(main, 0);
    run.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_judge_holds_to_the_definition_of_order(shape in shape(), messages: bool, seed: u64, swaps in 0_usize..4) {
        let mut dice = Dice(seed);
        let mut order = shape.linear(&mut dice);
        for _ in 0..swaps {
            let (a, b) = (dice.below(order.len()), dice.below(order.len()));
            order.swap(a, b);
        }
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, step)| places[*step] = place);
        let right = shape.extent(&places).is_some();
        prop_assert!(right || swaps > 0, "{order:?} is an order of {shape:?}");
        let steps = shape.text(if messages { "send q" } else { "stdout" });
        let expected = Expected::parse("x.trace", &format!("queue q\nmain:\n    {steps}\n    exit 0\n")).unwrap();
        let matching = match_trace(&expected, &Default::default(), &performed(&order, messages)).unwrap();
        let accepted = matching.problems.is_empty() && matching.unforced.is_empty();
        prop_assert_eq!(accepted, right, "{} in order {:?}: {:#?}", steps, order, matching.problems);
        // What is all there is told as an order, never as missing or too much.
        let is_order = |kind: &ProblemKind| matches!(kind, ProblemKind::WrongOrder { .. });
        prop_assert!(matching.problems.iter().all(|problem| is_order(&problem.kind)), "{:#?}", matching.problems);
    }
}
