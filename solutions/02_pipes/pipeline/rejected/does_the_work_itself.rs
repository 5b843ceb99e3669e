//! expect: T001
//! One process reads, changes and counts: no other program runs, and no pipe is needed.

use std::error::Error;
use std::io::{Read, stdin};

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    stdin().read_to_string(&mut text)?;
    println!("{}", text.to_uppercase().lines().count());
    Ok(())
}
