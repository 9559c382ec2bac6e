//! Which files of a project's folder go into the pack.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder};

use super::project::Project;
use crate::pack::appended;
use crate::pack::label;
use crate::pack::output::UNFINISHED;
use crate::pack::tree::{Content, Item, Tree};

/// The files of a project.
#[derive(Debug, Default)]
pub struct Collected {
    pub files: Tree,
    /// Sentences about what was left out and may be missed.
    pub warnings: Vec<String>,
}

/// Gathers them.
///
/// # Errors
/// A pattern is wrong, a file cannot be read or packed: one sentence.
pub fn collect(project: &Project) -> Result<Collected> {
    let root = &project.folder;
    let options = &project.options;
    let included = patterns(root, "--include", &options.include)?;
    let excluded = patterns(root, "--exclude", &options.exclude)?;
    let mut found = Found::default();
    for entry in usual(root) {
        found.take(root, entry?, &excluded, None)?;
    }
    if !included.is_empty() {
        for entry in all(root) {
            found.take(root, entry?, &excluded, Some(&included))?;
        }
    }
    let mut files = Tree::default();
    for (path, (file, meta)) in found.files {
        let item = Item {
            content: Content::Disk(file),
            executable: meta.permissions().mode() & 0o111 != 0,
        };
        files.0.insert(path, item);
    }
    let mut warnings = Vec::new();
    let left_out: Vec<_> = found
        .private
        .into_iter()
        .filter(|path| !files.0.contains_key(path))
        .collect();
    if !left_out.is_empty() {
        warnings.push(format!(
            "Left out, as databases and files of secrets do not belong into a pack: {}. What is \
             needed all the same comes in by --include.",
            left_out.join(", ")
        ));
    }
    Ok(Collected { files, warnings })
}

/// Folders that are never wanted, wherever they are.
const FOLDERS: [&str; 17] = [
    ".git",
    ".hg",
    ".svn",
    ".bzr",
    "__pycache__",
    "__pypackages__",
    "node_modules",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    ".ipynb_checkpoints",
    ".tox",
    ".nox",
    ".eggs",
    ".idea",
    ".vscode",
];

/// Files that are never wanted.
const FILES: &[&str] = &[".DS_Store", ".coverage", "Thumbs.db"];
const ENDINGS: &[&str] = &[".pyc", ".pyo", "~", ".swp", ".swo"];

/// Files with data or secrets of this one machine.
const DATABASES: &[&str] = &[".db", ".sqlite", ".sqlite3"];
const OF_DATABASES: &[&str] = &["-journal", "-wal", "-shm"];
const EXAMPLES: &[&str] = &[".example", ".sample", ".template", ".dist"];

#[derive(Default)]
struct Found {
    files: BTreeMap<String, (PathBuf, Metadata)>,
    private: Vec<String>,
}

impl Found {
    /// Takes a file, if it is wanted. With `included` only what matches that is.
    fn take(
        &mut self,
        root: &Path,
        entry: DirEntry,
        excluded: &Gitignore,
        included: Option<&Gitignore>,
    ) -> Result<()> {
        let path = entry.path();
        let Ok(inside) = path.strip_prefix(root) else {
            return Ok(());
        };
        if inside.as_os_str().is_empty() {
            return Ok(());
        }
        let matches = |patterns: &Gitignore| {
            let matched = patterns.matched_path_or_any_parents(inside, path.is_dir());
            matched.is_ignore()
        };
        if matches(excluded) || included.is_some_and(|patterns| !matches(patterns)) {
            return Ok(());
        }
        let shown = inside.display();
        if entry.path_is_symlink() {
            let target = fs::canonicalize(path)
                .with_context(|| format!("The link '{shown}' cannot be followed"))?;
            if !target.starts_with(root) {
                bail!(
                    "'{shown}' is a link that leads out of the project, to {}; put the file itself \
                     in its place, or leave it out by --exclude",
                    target.display()
                );
            }
        }
        let meta = fs::metadata(path).with_context(|| format!("'{shown}' cannot be read"))?;
        if !meta.is_file() {
            return Ok(());
        }
        let Some(name) = inside.to_str() else {
            bail!("The name of '{shown}' is not UTF-8; rename it, or leave it out by --exclude");
        };
        if name.contains('\\') {
            bail!("'{shown}' has a backslash in its name; rename it, or leave it out by --exclude");
        }
        if is_own_product(path, &meta) || name == label::NAME {
            return Ok(());
        }
        if included.is_none() && is_private(name) {
            self.private.push(name.to_owned());
            return Ok(());
        }
        self.files.insert(name.to_owned(), (path.to_owned(), meta));
        Ok(())
    }
}

