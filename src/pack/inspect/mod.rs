//! What is inside a pack of any form: its size and what takes it, the licences, and
//! native code that will not load.
//!
//! A file is read once into a [`Survey`], without unpacking or running anything; the
//! whole report is made from that. Only `--check` runs what is inside.

mod binary;
mod check;
mod extract_site;
mod header_limit;
mod image;
mod metadata;
mod native;
mod options;
mod pack;
mod packages;
mod page;
mod purl;
mod sbom;
mod sizes;
mod survey;
mod treemap;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::pack::interrupt;
use crate::pack::label::Label;
use crate::pack::output;
use crate::pack::text::{self, printable};
use crate::pack::tree::Tree;
use crate::python;
use pack::{Form, Pack};
use packages::Contents;
use sbom::Subject;
use survey::Survey;

pub use extract_site::extract_site;
pub use metadata::normal_name;
pub use options::Options;

/// Shows what is inside a file.
///
/// # Errors
/// One sentence that says what to do.
pub fn inspect(options: &Options) -> Result<()> {
    let watch = interrupt::watch()?;
    let file = options.file.as_deref().unwrap_or(python::executable());
    options.check_outputs(file)?;
    let pack = Pack::open(file)?;
    let contents = Contents::of(&pack.survey);
    let rows = sizes::rows(&pack, &contents);
    let outputs = [&options.html, &options.sbom];
    if !outputs
        .into_iter()
        .flatten()
        .any(|it| output::is_stdout(it))
    {
        let report = report(file, &pack, &contents, &rows);
        output::print(report.as_bytes())?;
    }
    if let Some(to) = &options.html {
        let title = title(pack.label.as_ref()).unwrap_or_else(|| file_name(file));
        let about = head(file, &pack).trim_end().replace('\n', ". ");
        let page = page::page(&printable(&title), &about, &rows, &pack.survey);
        output::write(to, page.as_bytes(), "the page")?;
    }
    if let Some(to) = &options.sbom {
        let runtime = runtime(&pack);
        let subject = match pack.form {
            Form::Bare => Subject::Program,
            _ => Subject::Site(pack.label.as_ref()),
        };
        let list = sbom::list(&contents, subject, runtime.as_ref())?;
        output::write(to, &list, "the list of what is inside")?;
    }
    drop(watch);
    if options.check {
        check::check(file, &pack, &contents)?;
    }
    Ok(())
}

/// The form of a file, which is read and checked.
///
/// # Errors
/// It is not a pack or is damaged: one sentence.
pub fn form(file: &Path) -> Result<Form> {
    Ok(Pack::open(file)?.form)
}

/// Loads the app of a pack that was just made, and imports all modules of its packages.
///
/// # Errors
/// The app does not load: one sentence; the traceback is on standard error.
pub fn check(file: &Path) -> Result<()> {
    let pack = Pack::open(file)?;
    check::check(file, &pack, &Contents::of(&pack.survey))
}

/// Describes files before they are packed: the list of what is inside (CycloneDX), and
/// one sentence for each native module that will not load. With `with_program`, the
/// list has this executable and all that it carries.
///
/// # Errors
/// A file cannot be read.
pub fn describe(tree: &Tree, label: &Label, with_program: bool) -> Result<(Vec<u8>, Vec<String>)> {
    let survey = Survey::of_tree(tree)?;
    let contents = Contents::of(&survey);
    let runtime = with_program.then_some(sbom::Runtime::This);
    let list = sbom::list(&contents, Subject::Site(Some(label)), runtime.as_ref())?;
    let notes = native::notes(&survey, &contents, minor(python::version()));
    Ok((list, notes))
}

/// Lists what this executable carries, in CycloneDX's JSON.
///
/// # Errors
/// The list cannot be read.
pub fn describe_program() -> Result<Vec<u8>> {
    let program = sbom::Runtime::This;
    sbom::list(&Contents::default(), Subject::Program, Some(&program))
}

/// The program that runs the site, if it is in the file.
fn runtime(pack: &Pack) -> Option<sbom::Runtime> {
    let program = pack.program.as_ref()?;
    if program.is_this {
        return Some(sbom::Runtime::This);
    }
    let label = pack.label.as_ref();
    let made_by = label.map(|label| label.rgunicorn.clone());
    let made_for = label.map(|label| label.python.clone());
    let made_for = made_for.filter(|version| !version.is_empty());
    Some(sbom::Runtime::Another {
        rgunicorn: program.version.clone().or(made_by).unwrap_or_default(),
        python: made_for,
    })
}

fn file_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    name.to_string_lossy().into_owned()
}

/// The text that is printed.
fn report(file: &Path, pack: &Pack, contents: &Contents, rows: &[sizes::Row]) -> String {
    let mut report = head(file, pack);
    let _ = write!(report, "\n{}", sizes::table(rows));
    let notes = notes(pack, contents);
    if !notes.is_empty() {
        let _ = write!(report, "\nWill not load:\n  {}\n", notes.join("\n  "));
    }
    report
}

/// The first lines: what the file is.
fn head(file: &Path, pack: &Pack) -> String {
    let mut head = format!(
        "{} is {} of {}",
        printable(&file.display().to_string()),
        pack.form,
        text::size(pack.size)
    );
    if let Some(title) = title(pack.label.as_ref()) {
        let _ = write!(head, ": {}", printable(&title));
    }
    head.push('\n');
    // A label that was made by hand may have no versions.
    let label = pack.label.as_ref().filter(|it| !it.rgunicorn.is_empty());
    let versions = match (label, &pack.program) {
        (Some(label), _) => format!(
            "Made by rgunicorn {}, for Python {}",
            printable(&label.rgunicorn),
            printable(&label.python)
        ),
        (None, Some(program)) if program.is_this => format!(
            "rgunicorn {} with Python {}",
            env!("CARGO_PKG_VERSION"),
            python::version()
        ),
        (None, Some(program)) => {
            let version = program.version.as_deref();
            format!("rgunicorn {}", version.unwrap_or("of an unknown version"))
        }
        (None, None) => "Made by hand: no label says for which Python".to_owned(),
    };
    head.push_str(&versions);
    head.push('\n');
    if let Some(settings) = settings(pack) {
        let _ = writeln!(head, "Packed settings: {settings}");
    }
    if pack.form != Form::Zip && pack.program.as_ref().is_none_or(|it| !it.is_this) {
        head.push_str("Its executable is another build than this one\n");
    }
    head
}

/// The settings that a site was packed with, as in `workers=4`.
fn settings(pack: &Pack) -> Option<String> {
    let settings = &pack.label.as_ref()?.settings;
    let all = settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let all = all.collect::<Vec<_>>().join(" ");
    (!all.is_empty()).then(|| printable(&all))
}

/// The name and version of a site.
fn title(label: Option<&Label>) -> Option<String> {
    let label = label?;
    let name = label.name.as_ref()?;
    Some(match &label.version {
        Some(version) => format!("{name} {version}"),
        None => name.clone(),
    })
}

fn notes(pack: &Pack, contents: &Contents) -> Vec<String> {
    let version = pack
        .label
        .as_ref()
        .map_or(python::version(), |it| &it.python);
    native::notes(&pack.survey, contents, minor(version))
}

/// `3.13` for `3.13.5`.
fn minor(version: &str) -> &str {
    let dots = version.match_indices('.').nth(1);
    dots.map_or(version, |(end, _)| &version[..end])
}
