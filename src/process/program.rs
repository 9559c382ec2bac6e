//! How this process was started, so that the program can be started once more.

use std::collections::HashMap;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::sys::signal::SigSet;
use nix::unistd::execve;

use super::environment::{change_folder, remove_variable, set_variable};
use super::exit_code::{NOT_EXECUTED, exit_now};

/// The executable, and what it was started with.
#[derive(Clone, Debug)]
pub struct Program {
    pub file: PathBuf,
    /// The command line, the program's name included.
    pub words: Vec<OsString>,
    /// As the shell named it: a link in it may lead to another folder by now.
    pub folder: PathBuf,
    pub environment: HashMap<OsString, OsString>,
}

impl Program {
    /// Becomes the program, in its first folder and with its first
    /// environment; returns only an error. Descriptors that are not closed on exec
    /// stay open, and blocked signals stay blocked.
    pub fn execute(&self) -> io::Error {
        let Err(error) = self.try_to_execute();
        error
    }

    /// In a child: becomes the program, with no signal blocked.
    pub fn replace_process(&self) -> ! {
        let _ = SigSet::all().thread_unblock();
        let error = self.execute();
        ::log::error!("{} cannot be executed: {error}", self.file.display());
        exit_now(NOT_EXECUTED)
    }

    /// Gives this process the program's first folder and its first environment
    /// back.
    ///
    /// # Errors
    /// The folder cannot be entered.
    pub fn restore(&self) -> anyhow::Result<()> {
        for (name, _) in env::vars_os() {
            if !self.environment.contains_key(&name) {
                remove_variable(name);
            }
        }
        for (name, value) in &self.environment {
            set_variable(name, value);
        }
        change_folder(&self.folder)
    }

    fn try_to_execute(&self) -> io::Result<std::convert::Infallible> {
        let words = self.words.iter().map(|word| c_string(word));
        let words = words.collect::<io::Result<Vec<_>>>()?;
        let mut environment = Vec::with_capacity(self.environment.len());
        for (name, value) in &self.environment {
            environment.push(c_string(
                &[name, value].map(OsString::as_os_str).join("=".as_ref()),
            )?);
        }
        env::set_current_dir(&self.folder)?;
        Ok(execve(
            &c_string(self.file.as_os_str())?,
            &words,
            &environment,
        )?)
    }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}
