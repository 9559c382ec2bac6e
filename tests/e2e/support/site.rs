//! Real sites: virtual environments and zips, which are made once and kept in `target`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ring::digest::{Context, SHA256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Process, Start, app, program};

/// A virtual environment with the packages in the app's `requirements.txt`, made by the
/// program's own Python.
pub fn venv(app_name: &str) -> PathBuf {
    venv_with(&app(app_name).join("requirements.txt"))
}

/// The same with the packages of any requirements file.
pub fn venv_with(requirements: &Path) -> PathBuf {
    let key = [
        read(requirements),
        program().into_os_string().into_encoded_bytes(),
    ];
    once("venv", &key, |dir| {
        python(["-m", "venv"]).args([dir]).run().expect_success();
        install(dir, requirements).run_slowly().expect_success();
    })
}

/// A virtual environment in `folder` with one module of this name and text.
pub fn small_venv(folder: &Path, module: &str, text: &str) -> PathBuf {
    let venv = folder.join("env");
    let make = ["-m", "venv", "--without-pip"];
    python(make).args([&venv]).run().expect_success();
    let lib = fs::read_dir(venv.join("lib")).unwrap().next();
    let packages = lib.unwrap().unwrap().path().join("site-packages");
    fs::write(packages.join(module), text).unwrap();
    venv
}

/// A zip of the app, with the packages that it requires in `site-packages/`.
pub fn zip(app_name: &str) -> PathBuf {
    zip_with(app_name, None)
}

/// Serves `app` from the zip of the app `name`, with this worker class, in a folder
/// without an app.
pub fn serve_zip(name: &str, class: &str, app: &str, args: &[&str]) -> Process {
    Start::server([app, "-k", class, "--app-zip"])
        .args([zip(name)])
        .args(args)
        .cwd("/")
        .spawn()
}

/// The same with the files of another app, which it builds on.
pub fn zip_with(app_name: &str, base: Option<&str>) -> PathBuf {
    let folder = app(app_name);
    let requirements = folder.join("requirements.txt");
    let base = base.map(app);
    let mut key = vec![read(&requirements)];
    for folder in base.iter().chain([&folder]) {
        for file in files(folder) {
            key.push(file.as_os_str().as_encoded_bytes().to_vec());
            key.push(read(&folder.join(file)));
        }
    }
    once("zip", &key, |dir| {
        fs::create_dir(dir).unwrap();
        let mut writer = writer(&dir.join("site.zip"));
        add(&mut writer, &folder, "", SimpleFileOptions::default());
        if let Some(base) = &base {
            let own = files(&folder);
            let other = files(base).into_iter().filter(|file| !own.contains(file));
            add_files(&mut writer, base, other, "", SimpleFileOptions::default());
        }
        if requirements.exists() {
            let packages = dir.join("packages");
            let target = ["--target".as_ref(), packages.as_os_str()];
            install(&venv(app_name), &requirements)
                .args(target)
                .run_slowly()
                .expect_success();
            add(
                &mut writer,
                &packages,
                "site-packages/",
                SimpleFileOptions::default(),
            );
        }
        writer.finish().unwrap();
    })
    .join("site.zip")
}

/// The app that uses wheels, with the newest version of each in `site-packages/`, as of
/// today.
pub fn wheels() -> PathBuf {
    let requirements = app("wheels").join("requirements.txt");
    let day = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / (24 * 60 * 60);
    let key = [read(&requirements), day.to_le_bytes().to_vec()];
    let dir = once("wheels", &key, |dir| {
        // They are large, so those of yesterday are removed.
        for old in fs::read_dir(dir.parent().unwrap()).unwrap().flatten() {
            if old.file_name().as_encoded_bytes().starts_with(b"wheels-") && old.path().is_dir() {
                fs::remove_dir_all(old.path()).unwrap();
            }
        }
        let packages = dir.join("site-packages");
        install(&venv("flask_site"), &requirements)
            .args(["--target".as_ref(), packages.as_os_str()])
            .run_slowly()
            .expect_success();
    });
    // Copied each time, as the tests change it.
    fs::copy(app("wheels").join("exercise.py"), dir.join("exercise.py")).unwrap();
    dir
}

/// The same as a zip. It is not compressed, which would take too long.
pub fn wheels_zip() -> PathBuf {
    let folder = wheels();
    let key = [
        folder.as_os_str().as_encoded_bytes().to_vec(),
        read(&folder.join("exercise.py")),
    ];
    once("wheels-zip", &key, |dir| {
        fs::create_dir(dir).unwrap();
        let mut writer = writer(&dir.join("site.zip"));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        add(&mut writer, &folder, "", stored);
        writer.finish().unwrap();
    })
    .join("site.zip")
}

