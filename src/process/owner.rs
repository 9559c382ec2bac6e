//! The user and the group of a process.

use std::ffi::CString;
use std::io;
use std::os::unix::fs::chown;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, getegid, geteuid, initgroups, setgid, setgroups, setuid};

/// A user and a group, as the settings `user`, `group` and `initgroups` name
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub user: Uid,
    pub group: Gid,
    /// Whether the user's other groups count, too.
    pub all_groups: bool,
}

/// Why a process cannot be given away: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    #[error("The group cannot become {0}: {1}; start the server as root, or leave `group` out")]
    Group(Gid, Errno),
    #[error("The user cannot become {0}: {1}; start the server as root, or leave `user` out")]
    User(Uid, Errno),
    #[error("The groups of user {0} cannot be taken over: {1}")]
    Groups(Uid, Errno),
}

impl Owner {
    /// The owner that these settings ask for; a user or group that they leave out
    /// stays as it is. Nothing if nothing changes.
    pub fn asked_for(user: Option<u32>, group: Option<u32>, all_groups: bool) -> Option<Self> {
        let owner = Self {
            user: user.map_or_else(geteuid, Uid::from_raw),
            group: group.map_or_else(getegid, Gid::from_raw),
            all_groups,
        };
        (owner.user != geteuid() || owner.group != getegid()).then_some(owner)
    }

    /// Gives this process to the owner. It cannot be undone.
    pub fn own_process(self) -> Result<(), OwnerError> {
        let name = User::from_uid(self.user).ok().flatten();
        let name = name.and_then(|user| CString::new(user.name).ok());
        let groups = |error| OwnerError::Groups(self.user, error);
        if geteuid().is_root() {
            // Root's own groups are not for others.
            match name.filter(|_| self.all_groups) {
                Some(name) => initgroups(&name, self.group).map_err(groups)?,
                None => setgroups(&[self.group]).map_err(groups)?,
            }
        }
        if self.group != getegid() {
            setgid(self.group).map_err(|error| OwnerError::Group(self.group, error))?;
        }
        if self.user != geteuid() {
            setuid(self.user).map_err(|error| OwnerError::User(self.user, error))?;
        }
        Ok(())
    }

    /// Gives a file to the owner.
    pub fn own_file(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.user.as_raw()), Some(self.group.as_raw()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_what_is_there_asks_for_nothing() {
        assert_eq!(Owner::asked_for(None, None, true), None);
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        assert_eq!(Owner::asked_for(Some(user), Some(group), false), None);
        let other = Owner::asked_for(None, Some(group + 1), false).unwrap();
        assert_eq!(other.user, geteuid());
    }
}
