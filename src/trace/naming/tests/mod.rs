//! Raw events in, canonical events out, as one line each.

mod channels;
mod endings;
mod locks;
mod objects;
mod processes;
mod properties;
mod signals;
mod support;