/// The unpacked source package of a release on PyPI with this SHA-256.
pub fn source(name: &str, version: &str, hash: &str) -> PathBuf {
    let package = format!("{name}=={version} --hash=sha256:{hash}");
    let folder = once("source", &[package.clone().into()], |folder| {
        let venv = folder.join("venv");
        python(["-m", "venv"]).args([&venv]).run().expect_success();
        // Only a file can have a hash for a requirement.
        fs::write(folder.join("wanted.txt"), &package).unwrap();
        pip(&venv, "download")
            .args(["--no-deps", "--no-binary", name, "-r", "wanted.txt"])
            .cwd(folder)
            .run_slowly()
            .expect_success();
        python(["-m", "tarfile", "-e"])
            .args([format!("{name}-{version}.tar.gz")])
            .cwd(folder)
            .run()
            .expect_success();
    });
    folder.join(format!("{name}-{version}"))
}

/// A zip of these files, in `folder`.
pub fn small_zip(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
    let path = folder.join("site.zip");
    let mut zip = writer(&path);
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    path
}

/// The same as `zip` on Unix writes it if the locale is not UTF-8: nothing says how the
/// names are encoded.
pub fn unflagged_zip(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
    const HEADERS: [(&[u8], usize); 2] = [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)];
    const UTF_8: u8 = 1 << 3;
    let path = small_zip(folder, files);
    let mut bytes = fs::read(&path).unwrap();
    for start in 0..bytes.len() {
        for (signature, flags) in HEADERS {
            if bytes[start..].starts_with(signature) {
                bytes[start + flags + 1] &= !UTF_8;
            }
        }
    }
    fs::write(&path, bytes).unwrap();
    path
}

/// Copies the folder of an app, so that the test can write into it.
pub fn copy_app(app_name: &str, to: &Path) {
    let from = app(app_name);
    for file in files(&from) {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(&file), target).unwrap();
    }
}

/// The program as `python`.
pub fn python<'a>(args: impl IntoIterator<Item = &'a str>) -> Start {
    Start::new(["python"]).args(args)
}

/// A command of pip in a virtual environment.
pub fn pip(venv: &Path, command: &str) -> Start {
    let quiet = ["--quiet", "--disable-pip-version-check"];
    Start::program(venv.join("bin/python"), ["-m", "pip", command]).args(quiet)
}

fn install(venv: &Path, requirements: &Path) -> Start {
    pip(venv, "install").args(["-r".as_ref(), requirements.as_os_str()])
}

/// What `make` makes for this key. One test makes it and all use it. What a killed test
/// left unfinished is removed.
pub fn once(kind: &str, key: &[Vec<u8>], make: impl FnOnce(&Path)) -> PathBuf {
    let mut hash = Context::new(&SHA256);
    for part in key {
        hash.update(&part.len().to_le_bytes());
        hash.update(part);
    }
    let id: String = hash.finish().as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let dir = shared.join(format!("{kind}-{id}"));
    let done = shared.join(format!("{kind}-{id}.done"));
    let lock = File::create(shared.join(format!("{kind}-{id}.lock"))).unwrap();
    lock.lock().unwrap();
    if !done.exists() {
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        make(&dir);
        File::create(done).unwrap();
    }
    dir
}

fn writer(path: &Path) -> ZipWriter<File> {
    ZipWriter::new(File::create(path).unwrap())
}

fn add(zip: &mut ZipWriter<File>, folder: &Path, prefix: &str, options: SimpleFileOptions) {
    add_files(zip, folder, files(folder), prefix, options);
}

fn add_files(
    zip: &mut ZipWriter<File>,
    folder: &Path,
    files: impl IntoIterator<Item = PathBuf>,
    prefix: &str,
    options: SimpleFileOptions,
) {
    for file in files {
        let name = format!("{prefix}{}", file.display());
        zip.start_file(name, options).unwrap();
        let mut from = File::open(folder.join(file)).unwrap();
        io::copy(&mut from, zip).unwrap();
    }
}

/// All files below `folder` except compiled modules, sorted by their relative paths.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_dir() {
                found.push(path.strip_prefix(folder).unwrap().to_path_buf());
            } else if path.file_name().is_some_and(|name| name != "__pycache__") {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_default()
}
