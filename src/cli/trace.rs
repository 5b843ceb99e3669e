//! `ipc-grade trace`: record any program and show what its processes did.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::args::{TraceArgs, TraceFormat};
use super::exit::{Exit, Usage};
use super::settings::Settings;
use crate::model::ScheduleSeed;
use crate::pipeline::record::{self, RecordError};
use crate::recorder::Sites;
use crate::report::lanes::{Glyphs, Layout, lanes};
use crate::trace::codec::{self, Context};
use crate::trace::naming;

/// Records a program and writes its canonical trace. How the program itself ended is no matter: it stands in the trace.
///
/// # Errors
/// An output file that cannot be; a program that cannot be run; what the machine failed at.
pub fn run(args: &TraceArgs, settings: &Settings) -> anyhow::Result<Exit> {
    if let Some(output) = args.output.as_deref().filter(|output| output.is_dir()) {
        return Err(Usage(format!("{} is a folder, where a file for the trace should be", output.display())).into());
    }
    let command: Vec<String> = args.program.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let schedule = ScheduleSeed(args.seed);
    let sites = args.lines.then_some(Sites::OnDisk);
    let trace = if args.boxed {
        record::record_in_box(Path::new(&args.program[0]), &args.program[1..], schedule, sites).map_err(usage)?
    } else {
        naming::name(&record::record(&args.program, schedule, sites).map_err(usage)?)
    };
    let text = match args.format {
        TraceFormat::Json => codec::write_with(&trace, &Context { command, ..Context::default() }),
        TraceFormat::Text => {
            let style = &settings.terminal.style;
            let glyphs = if style.ascii { Glyphs::Ascii } else { Glyphs::Unicode };
            lanes(&trace, Layout { width: style.width, glyphs })
        }
    };
    match &args.output {
        Some(path) => std::fs::write(path, text).map_err(|error| unwritten(path, &error))?,
        None => settings.terminal.print(&text)?,
    }
    Ok(Exit::Passed)
}

/// A place that cannot be written is the caller's mistake, a full disk the machine's.
fn unwritten(path: &Path, error: &io::Error) -> anyhow::Error {
    let message = format!("the trace cannot be written to {}: {error}", path.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => anyhow::anyhow!(message),
        _ => Usage(message).into(),
    }
}

/// A program that is not there is the caller's mistake.
fn usage(error: RecordError) -> anyhow::Error {
    match error {
        RecordError::Exec { .. } | RecordError::BadArgument(_) => Usage(error.to_string()).into(),
        other => other.into(),
    }
}
