//! `ipc-grade doctor`: what this machine can and cannot do, and what to change.

use super::exit::Exit;
use super::settings::Settings;
use crate::build::cache_folder;
use crate::model::ScheduleSeed;
use crate::pipeline::record;
use crate::report::style::Tone;
use crate::sandbox::Isolation;
use crate::sandbox::probe::{self, Need, State};
use crate::sandbox::remedies::Platform;

/// A thing that grading needs, or is better with.
struct Row {
    name: String,
    /// Why it does not work, where it does not.
    state: Result<(), String>,
    need: Need,
    remedy: Option<String>,
}

/// Tries everything that grading needs and says what works.
///
/// # Errors
/// No process can be made, or standard output cannot be written.
pub fn run(settings: &Settings) -> anyhow::Result<Exit> {
    let program = std::path::Path::new("/bin/true");
    let mut rows: Vec<Row> = Vec::new();
    let traced = record::record(&[program.into()], ScheduleSeed(0), None).map(drop).map_err(|error| error.to_string());
    let remedy = "allow ptrace: sudo sysctl -w kernel.yama.ptrace_scope=1 (in Docker: --cap-add=SYS_PTRACE)";
    rows.push(Row {
        name: "ptrace of our own children".to_owned(),
        state: traced,
        need: Need::Must,
        remedy: Some(remedy.to_owned()),
    });
    for facility in probe::probe()? {
        let state = match facility.state {
            State::Works => Ok(()),
            State::Missing(why) => Err(why),
        };
        rows.push(Row { name: facility.name.to_owned(), state, need: facility.need, remedy: facility.remedy });
    }
    for tool in ["cargo", "rustc", "cc"] {
        let found = std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()));
        let state = if found { Ok(()) } else { Err("not on the PATH".to_owned()) };
        let remedy = if tool == "cc" { "apt-get install gcc" } else { "install Rust: https://rustup.rs" };
        rows.push(Row { name: tool.to_owned(), state, need: Need::Must, remedy: Some(remedy.to_owned()) });
    }
    let cache = cache_folder();
    let writable = std::fs::create_dir_all(&cache).and_then(|()| tempfile::tempfile_in(&cache)).map(drop);
    let state = writable.map_err(|error| error.to_string());
    let remedy = Some("name another folder: IPC_GRADE_CACHE=DIR".to_owned());
    rows.push(Row { name: format!("cache in {}", cache.display()), state, need: Need::Must, remedy });

    let style = &settings.terminal.style;
    let (mut text, mut missing, mut told) = (String::new(), 0, Vec::new());
    for Row { name, state, need, remedy } in rows {
        match (state, need) {
            (Ok(()), _) => text.push_str(&format!("{}  {name}\n", style.paint("ok     ", Tone::Good))),
            (Err(why), need) => {
                let word = match need {
                    Need::Must => "MISSING",
                    // The levels below say what follows from it.
                    Need::World | Need::Better => "lacks  ",
                };
                missing += usize::from(need == Need::Must);
                text.push_str(&format!("{}  {name}: {why}\n", style.paint(word, Tone::Bad)));
                // What several lack has one remedy, told once.
                if let Some(remedy) = remedy.filter(|remedy| !told.contains(remedy)) {
                    text.push_str(&format!("         what to do: {remedy}\n"));
                    told.push(remedy);
                }
            }
        }
    }
    let (told, best) = levels()?;
    text.push_str(&told);
    text.push_str(match (missing, best) {
        (0, Some(level)) if level.is_own_world() => "\nThis machine can run all exercises.\n",
        (0, Some(_)) => "\nThis machine can run exercises, one's own work alone: batch refuses below L1.\n",
        _ => "\nThis machine cannot grade before that is mended.\n",
    });
    settings.terminal.print(&text)?;
    Ok(if missing == 0 && best.is_some() { Exit::Passed } else { Exit::Machine })
}

/// Each level of isolation, tried by a whole run: the best, what it lacks, and what would give the better ones.
fn levels() -> anyhow::Result<(String, Option<Isolation>)> {
    let (mut text, mut best, here) =
        (String::from("\nIsolation of programs, the best first:\n"), None, Platform::here());
    for level in Isolation::LEVELS {
        let name = format!("{}  {}", level.level(), level.name());
        match probe::works(level)? {
            Ok(()) => {
                let chosen = if best.is_none() { ": programs run at this level" } else { "" };
                text.push_str(&format!("  {name}: works{chosen}\n"));
                if best.is_none() {
                    best = Some(level);
                    for what in level.not_held() {
                        text.push_str(&format!("      not held: {what}\n"));
                    }
                }
            }
            Err(error) => {
                text.push_str(&format!("  {name}: failed to {error}\n"));
                if best.is_none() {
                    text.push_str(&format!("      on {} (this machine): {}\n", here.name(), here.command(level)));
                    for platform in Platform::ALL.into_iter().filter(|platform| *platform != here) {
                        text.push_str(&format!("      on {}: {}\n", platform.name(), platform.command(level)));
                    }
                }
            }
        }
    }
    Ok((text, best))
}
