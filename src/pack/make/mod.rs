//! Packs a project's folder into one file: a zip, an executable or a container image.

mod alone;
mod archive;
mod collect;
mod compile;
mod dependencies;
mod executable;
mod image;
mod options;
mod project;
mod python;
mod site_files;
mod static_files;
mod steps;
mod target;
mod times;

use std::collections::BTreeSet;

use anyhow::{Result, bail};

pub use options::Options;
use project::Project;
use site_files::SiteFiles;
use steps::Steps;
use target::Target;
use times::Times;

use super::inspect;
use super::interrupt;
use super::output::{self, Output};

/// Packs the project.
///
/// # Errors
/// One sentence that says what to do; nothing unfinished is left.
pub fn pack(options: Options) -> Result<()> {
    let watch = interrupt::watch()?;
    if options.no_site {
        return alone::pack(&options);
    }
    let project = Project::read(options)?;
    let times = Times::read()?;
    let targets = Target::all(&project)?;
    check_outputs_differ(&targets, &project)?;
    let outputs = targets.into_iter().map(|target| {
        let output = Output::new(target.path())?;
        Ok((target, output))
    });
    let outputs = outputs.collect::<Result<Vec<_>>>()?;
    let steps = Steps::new(5);

    let warnings = outputs
        .iter()
        .filter_map(|(target, _)| target.warning(&project.label));
    for warning in warnings {
        steps.note(&format!("Warning: {warning}"));
    }
    steps.next("Gathering the project's files");
    let written = outputs.iter().map(|(target, _)| target.path());
    let files = SiteFiles::collect(&project, &written.collect::<Vec<_>>(), &steps)?;

    steps.next("Writing");
    let with_program = outputs.iter().any(|(target, _)| target.has_program());
    let (contents, notes) = inspect::describe(&files.all(), &project.label, with_program)?;
    for note in notes {
        steps.note(&format!("Warning: {note}"));
    }
    let first = outputs.first().map(|(target, _)| target.path().to_owned());
    let mut made = Vec::new();
    for (target, output) in outputs {
        made.push(target.write(output, &project.label, &files, &contents, times)?);
    }
    drop(steps);
    if let Some(to) = &project.options.sbom {
        output::write(to, &contents, "the list of what is inside")?;
    }
    for told in made {
        output::print(format!("{told}\n").as_bytes())?;
    }
    drop(watch);
    if let Some(first) = first.filter(|_| project.options.check) {
        inspect::check(&first)?;
    }
    Ok(())
}

/// Checks that no two outputs are written to the same file.
fn check_outputs_differ(targets: &[Target], project: &Project) -> Result<()> {
    let list = project.options.sbom.as_deref();
    let paths = targets.iter().map(Target::path).chain(list);
    let mut seen = BTreeSet::new();
    for path in paths {
        if !seen.insert(std::path::absolute(path)?) {
            bail!(
                "'{}' is named for two things to write; name another",
                path.display()
            );
        }
    }
    Ok(())
}
