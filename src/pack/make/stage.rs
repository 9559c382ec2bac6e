//! Files on the way between a folder and a tree.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};

use crate::pack::interrupt;
use crate::pack::tree::{Content, Item, Tree};

/// Writes the files of a tree into a folder.
///
/// # Errors
/// One cannot be read or written; it is named.
pub fn lay_out(tree: &Tree, folder: &Path) -> Result<()> {
    for (path, item) in &tree.0 {
        let _held = interrupt::hold();
        let to = folder.join(path);
        let parent = to.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("{}", parent.display()))?;
        match &item.content {
            Content::Disk(from) => copy(from, &to, item.executable),
            Content::Bytes(bytes) => fs::write(&to, bytes),
        }
        .with_context(|| format!("'{path}' cannot be copied to {}", to.display()))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, executable: bool) -> io::Result<()> {
    // What has become a link since it was looked at may lead anywhere.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(from)?;
    let mode = if executable { 0o755 } else { 0o644 };
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(to)?;
    io::copy(&mut file, &mut new).map(drop)
}

/// All files below a folder, with `prefix` before their paths.
///
/// # Errors
/// A folder cannot be read, or a name is not UTF-8.
pub fn tree(folder: &Path, prefix: &str) -> Result<Tree> {
    let mut tree = Tree::default();
    let read = || format!("The folder {} cannot be read", folder.display());
    for entry in fs::read_dir(folder).with_context(read)? {
        let path = entry.with_context(read)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("The name of {} is not UTF-8", path.display()))?;
        let name = format!("{prefix}{name}");
        // Links are what they lead to.
        let meta = fs::metadata(&path).with_context(|| format!("{}", path.display()))?;
        if meta.is_dir() {
            tree.0.extend(self::tree(&path, &format!("{name}/"))?.0);
        } else if meta.is_file() {
            let item = Item {
                executable: meta.permissions().mode() & 0o111 != 0,
                content: Content::Disk(path),
            };
            tree.0.insert(name, item);
        }
    }
    Ok(tree)
}
