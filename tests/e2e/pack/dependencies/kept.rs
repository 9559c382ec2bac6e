//! Installed dependencies that are kept for the next pack.

use std::fs;

use super::{Project, files};
use crate::support::packages;

/// One pack installs them, and the other waits for it.
#[test]
fn two_packs_at_once_do_not_disturb_each_other() {
    let project = Project::new("requirements.txt", "./four\none\n");
    fs::create_dir(project.path("site/four")).unwrap();
    packages::project(&project.path("site/four"), "four", "4.0");
    let start = |zip: &str| {
        let options = ["--exclude", "/four"];
        let pack = project.pack(&options).args(["--no-collectstatic"]);
        // The last option counts.
        pack.args(["--output".as_ref(), project.path(zip).as_os_str()])
            .spawn()
    };
    let mut packs = ["a.zip", "b.zip"].map(start);
    for pack in &mut packs {
        assert_eq!(pack.exit_code(), 0, "{}", pack.stderr.whole());
    }
    let [a, b] = ["a.zip", "b.zip"].map(|zip| files(&project.path(zip)));
    assert!(a == b && a.iter().any(|(name, _)| name == "site-packages/four.py"));
}

/// The folder with packages is empty when they are needed again.
#[test]
fn what_is_pinned_by_hashes_is_kept_for_ever() {
    let project = Project::new("requirements.txt", "three");
    let pin = format!("three==3.0 --hash=sha256:{}", project.hash("three", "3.0"));
    let project = project.write("requirements.txt", &pin);
    assert_eq!(project.packed(&[]), "- - 3.0");
    fs::remove_dir_all(project.index()).unwrap();
    fs::create_dir(project.index()).unwrap();
    assert_eq!(project.packed(&[]), "- - 3.0");
    // Deleted files are installed again.
    let cache = project.path("cache/rgunicorn/packs");
    let kept = fs::read_dir(cache).unwrap().next().unwrap().unwrap();
    fs::remove_file(kept.path().join("installed/site-packages/three.py")).unwrap();
    fs::remove_file(project.path("site.zip")).unwrap();
    project.refused(&[]);
}

#[test]
fn what_is_not_pinned_follows_the_folder_with_packages() {
    let project = Project::new("requirements.txt", "one");
    assert_eq!(project.packed(&[]), "1.1 2.0 -");
    packages::wheel(&project.index(), "two", "2.1", &[]);
    assert_eq!(project.packed(&[]), "1.1 2.1 -");
}

#[test]
fn a_library_in_a_folder_is_installed_each_time() {
    let project = Project::new("requirements.txt", "./three\n");
    fs::create_dir(project.path("site/three")).unwrap();
    packages::project(&project.path("site/three"), "three", "7.0");
    let options = ["--exclude", "/three"];
    assert_eq!(project.packed(&options), "- - 7.0");
    packages::wheel(
        &project.path("site/three/built"),
        "three",
        "7.0",
        &["Summary: new"],
    );
    let file = "three.py";
    let changed = [(file, "VERSION = '7.0 changed'\n")];
    let built = project.path("site/three/built");
    packages::wheel_with(&built, "three", "7.0", &[], &changed);
    assert_eq!(project.packed(&options), "- - 7.0 changed");
}
