//! ipc-grade: a grader for processes and interprocess communication that grades what the kernel saw.
//!
//! Data flows one way: course → build → attempt → raw trace → canonical trace → judge → report.
//! `ARCHITECTURE.md` is the map; each folder below is a layer, and `tests/layers.rs` holds who may use whom.

pub mod build;
pub mod cli;
pub mod course;
pub mod harness;
pub mod judge;
pub mod model;
pub mod pattern;
pub mod pipeline;
pub mod recorder;
pub mod report;
pub mod sandbox;
pub mod sys;
pub mod trace;
