//! Finds and installs the dependencies of a project.
//!
//! The project's files say what is required ([`dependency_files`]), pip installs it
//! ([`install`](install())), what differs between machines is removed ([`normalize`]),
//! and the folder is kept for the next pack ([`kept_install`]).

mod dependency_files;
mod explain;
mod inputs;
mod kept_install;
mod normalize;
mod pip;
mod requirements_txt;
mod strip;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::options::Options;
use dependency_files::DependencyFiles;
use inputs::Inputs;
use kept_install::{InstallRecord, Keep};
use pip::Installed;

/// Installed dependencies.
#[derive(Debug, Default)]
pub struct Dependencies {
    /// The finished `site-packages`; `None` if there are no dependencies.
    pub folder: Option<PathBuf>,
    /// The files that name them, as in `uv.lock`.
    pub source: Option<String>,
    /// Whole sentences for the user.
    pub notes: Vec<String>,
    /// Nobody replaces the folder while this is open.
    _held: Option<File>,
}

/// Installs the dependencies, unless an earlier pack has. `finish` is called with a new
/// folder before it is kept.
///
/// # Errors
/// One sentence that says what to do; nothing unfinished is left.
pub fn install(
    project: &Path,
    options: &Options,
    say: &dyn Fn(&str),
    finish: &dyn Fn(&Path) -> Result<()>,
) -> Result<Dependencies> {
    if options.no_dependencies {
        return Ok(Dependencies::default());
    }
    let (files, notes) = DependencyFiles::find(project, options)?;
    let Some(files) = files else {
        return Ok(Dependencies {
            notes,
            ..Dependencies::default()
        });
    };
    let requirements = files.requirements(project, options)?;
    let inputs = Inputs::read(&requirements, project, options)?;
    let kept = kept_install::obtain(&inputs, |folder, log| {
        let installed = pip::install(&requirements, project, options, folder, log, say)?;
        let packages = folder.join(kept_install::PACKAGES);
        let mut notes = Vec::new();
        if options.strip {
            let saved = strip::strip(&packages)?;
            if saved > 0 {
                let saved = saved.div_ceil(1000);
                notes.push(format!(
                    "Left out {saved} kB of tests and type stubs of the dependencies."
                ));
            }
        }
        normalize::normalize(&packages)?;
        finish(&packages)?;
        Ok(InstallRecord::new(keep(&inputs, &installed), notes))
    })?;
    let folder = kept.folder.join(kept_install::PACKAGES);
    let is_empty = fs::read_dir(&folder)?.next().is_none();
    Ok(Dependencies {
        folder: (!is_empty).then_some(folder),
        source: Some(files.names()),
        notes: [notes, kept.notes].concat(),
        _held: Some(kept.held),
    })
}

/// How long the installed packages count as what pip would install now.
fn keep(inputs: &Inputs, installed: &Installed) -> Keep {
    if installed.has_folders {
        Keep::Never
    } else if inputs.is_hashed || installed.is_hashed {
        Keep::Always
    } else if !installed.moves && (installed.is_locked || inputs.pins_all(&installed.names)) {
        Keep::WhileLinksStay
    } else {
        Keep::ForADay
    }
}
