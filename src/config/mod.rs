//! The settings: one table, and the ways a setting gets its value.
//!
//! [`settings`] holds the table. The command line (`src/cli`),
//! `GUNICORN_CMD_ARGS`, the config file and `docs/reference/settings.md` are all made
//! from it. [`Draft`] collects the values of those sources and decides which one
//! counts. A new setting is a new field with its attributes in one of the files of
//! [`settings`]; `section.rs` says what the attributes mean.

#![forbid(unsafe_code)]

mod certificates;
mod cfg;
mod check;
mod choices;
mod draft;
mod file;
mod folder;
mod http_protocols;
mod log_address;
mod logs;
mod owner;
#[cfg(test)]
mod page;
mod print;
mod python;
mod python_class;
mod python_object;
mod section;
mod setting;
mod settings;
mod trusted;
mod value;
mod worker_class;

pub use choices::ReloadEngine;
pub use draft::{Draft, Invalid, Layer};
pub use file::ConfigFile;
pub use folder::current_folder;
pub use python_class::PythonClass;
pub use setting::{Kind, Setting};
pub use settings::{Settings, TABLE};
pub use trusted::TrustedPeers;
pub use value::Value;
pub use worker_class::WorkerClass;
