//! Makes a small project to start with.

mod files;
mod name;
mod options;
mod template;

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context, Result};

pub use options::Options;
use options::ProjectKind;

/// Makes the project, and prints what to do next.
///
/// # Errors
/// A file exists already, or the folder cannot be written; nothing of the project is
/// left then.
pub fn init(options: &Options) -> Result<()> {
    let folder = std::path::absolute(&options.dir)
        .with_context(|| format!("'{}' cannot be found", options.dir.display()))?;
    let name = name::of(&folder);
    let project = template::project(options.kind, &name);
    files::write(&options.dir, &project)?;
    let mut told = format!("Made in '{}':\n", options.dir.display());
    for path in project.keys() {
        told += &format!("  {path}\n");
    }
    told += "Next:\n";
    for command in next(options) {
        told += &format!("  {command}\n");
    }
    // The project is made, even if nobody reads this.
    let _ = io::stdout().write_all(told.as_bytes());
    Ok(())
}

/// The commands that serve it.
fn next(options: &Options) -> Vec<String> {
    let mut commands = Vec::new();
    if options.dir != Path::new(".") {
        let folder = options.dir.to_string_lossy();
        let folder = shlex::try_quote(&folder).unwrap_or_default();
        commands.push(format!("cd {folder}"));
    }
    if options.kind != ProjectKind::Wsgi {
        commands.push("rgunicorn python -m venv .venv".to_owned());
        commands.push(".venv/bin/pip install -r requirements.txt".to_owned());
    }
    // The commands before the server are one line.
    let mut commands = vec![commands.join(" && ")];
    commands.retain(|it| !it.is_empty());
    commands.push("rgunicorn".to_owned());
    commands
}