/// What is in the folder, without what version control leaves out, and without what
/// is never wanted.
fn usual(root: &Path) -> impl Iterator<Item = Result<DirEntry>> {
    // What a parent of the folder ignores counts in a repository only: else a pack
    // would depend on where the project lies.
    let in_repository = root.ancestors().any(|it| it.join(".git").exists());
    let mut walk = walk(root);
    walk.git_ignore(true)
        .parents(in_repository)
        .require_git(in_repository)
        .filter_entry(|entry| !is_unwanted(entry));
    with_sentences(walk, root)
}

/// All that is in the folder, without the data of version control.
fn all(root: &Path) -> impl Iterator<Item = Result<DirEntry>> {
    let mut walk = walk(root);
    walk.filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git");
    with_sentences(walk, root)
}

fn walk(root: &Path) -> WalkBuilder {
    let mut walk = WalkBuilder::new(root);
    walk.standard_filters(false).follow_links(true);
    walk
}

fn with_sentences(
    walk: WalkBuilder,
    root: &Path,
) -> impl Iterator<Item = Result<DirEntry>> + use<> {
    let root = root.to_owned();
    walk.build().map(move |entry| {
        entry.with_context(|| {
            format!(
                "Not all of the project in '{}' can be read; mend it, or leave it out by --exclude",
                root.display()
            )
        })
    })
}

fn is_unwanted(entry: &DirEntry) -> bool {
    if entry.depth() == 0 {
        return false;
    }
    let name = entry.file_name().to_string_lossy();
    if entry.path().is_dir() {
        let is_venv = entry.path().join("pyvenv.cfg").exists();
        return is_venv || FOLDERS.contains(&&*name) || name.ends_with(".egg-info");
    }
    name.starts_with(UNFINISHED)
        || FILES.contains(&&*name)
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn is_private(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == ".env" || name.starts_with(".env.") {
        return !EXAMPLES.iter().any(|ending| name.ends_with(ending));
    }
    let mut stem = name;
    for ending in OF_DATABASES {
        stem = stem.strip_suffix(ending).unwrap_or(stem);
    }
    DATABASES.iter().any(|ending| stem.ends_with(ending))
}

/// Whether a file is a pack that was made before, or the program itself.
fn is_own_product(path: &Path, meta: &Metadata) -> bool {
    /// Where a zip has the name of its first entry (APPNOTE 4.3.7).
    const NAME_AT: usize = 30;
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    let mut begin = [0; NAME_AT + label::NAME.len()];
    if file.read_exact(&mut begin).is_err() {
        return false;
    }
    let is_pack = begin.starts_with(b"PK\x03\x04") && begin.ends_with(label::NAME.as_bytes());
    let is_image = begin.starts_with(b"oci-layout\0");
    if is_pack || is_image {
        return true;
    }
    let is_program = appended::end_of_program(&mut file).is_ok_and(|end| end.is_some());
    is_program
        && meta.len() > SMALLEST
        && fs::read(path).is_ok_and(|it| crate::carried::packed::is_ours(&it))
}

/// Bytes that our executable has at least.
const SMALLEST: u64 = 10 << 20;

fn patterns(root: &Path, flag: &str, patterns: &[String]) -> Result<Gitignore> {
    let mut builder = GitignoreBuilder::new(root);
    for pattern in patterns {
        builder
            .add_line(None, pattern)
            .with_context(|| format!("{flag} {pattern} is no pattern"))?;
    }
    builder
        .build()
        .with_context(|| format!("The patterns of {flag} cannot be used"))
}
