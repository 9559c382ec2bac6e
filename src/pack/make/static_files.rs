//! Collects Django's static files when the site is packed.
//!
//! The Python part is `_rgunicorn.static_files`. It works in a copy of the project, so
//! that nothing is written into the user's folder.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::steps::Steps;
use crate::pack::interrupt;
use crate::pack::tree::Tree;
use crate::python::{self, discover};

/// Static files, or the reason why there are none.
pub struct StaticFiles {
    pub files: Tree,
    /// A sentence, if there are no static files.
    pub note: Option<String>,
}

/// Collects the static files of the project that `site` is a copy of, with its
/// dependencies. `None` if it is not a Django project.
///
/// # Errors
/// Django cannot collect them; the error has its traceback.
pub fn collect(site: &Path, steps: &Steps) -> Result<Option<StaticFiles>> {
    let manage = discover::read(site, "manage.py");
    let Some(settings) = manage.as_deref().and_then(discover::settings_module) else {
        return Ok(None);
    };
    steps.next("Gathering static files");
    let mut command = Command::new(python::executable());
    command
        .arg("--app-zip")
        .arg(site)
        .args(["python", "-B", "-c"])
        .arg("from _rgunicorn import static_files; static_files.main()")
        .arg(settings)
        .env_remove("GUNICORN_CMD_ARGS")
        .stdin(Stdio::null());
    let done = interrupt::output(&mut command).context("The interpreter cannot be started")?;
    if !done.status.success() {
        bail!(
            "The static files cannot be gathered; mend the project, set the variables that it \
             needs, or leave them out by --no-collectstatic.\n{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    let answer: Answer = serde_json::from_slice(&done.stdout)
        .context("The static files cannot be gathered: Django told nothing")?;
    let mut files = Tree::default();
    let mut note = answer
        .why
        .map(|why| format!("No static files are packed: {why}."));
    if let Some(folder) = answer.folder {
        let collected = site.join(&folder);
        match collected.is_dir() {
            true => files = Tree::of_folder(&collected, &format!("{folder}/"))?,
            false => note = Some("Django has no static files to pack.".to_owned()),
        }
    }
    Ok(Some(StaticFiles { files, note }))
}

#[derive(Deserialize)]
struct Answer {
    folder: Option<String>,
    why: Option<String>,
}
