//! std::process::Command does fork, dup2 and exec; it closes what it hands over.

use std::error::Error;
use std::process::{Command, Stdio};

fn main() -> Result<(), Box<dyn Error>> {
    let mut feed = Command::new("feed").stdout(Stdio::piped()).spawn()?;
    let text = feed.stdout.take().ok_or("feed has no output")?;
    let mut upper = Command::new("upper").stdin(Stdio::from(text)).stdout(Stdio::piped()).spawn()?;
    let capitals = upper.stdout.take().ok_or("upper has no output")?;
    let mut count = Command::new("count").stdin(Stdio::from(capitals)).spawn()?;
    for stage in [&mut count, &mut upper, &mut feed] {
        if !stage.wait()?.success() {
            return Err("a stage did not end well".into());
        }
    }
    Ok(())
}
