//! What cannot be packed: one sentence, and nothing is left.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::{APP, pack, project, write};
use crate::support::{Start, folder};

#[test]
fn what_cannot_be_packed_is_one_sentence_and_leaves_nothing() {
    let project = project();
    write(project.path(), "pyproject.toml", "[project]\nname = 'x\n");
    let refused = |args: &[&str], sentence: &str| {
        let done = pack(project.path(), args);
        assert_eq!(done.code, 1, "{args:?}: {}", done.stdout);
        assert!(done.stderr.contains(sentence), "{args:?}: {}", done.stderr);
        assert!(!done.stderr.contains("Traceback"), "{}", done.stderr);
    };
    refused(&["-o", "x.zip"], "pyproject.toml is wrong in line 2");
    write(
        project.path(),
        "pyproject.toml",
        "[tool.rgunicorn.pack]\nincluded = 1\n",
    );
    refused(&["-o", "x.zip"], "unknown field `included`");
    write(
        project.path(),
        "pyproject.toml",
        "[tool.rgunicorn]\nwrokers = 1\n",
    );
    refused(&["-o", "x.zip"], "did you mean 'workers'?");
    fs::remove_file(project.path().join("pyproject.toml")).unwrap();
    refused(
        &["-o", "x.zip", "--set", "workers"],
        "write it as NAME=VALUE",
    );
    refused(
        &["-o", "x.zip", "--set", "workers=many"],
        "Invalid value for workers",
    );
    refused(&["-o", "x.zip", "--set", "venv=/x"], "cannot be packed");
    refused(&["-o", "data"], "'data' is a folder");
    refused(&["-o", "app.py/x"], "cannot be written");
    refused(&["nowhere"], "The project's folder 'nowhere'");
    refused(&["app.py"], "is no folder");
    fs::remove_file(project.path().join("app.py")).unwrap();
    refused(&["-o", "x.zip"], "No application module specified");
    let mut left: Vec<_> = fs::read_dir(project.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["data", "helper.py", "tool.sh"]);
}

#[test]
fn a_full_disk_leaves_nothing() {
    let project = project();
    let big = File::create(project.path().join("big.bin")).unwrap();
    let noise = File::open("/dev/urandom").unwrap();
    std::io::copy(&mut noise.take(4 << 20), &mut &big).unwrap();
    let dir = folder();
    let script = "mount -t tmpfs -o size=1m none \"$1\" && cd \"$2\" && \
                  { \"$3\" pack -o \"$1/x.zip\"; code=$?; ls -A \"$1\"; exit $code; }";
    let done = Start::program("unshare", ["-m", "sh", "-c", script, "sh"])
        .args([dir.path(), project.path(), &crate::support::program()])
        .run();
    if done.stderr.contains("unshare") || done.stderr.contains("mount:") {
        eprintln!("skipped: this user may not mount anything");
        return;
    }
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("No space left"), "{}", done.stderr);
    assert_eq!(done.stdout, "");
}

#[test]
fn what_would_not_be_served_is_not_made() {
    let refused = |make: &dyn Fn(&Path), sentence: &str| {
        let project = project();
        make(project.path());
        let done = pack(project.path(), &["-o", "shop.zip"]);
        assert_eq!(done.code, 1, "{}", done.stdout);
        assert!(done.stderr.contains(sentence), "{}", done.stderr);
        assert!(!project.path().join("shop.zip").exists());
    };
    refused(
        &|project| {
            let zeros = File::create(project.join("zeros.bin")).unwrap();
            zeros.set_len(200 << 20).unwrap();
        },
        "as only a zip bomb's would",
    );
    refused(
        &|project| {
            let huge = File::create(project.join("huge.png")).unwrap();
            huge.set_len(5 << 30).unwrap();
        },
        "'huge.png' with 5.4 GB",
    );
    refused(
        &|project| {
            write(
                project,
                "pyproject.toml",
                "[tool.rgunicorn.pack]\nsbom = '../list.json'\n",
            );
        },
        "'../list.json' written outside the project",
    );
}

#[test]
fn outputs_are_files_of_their_own() {
    let project = project();
    write(
        project.path(),
        "pyproject.toml",
        "[project]\nname = '../../evil'\n",
    );
    let refused = |args: &[&str], sentence: &str| {
        let done = pack(project.path(), args);
        assert_eq!(done.code, 1, "{args:?}: {}", done.stdout);
        assert!(done.stderr.contains(sentence), "{args:?}: {}", done.stderr);
    };
    refused(
        &[],
        "No file can be called after the project's name '../../evil'",
    );
    refused(&["-o", "app.py"], "'app.py' is a file of the project");
    refused(&["-o", "x.zip", "--sbom", "./x.zip"], "two things to write");
    refused(&["-o", "x.tar"], "name an image by --image");
    refused(&["-o", "-"], "'-' is no file");
    refused(&["-o", "/dev/full"], "'/dev/full' is no file");
    let app = fs::read_to_string(project.path().join("app.py")).unwrap();
    assert_eq!(app, APP);
}

#[test]
fn words_in_the_wrong_order_are_told() {
    let project = project();
    let done = Start::new(["shop", "pack"]).cwd(project.path()).run();
    assert_eq!(done.code, 2);
    assert!(
        done.stderr
            .contains("'shop' has no place before the word 'pack'"),
        "{}",
        done.stderr
    );
}
