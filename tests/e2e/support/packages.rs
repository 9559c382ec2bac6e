//! Small Python packages that tests make.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Makes a pure Python wheel in `folder`. It has one module with the package's name,
/// which has the version. `metadata` are further lines, as in `Requires-Dist: other`.
pub fn wheel(folder: &Path, name: &str, version: &str, metadata: &[&str]) {
    let module = format!("VERSION = '{version}'\n");
    wheel_with(
        folder,
        name,
        version,
        metadata,
        &[(&format!("{name}.py"), &module)],
    );
}

/// The same with these files.
pub fn wheel_with(
    folder: &Path,
    name: &str,
    version: &str,
    metadata: &[&str],
    files: &[(&str, &str)],
) {
    let info = format!("{name}-{version}.dist-info");
    let mut lines = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    for line in metadata {
        lines += &format!("{line}\n");
    }
    let tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let (metadata, wheel) = (format!("{info}/METADATA"), format!("{info}/WHEEL"));
    let mut all = files.to_vec();
    all.extend([(metadata.as_str(), lines.as_str()), (&wheel, tags)]);
    // pip does not compare these hashes.
    let record = format!("{info}/RECORD");
    let rows: String = all.iter().map(|(name, _)| format!("{name},,\n")).collect();
    let rows = format!("{rows}{record},,\n");
    all.push((&record, &rows));
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(format!("{name}-{version}-py3-none-any.whl"));
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, text) in all {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

/// Makes a project in `folder`. pip builds it with a build backend in the project
/// itself, and with a Python process that must find this backend.
pub fn project(folder: &Path, name: &str, version: &str) {
    let built = format!("{name}-{version}-py3-none-any.whl");
    wheel(&folder.join("built"), name, version, &[]);
    let builder = format!(
        "import os, shutil
def build_wheel(folder, settings=None, metadata=None):
    shutil.copy('built/{built}', folder)
    return '{built}'
"
    );
    fs::write(folder.join("builder.py"), builder).unwrap();
    let text = "[build-system]\nrequires = []\nbuild-backend = 'builder'\nbackend-path = ['.']\n";
    fs::write(folder.join("pyproject.toml"), text).unwrap();
}
