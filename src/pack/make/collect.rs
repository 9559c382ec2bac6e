//! Selects the files of a project's folder that go into the pack.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder};

use super::project::Project;
use crate::pack::appended;
use crate::pack::check::MAX_UNPACKED;
use crate::pack::label;
use crate::pack::output::UNFINISHED;
use crate::pack::text;
use crate::pack::tree::{Content, PackFile, Tree};

/// The files of a project.
#[derive(Debug, Default)]
pub struct Collected {
    pub files: Tree,
    /// Sentences about files that were left out and may be needed.
    pub warnings: Vec<String>,
}

/// Selects the files. `written` are the files that will be written, which may exist
/// from an earlier pack.
///
/// # Errors
/// A pattern is wrong, or a file cannot be read or packed: one sentence.
pub fn collect(project: &Project, written: &[&Path]) -> Result<Collected> {
    let root = &project.folder;
    let options = &project.options;
    let included = patterns(root, "--include", &options.include)?;
    let excluded = patterns(root, "--exclude", &options.exclude)?;
    let mut selected = Selection::default();
    for entry in walk_unignored(root) {
        if let Some(entry) = read(root, entry, &excluded)? {
            selected.add(root, entry, &excluded, None)?;
        }
    }
    if !included.is_empty() {
        for entry in walk_all(root) {
            if let Some(entry) = read(root, entry, &excluded)? {
                selected.add(root, entry, &excluded, Some(&included))?;
            }
        }
    }
    if let Some(list) = options.sbom.as_deref().and_then(|it| inside(root, it)) {
        selected.files.remove(&list);
    }
    selected.check_size()?;
    for path in written.iter().filter_map(|it| inside(root, it)) {
        if selected.files.contains_key(&path) {
            bail!("'{path}' is a file of the project; name another to write");
        }
    }
    let mut files = Tree::default();
    for (path, (file, meta)) in selected.files {
        let file = PackFile {
            content: Content::Disk(file),
            executable: meta.permissions().mode() & 0o111 != 0,
        };
        files.0.insert(path, file);
    }
    let mut warnings = Vec::new();
    let left_out: Vec<_> = selected
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

/// Folders that are never packed.
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

/// Files that are never packed.
const FILES: &[&str] = &[".DS_Store", ".coverage", "Thumbs.db"];
const ENDINGS: &[&str] = &[".pyc", ".pyo", "~", ".swp", ".swo"];

/// Files with data or secrets of this one machine.
const DATABASES: &[&str] = &[".db", ".sqlite", ".sqlite3"];
const OF_DATABASES: &[&str] = &["-journal", "-wal", "-shm"];
const EXAMPLES: &[&str] = &[".example", ".sample", ".template", ".dist"];

#[derive(Default)]
struct Selection {
    files: BTreeMap<String, (PathBuf, Metadata)>,
    private: Vec<String>,
}

impl Selection {
    /// Adds a file if it is to be packed. With `included`, only files that match it
    /// are.
    fn add(
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
        let target = fs::canonicalize(path).with_context(|| format!("'{shown}' cannot be read"))?;
        let Ok(real) = target.strip_prefix(root) else {
            bail!(
                "'{shown}' is a link that leads out of the project, to {}; put the file itself \
                 in its place, or leave it out by --exclude",
                target.display()
            );
        };
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
        if included.is_none() && (is_private(name) || is_private(&real.to_string_lossy())) {
            self.private.push(name.to_owned());
            return Ok(());
        }
        self.files.insert(name.to_owned(), (target, meta));
        Ok(())
    }

    /// A pack has a size limit; this reports a project that is too large before its
    /// files are read.
    fn check_size(&self) -> Result<()> {
        let total: u64 = self.files.values().map(|(_, meta)| meta.len()).sum();
        let largest = self.files.iter().max_by_key(|(_, (_, meta))| meta.len());
        match largest {
            Some((path, (_, meta))) if total > MAX_UNPACKED => bail!(
                "The project has {}, more than the {} of a pack; leave out what is not needed \
                 by --exclude, such as '{path}' with {}",
                text::size(total),
                text::size(MAX_UNPACKED),
                text::size(meta.len())
            ),
            _ => Ok(()),
        }
    }
}

/// All files, except those that version control ignores and those that are never
/// packed.
fn walk_unignored(root: &Path) -> ignore::Walk {
    // Ignore files of parent folders count only inside a repository. Else a pack would
    // depend on where the project is.
    let in_repository = root.ancestors().any(|it| it.join(".git").exists());
    let mut walker = walker(root);
    walker
        .git_ignore(true)
        .parents(in_repository)
        .require_git(in_repository)
        .filter_entry(|entry| !is_unwanted(entry));
    walker.build()
}

/// All files, except the data of version control.
fn walk_all(root: &Path) -> ignore::Walk {
    let mut walker = walker(root);
    walker.filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git");
    walker.build()
}

fn walker(root: &Path) -> WalkBuilder {
    let mut walker = WalkBuilder::new(root);
    walker.standard_filters(false).follow_links(true);
    walker
}

/// The entry. `None` if it cannot be read and would be left out: by --exclude, or as an
/// editor's lock, which is a link to nothing.
fn read(
    root: &Path,
    entry: Result<DirEntry, ignore::Error>,
    excluded: &Gitignore,
) -> Result<Option<DirEntry>> {
    let error = match entry {
        Ok(entry) => return Ok(Some(entry)),
        Err(error) => error,
    };
    let path = path_of(&error).and_then(|it| it.strip_prefix(root).ok());
    if let Some(path) = path {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_excluded = |is_folder| excluded.matched_path_or_any_parents(path, is_folder);
        if is_excluded(true).is_ignore() || is_excluded(false).is_ignore() || name.starts_with(".#")
        {
            return Ok(None);
        }
    }
    let path = path.unwrap_or(root).display();
    let sentence = format!("'{path}' cannot be packed; mend it, or leave it out by --exclude");
    Err(anyhow!(error.to_string()).context(sentence))
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::Loop { child, .. } => Some(child),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            path_of(err)
        }
        _ => None,
    }
}

