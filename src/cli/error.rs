//! What can be wrong with a command line, and how the program ends then.

use crate::config::Invalid;

/// A command line that leads to no command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The help or the version was asked for, or the line cannot be read.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The options in `GUNICORN_CMD_ARGS` cannot be read.
    #[error("In $GUNICORN_CMD_ARGS: {0}")]
    MoreOptions(clap::Error),
    /// A quote in `GUNICORN_CMD_ARGS` is not closed.
    #[error("$GUNICORN_CMD_ARGS has a quote that is not closed.")]
    Quotes,
    /// A setting refuses its value.
    #[error(transparent)]
    Setting(#[from] Invalid),
    /// The value of an option is likely the app.
    #[error(
        "'{value}' is taken for the value of {flag}; if it is the app, name it before the options"
    )]
    ValueIsApp { flag: &'static str, value: String },
}

impl Error {
    /// Tells the user and gives the exit code, as Gunicorn does: 0 for the
    /// help and the version, 2 for a line that cannot be read, 1 for a value
    /// that a setting refuses.
    pub fn report(&self) -> u8 {
        match self {
            Self::Usage(error) => {
                // If standard error is closed, nobody can be told.
                let _ = error.print();
                error.exit_code() as u8
            }
            Self::MoreOptions(_) => {
                eprint!("{self}");
                2
            }
            Self::Quotes => {
                eprintln!("Error: {self}");
                2
            }
            Self::Setting(_) | Self::ValueIsApp { .. } => {
                eprintln!("\nError: {self}");
                1
            }
        }
    }
}
