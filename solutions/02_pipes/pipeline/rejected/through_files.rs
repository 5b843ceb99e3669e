//! expect: F005
//! Each stage writes a file that the next one reads: nothing flows, and they run one after the other.

use std::error::Error;
use std::fs::{File, remove_file};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    Command::new("feed").stdout(File::create("first")?).status()?;
    Command::new("upper").stdin(File::open("first")?).stdout(File::create("second")?).status()?;
    Command::new("count").stdin(File::open("second")?).status()?;
    remove_file("first")?;
    remove_file("second")?;
    Ok(())
}