/// The path of a file relative to the project's folder; `None` if it is not in there.
fn inside(root: &Path, file: &Path) -> Option<String> {
    let file = std::path::absolute(file).ok()?;
    let folder = fs::canonicalize(file.parent()?).ok()?;
    let path = folder.join(file.file_name()?);
    path.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

fn is_unwanted(entry: &DirEntry) -> bool {
    if entry.depth() == 0 {
        return false;
    }
    let name = entry.file_name().to_string_lossy();
    // In a worktree `.git` is a file.
    if FOLDERS.contains(&&*name) {
        return true;
    }
    if entry.path().is_dir() {
        return entry.path().join("pyvenv.cfg").exists() || name.ends_with(".egg-info");
    }
    name.starts_with(UNFINISHED)
        || FILES.contains(&&*name)
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a path is one of data or secrets. Files of version control can get here only
/// through a link.
fn is_private(path: &str) -> bool {
    if path.split('/').any(|it| it == ".git") {
        return true;
    }
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    if name == ".env" || name.starts_with(".env.") {
        return !EXAMPLES.iter().any(|ending| name.ends_with(ending));
    }
    let mut stem = &*name;
    for ending in OF_DATABASES {
        stem = stem.strip_suffix(ending).unwrap_or(stem);
    }
    DATABASES.iter().any(|ending| stem.ends_with(ending))
}

/// Whether a file is a pack that was made before, or the program itself.
fn is_own_product(path: &Path, meta: &Metadata) -> bool {
    /// The offset of the first entry's name in a zip (APPNOTE 4.3.7).
    const NAME_AT: usize = 30;
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    let mut begin = [0; NAME_AT + label::NAME.len()];
    if file.read_exact(&mut begin).is_err() {
        return false;
    }
    let is_pack = begin.starts_with(b"PK\x03\x04") && begin.ends_with(label::NAME.as_bytes());
    let is_image = begin.starts_with(b"oci-layout\0") || begin.starts_with(b"blobs/sha256/");
    if is_pack || is_image {
        return true;
    }
    let is_program = appended::end_of_program(&mut file).is_ok_and(|end| end.is_some());
    is_program
        && (SMALLEST..LARGEST).contains(&meta.len())
        && fs::read(path).is_ok_and(|it| crate::carried::packed::is_ours(&it))
}

/// Sizes in bytes that our executable has, with or without a site in it.
const SMALLEST: u64 = 10 << 20;
const LARGEST: u64 = 1 << 30;

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
