//! Which folders can be used as a cache.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, geteuid};

use super::{Bench, Unpacked, unpack_into, write_zip};

/// A user who is neither this one nor root.
const OTHER_USER: u32 = 4711;

fn bench() -> Bench {
    let bench = Bench::new();
    write_zip(&bench.zip(), &[("app.py", b"one")]);
    bench
}

impl Bench {
    /// A folder beside the zip.
    fn folder_with(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir(&path).unwrap();
        set_mode(&path, mode);
        path
    }

    /// `None` if the place is not used.
    fn unpacked_below(&self, place: &Path) -> Option<PathBuf> {
        match unpack_into(&self.zip(), &[place.to_owned()], false, None).unwrap() {
            Unpacked::Folder(folder) => Some(folder.path().to_owned()),
            Unpacked::Ready(_) | Unpacked::InMemory { .. } => None,
        }
    }

    #[track_caller]
    fn refuses(&self, place: &Path, why: &str) {
        match unpack_into(&self.zip(), &[place.to_owned()], false, None).unwrap() {
            Unpacked::Folder(folder) => panic!("unpacked to {}", folder.path().display()),
            Unpacked::InMemory { reason, .. } => assert!(reason.contains(why), "{reason}"),
            Unpacked::Ready(_) => panic!("it is no folder"),
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_place_that_others_may_write_is_passed_over() {
    let bench = bench();
    let open = bench.folder_with("open", 0o777);
    let other = bench.dir.path().join("other");
    let unpacked = unpack_into(&bench.zip(), &[open.clone(), other.clone()], false, None).unwrap();
    assert!(unpacked.root().starts_with(&other));
    assert_eq!(fs::read_dir(open).unwrap().count(), 0);
}

#[test]
fn nothing_is_made_below_a_folder_that_others_may_write() {
    let bench = bench();
    for mode in [0o777, 0o757, 0o775] {
        let open = bench.folder_with(&format!("{mode:o}"), mode);
        if geteuid().is_root() {
            // The group could be the user's own.
            chown(&open, None, Some(OTHER_USER)).unwrap();
        } else if mode == 0o775 {
            continue;
        }
        let why = format!("'{}' can be written by others", open.display());
        bench.refuses(&open.join("cache"), &why);
        bench.refuses(&open.join("some/where/cache"), &why);
        assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
    }
}

#[test]
fn a_group_without_other_members_is_trusted() {
    // Many systems have such a group for each user, and root has one.
    let group = Group::from_gid(Gid::from_raw(0)).unwrap();
    if !geteuid().is_root() || group.is_none_or(|group| !group.mem.is_empty()) {
        eprintln!("skipped: only root is sure to have such a group");
        return;
    }
    let bench = bench();
    let ours = bench.folder_with("ours", 0o775);
    chown(&ours, None, Some(0)).unwrap();
    assert!(bench.unpacked_below(&ours.join("cache")).is_some());
}

#[test]
fn what_was_unpacked_there_before_is_not_used_any_more() {
    let bench = bench();
    bench.settle();
    let parent = bench.folder_with("parent", 0o755);
    let place = parent.join("deep/cache");
    assert!(bench.unpacked_below(&place).is_some());
    set_mode(&parent, 0o777);
    bench.refuses(&place, "can be written by others");
}

#[test]
fn a_sticky_folder_keeps_what_is_ours() {
    let bench = bench();
    let sticky = bench.folder_with("sticky", 0o1777);
    assert!(bench.unpacked_below(&sticky.join("cache")).is_some());
    assert!(bench.unpacked_below(&sticky.join("deep/cache")).is_some());
}

#[test]
fn a_folder_of_another_user_is_not_used() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can give folders away");
        return;
    }
    let bench = bench();
    let theirs = bench.folder_with("theirs", 0o755);
    chown(&theirs, Some(OTHER_USER), None).unwrap();
    let ours = theirs.join("cache");
    fs::create_dir(&ours).unwrap();
    set_mode(&ours, 0o700);
    let why = format!("'{}' belongs to another user", theirs.display());
    bench.refuses(&ours, &why);
    bench.refuses(&theirs, &why);
    // Not even in a sticky folder, where another user may have made it first.
    let sticky = bench.folder_with("sticky", 0o1777);
    let taken = sticky.join("cache");
    fs::create_dir(&taken).unwrap();
    chown(&taken, Some(OTHER_USER), None).unwrap();
    bench.refuses(&taken, "belongs to another user");
}

#[test]
fn a_symbolic_link_is_followed_if_all_of_the_way_is_safe() {
    let bench = bench();
    let target = bench.folder_with("target", 0o700);
    let link = bench.dir.path().join("link");
    symlink("target", &link).unwrap();
    for place in [link.clone(), link.join("deep"), link.join("../link/other")] {
        let unpacked = bench.unpacked_below(&place).unwrap();
        assert!(unpacked.starts_with(&target), "{}", unpacked.display());
    }
    let open = bench.folder_with("open", 0o777);
    let out = bench.dir.path().join("out");
    symlink(open.join("cache"), &out).unwrap();
    bench.refuses(&out, "can be written by others");
    // The folder that the link is in counts as well.
    let hidden = open.join("link");
    symlink(&target, &hidden).unwrap();
    bench.refuses(&hidden, "can be written by others");
    let round = bench.dir.path().join("round");
    symlink("round", &round).unwrap();
    bench.refuses(&round, "one of too many symbolic links");
    if geteuid().is_root() {
        let theirs = bench.folder_with("sticky", 0o1777).join("link");
        symlink(&target, &theirs).unwrap();
        lchown(&theirs, Some(OTHER_USER), None).unwrap();
        bench.refuses(&theirs, "belongs to another user");
    }
}
