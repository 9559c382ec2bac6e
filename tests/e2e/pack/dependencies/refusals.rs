//! Dependencies that cannot be installed: one sentence, with the log.

use std::fs;

use nix::unistd::geteuid;

use super::{Project, error};
use crate::support::{Start, packages, program};

/// An index may have a foreign package of the same name.
#[test]
fn places_that_only_a_tool_knows_are_not_passed_over() {
    for table in ["uv.sources", "poetry.dependencies"] {
        let text = format!(
            "[project]
name = 'shop'
version = '1'
dependencies = ['one', 'two']
[tool.{table}]
Two = {{path = '../two'}}
"
        );
        let sentence = error(&Project::new("pyproject.toml", &text).pack(&[]).run());
        let place = format!(
            "only {} knows ([tool.{table}])",
            &table[..table.find('.').unwrap()]
        );
        assert!(sentence.contains(&place), "{sentence}");
    }
}

#[test]
fn refusals_are_one_sentence_with_the_log() {
    let project = Project::new("requirements.txt", "four\n");
    let sentence = project.refused(&[]);
    assert!(
        sentence.starts_with("There is no package four "),
        "{sentence}"
    );

    let project = project.write("requirements.txt", "one==7\n");
    let wanted = "There is no version one==7, but 1.0, 1.1: demand one that is there";
    assert_eq!(project.refused(&[]), wanted);

    let project = project.write("requirements.txt", "one\ntwo==3.0\n");
    let sentence = project.refused(&[]);
    assert!(sentence.contains("one 1.1 depends on two<3"), "{sentence}");

    let hash = project.hash("one", "1.1");
    let project = project.write(
        "requirements.txt",
        &format!("three==3.0 --hash=sha256:{hash}\n"),
    );
    let sentence = project.refused(&[]);
    let start = "The file that was found for three==3.0 is not the one whose hash is locked";
    assert!(sentence.starts_with(start), "{sentence}");

    let project = project.write(
        "requirements.txt",
        &format!("one==1.1 --hash=sha256:{hash}\n"),
    );
    let sentence = project.refused(&[]);
    let start = "Some dependencies have hashes and two has none: ";
    assert!(sentence.starts_with(start), "{sentence}");
}

#[test]
fn where_no_index_answers_it_is_said_so() {
    let project = Project::new("requirements.txt", "one\n");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let url = format!("http://{address}/simple");
    let done = project
        .pack_online(&["--index-url", &url])
        .env("PIP_RETRIES", "0")
        .run();
    let sentence = error(&done);
    let start = "The index of packages cannot be reached, so there is no one: ";
    assert!(sentence.starts_with(start), "{sentence}");
}

#[test]
fn without_a_compiler_what_needs_one_is_named() {
    let project = Project::new("requirements.txt", "./native\n");
    let text = "[build-system]\nrequires = []\nbuild-backend = 'builder'\nbackend-path = ['.']\n";
    let builder = "import subprocess
def build_wheel(folder, settings=None, metadata=None):
    subprocess.run(['cc', 'native.c'], check=True)
";
    let project = project
        .write("native/pyproject.toml", text)
        .write("native/builder.py", builder);
    let empty = project.path("empty");
    let done = project.pack(&[]).env("PATH", &empty).env("CC", "").run();
    let sentence = error(&done);
    assert!(
        sentence.contains("for which there is no compiler: install gcc"),
        "{sentence}"
    );
}

#[test]
fn a_full_disk_is_named_and_nothing_half_made_is_left() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can make a small disk");
        return;
    }
    let project = Project::new("requirements.txt", "five\n");
    let large = "#".repeat(32 << 20);
    packages::wheel_with(&project.index(), "five", "5.0", &[], &[("five.py", &large)]);
    let cache = project.path("cache");
    fs::create_dir(&cache).unwrap();
    // The size has room for pip itself.
    let script = "mount -t tmpfs -o size=24m none \"$0\" || exit 99
\"$@\"; code=$?; find \"$0\"/rgunicorn/packs -name '*installed*'; exit $code";
    let done = Start::program("unshare", ["-m", "sh", "-c", script])
        .args([&cache])
        .args([program()])
        .args(["pack", "--no-index", "--find-links"])
        .args([project.index(), project.path("site")])
        .args(["--output".as_ref(), project.path("site.zip").as_os_str()])
        .env("XDG_CACHE_HOME", &cache)
        .env("PIP_FIND_LINKS", "")
        .run();
    if done.code == 99 {
        eprintln!("skipped: this root may not mount anything");
        return;
    }
    let sentence = error(&done);
    assert!(sentence.starts_with("The disk is full, "), "{sentence}");
    assert_eq!(done.stdout, "");
    assert!(!project.path("site.zip").exists());
}

#[test]
fn pipes_and_devices_are_no_requirements() {
    let project = Project::new("more.txt", "-r pipe.txt\n")
        .write("bounds.txt", "-c pipe.txt\n")
        .write("requirements.txt", "one\n");
    for name in ["pipe.txt", "uv.lock"] {
        nix::unistd::mkfifo(
            &project.path("site").join(name),
            nix::sys::stat::Mode::S_IRWXU,
        )
        .unwrap();
    }
    let refused = |start: Start| {
        let sentence = error(&start.run());
        assert!(
            sentence.contains("is not a file; write it to one"),
            "{sentence}"
        );
    };
    for name in ["more.txt", "bounds.txt", "pipe.txt", "uv.lock"] {
        let file = project.path("site").join(name);
        refused(project.pack(&["-r", file.to_str().unwrap()]));
    }
    refused(project.pack(&["-r", "/dev/zero"]));
    let pipe = project.path("site/pipe.txt");
    refused(project.pack(&["--constraint", pipe.to_str().unwrap()]));
}
