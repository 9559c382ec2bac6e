//! The table of settings: everything about a setting stands here, once.
//!
//! Names, flags, defaults and meanings are Gunicorn's (27.0); some settings
//! are our own. A row's fields are described in [`Setting`]; its `check` turns
//! a [`Value`] into the field's type or says why not. Each file holds the rows
//! of some sections and hands them to the next; [`settings!`](super::table)
//! makes the one table of them.

mod application;
mod debugging;
mod dirty;
mod hooks;
mod logging;
mod mechanics;
mod security;
mod sources;
mod tls;
mod workers;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use super::check;
use super::choices::*;
use super::log_address::{StatsdAddress, SyslogAddress, SyslogFacility};
use super::python_object::{Hook, PythonDict};
use super::table::{Kind, Setting, Support, settings};
use super::trusted::{Names, TrustedPeers};
use super::value::{ToValue, Value};
use super::worker_class::WorkerClass;

use application::application;
use debugging::debugging;
use dirty::dirty;
use hooks::hooks;
use logging::logging;
use mechanics::mechanics;
use security::security;
use sources::sources;
use tls::tls;
use workers::workers;

sources! { [] workers security debugging mechanics logging hooks tls dirty application settings }
