//! Whether a folder is ours alone: who can write there, or put another folder
//! in its place, can run code as us.
//!
//! A folder can be replaced by whoever may write to one of those that it is in,
//! or to one that a symbolic link on the way leads through. So the whole way
//! from the root is looked at.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Gid, Group, User, geteuid};

/// As many symbolic links as Linux follows in one path.
const MAX_LINKS: usize = 40;

/// Write permission for others, and for the group.
const OTHERS: u32 = 0o002;
const GROUP: u32 = 0o020;
/// In such a folder only its owner and that of a file may replace the file.
const STICKY: u32 = 0o1000;

/// Follows an absolute path, as far as it exists, and gives it without
/// symbolic links.
///
/// # Errors
/// Somebody who is neither we nor root could make it lead elsewhere; or it
/// cannot be followed.
pub(super) fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut reached = PathBuf::from("/");
    let mut ahead = components(path);
    let mut links = 0;
    check_way(&reached, &fs::symlink_metadata(&reached)?)?;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            reached.pop();
            continue;
        }
        let next = reached.join(name);
        let meta = match fs::symlink_metadata(&next) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Nobody else can make it: the way here is safe.
                return Ok(ahead.iter().fold(next, |path, name| path.join(name)));
            }
            Err(error) => return Err(error),
        };
        if !meta.is_symlink() {
            check_way(&next, &meta)?;
            reached = next;
            continue;
        }
        check_owner(&next, &meta)?;
        links += 1;
        if links > MAX_LINKS {
            return Err(refusal(&next, "is one of too many symbolic links"));
        }
        let target = fs::read_link(&next)?;
        if target.is_absolute() {
            reached = PathBuf::from("/");
        }
        for name in components(&target).into_iter().rev() {
            ahead.push_front(name);
        }
    }
    Ok(reached)
}

/// Checks that a folder, which is reached by a safe way, is ours, and that
/// nobody else may write to it.
pub(super) fn check_private(path: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if !meta.is_dir() {
        return Err(refusal(path, "is not a folder"));
    }
    if meta.uid() != geteuid().as_raw() {
        return Err(refusal(path, "belongs to another user"));
    }
    if meta.mode() & (OTHERS | GROUP) != 0 {
        return Err(refusal(path, "can be written by others"));
    }
    Ok(())
}

fn components(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|it| match it {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    named.collect()
}

/// Checks that nobody else can replace what is in a folder on the way.
fn check_way(path: &Path, meta: &Metadata) -> io::Result<()> {
    check_owner(path, meta)?;
    let mode = meta.mode();
    // What is in a sticky folder is safe if it is ours or root's, which is
    // checked next.
    let by_others = mode & OTHERS != 0;
    let by_group = mode & GROUP != 0 && !is_ours_alone(Gid::from_raw(meta.gid()));
    if mode & STICKY == 0 && (by_others || by_group) {
        return Err(refusal(path, "can be written by others"));
    }
    Ok(())
}

fn check_owner(path: &Path, meta: &Metadata) -> io::Result<()> {
    let owner = meta.uid();
    if owner == geteuid().as_raw() || owner == 0 {
        return Ok(());
    }
    // In a user namespace root can have another number. Whoever has the root
    // folder could replace anything below it anyway.
    if fs::symlink_metadata("/").is_ok_and(|root| root.uid() == owner) {
        return Ok(());
    }
    Err(refusal(path, "belongs to another user"))
}

/// Whether a group has one member, who we are: the group that many systems give
/// to each user, and to all files that the user makes.
fn is_ours_alone(group: Gid) -> bool {
    let us = User::from_uid(geteuid()).ok().flatten();
    let group = Group::from_gid(group).ok().flatten();
    us.zip(group).is_some_and(|(us, group)| {
        us.gid == group.gid && us.name == group.name && group.mem.iter().all(|it| *it == us.name)
    })
}

fn refusal(path: &Path, why: &str) -> io::Error {
    let message = format!("'{}' {why}", path.display());
    io::Error::new(ErrorKind::PermissionDenied, message)
}
