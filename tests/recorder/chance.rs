//! Calls drawn by chance on all objects that the model knows, each compared with what the kernel says of it.

use crate::ends_well;

#[test]
fn alone() {
    (1..=6).for_each(|seed| ends_well("chance", &format!("alone_{seed}")));
}

#[test]
fn together() {
    (1..=6).for_each(|seed| ends_well("chance", &format!("together_{seed}")));
}
