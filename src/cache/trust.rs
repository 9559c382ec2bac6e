//! Whether only this user can change a folder. Others who can write there, or can
//! replace the folder, could run code as this user.
//!
//! A folder can be replaced by anybody who may write to one of its parents, or to a
//! folder that a symbolic link on its path leads through. So all of the path is checked
//! from the root on.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Gid, Group, User, geteuid};

/// The number of symbolic links that Linux follows in one path.
const MAX_LINKS: usize = 40;

/// Write permission for others, and for the group.
const OTHERS: u32 = 0o002;
const GROUP: u32 = 0o020;
/// In a sticky folder only the owner of the folder or of a file can replace the file.
const STICKY: u32 = 0o1000;

/// Follows an absolute path as far as it exists. Returns it without symbolic links.
///
/// # Errors
/// A user other than this one or root could change where it leads, or it cannot be
/// followed.
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
                // Nobody else can make it, as the path to here is safe.
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

/// Checks that a folder, whose path is safe, belongs to this user, and that nobody else
/// may write to it.
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

/// Checks that nobody else can replace what is in a folder on the path.
fn check_way(path: &Path, meta: &Metadata) -> io::Result<()> {
    check_owner(path, meta)?;
    let mode = meta.mode();
    // In a sticky folder, files of this user and of root are safe. Their owners are
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
    // In a user namespace root can have another number. The owner of the root folder
    // could replace everything below it anyway.
    if fs::symlink_metadata("/").is_ok_and(|root| root.uid() == owner) {
        return Ok(());
    }
    Err(refusal(path, "belongs to another user"))
}

/// Whether this user is the only member of a group. Many systems give each user a group
/// of their own, which all files of the user get.
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
