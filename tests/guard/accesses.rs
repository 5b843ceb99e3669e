//! Instructions: what they do to the program is what they would do unguarded, and what they touch is told.

use crate::own_process::Case;
use crate::record::{accesses, c, ends_well, itself};

pub(crate) const ALL: &[Case] = &[
    ("every width, aligned or not", widths),
    ("loads that store: in two steps, or locked in one", both_ways),
    ("registers that cannot be moved", awkward),
    ("copies and texts", copies),
    ("a copy is one access", one_copy),
    ("atomics of Rust's", atomics),
];

fn widths() {
    let trace = c("accesses.c").in_order(&["widths"]);
    ends_well(&trace);
    let told = accesses(&trace, "main.1");
    let line = "1100222233333333444444444444444400887766550000000000000000000000";
    let expected = [
        "store+0 11".to_owned(),
        "store+2 2222".to_owned(),
        "store+4 33333333".to_owned(),
        "store+8 4444444444444444".to_owned(),
        "store+17 88776655".to_owned(),
        format!("load+0 {}", &line[..32]),
        format!("store+32 {}", &line[..32]),
        "load+0 11".to_owned(),
        "load+2 2222".to_owned(),
    ];
    assert_eq!(told, expected);
}

fn both_ways() {
    let trace = c("accesses.c").in_order(&["both_ways"]);
    ends_well(&trace);
    let expected = [
        "load+0 00000000",
        "store+0 05000000",
        "load+0 05000000*",
        "store+0 06000000*",
        "load+4 00000000*",
        "store+4 07000000*",
        "load+0 06000000*",
        "store+0 08000000*",
        "load+0 08000000*",
        "store+0 09000000*",
        // What a comparison finds unequal it does not store.
        "load+0 09000000*",
    ];
    assert_eq!(accesses(&trace, "main.1"), expected);
}

fn awkward() {
    ends_well(&c("accesses.c").in_order(&["awkward"]));
}

fn copies() {
    ends_well(&c("accesses.c").in_order(&["copies"]));
}

fn one_copy() {
    let trace = c("accesses.c").in_order(&["one_copy"]);
    ends_well(&trace);
    let bytes: String = (1..200).chain([0]).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(accesses(&trace, "main.1"), [format!("store+8 {bytes}")]);
    // The function that measures a text looks further than it reaches; that is not the program's doing.
    let expected = [format!("load+8 {}", &bytes[..200]), format!("load+9 {}", &bytes[2..])];
    assert_eq!(accesses(&trace, "main"), expected);
}

fn atomics() {
    let trace = itself().in_order(&["--inside", "atomics"]);
    ends_well(&trace);
    let expected = [
        "store+0 05000000*",
        "load+0 05000000*",
        "load+0 05000000*",
        "store+0 06000000*",
        "load+0 06000000",
        "store+0 07000000",
        "store+8 01*",
        "store+4 09000000",
        "load+4 09000000",
    ];
    assert_eq!(accesses(&trace, "main.1"), expected);
}
