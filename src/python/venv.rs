//! Virtual environments.

use std::fs;
use std::path::{Path, PathBuf};

/// Why a virtual environment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VenvError {
    #[error("{0} is not a virtual environment: it has no pyvenv.cfg")]
    NotOne(PathBuf),
    #[error(
        "the virtual environment {dir} is for Python {found}, and this is Python {ours}; \
         make one with `rgunicorn python -m venv`"
    )]
    OtherVersion {
        dir: PathBuf,
        found: String,
        ours: &'static str,
    },
}

/// The `site-packages` folders of the virtual environment in `dir`, which
/// must be for the Python version inside.
pub fn venv_site_packages(dir: &Path) -> Result<Vec<PathBuf>, VenvError> {
    const OURS: &str = env!("RGUNICORN_PYTHON_MINOR");
    let not_one = || VenvError::NotOne(dir.to_owned());
    let configuration = fs::read_to_string(dir.join("pyvenv.cfg")).map_err(|_| not_one())?;
    let found = configuration
        .lines()
        .filter_map(|line| line.split_once('='))
        .find_map(|(name, value)| {
            // virtualenv and uv write `version_info`.
            matches!(name.trim(), "version" | "version_info").then(|| value.trim())
        });
    if let Some(found) = found
        && !(found == OURS || found.starts_with(&format!("{OURS}.")))
    {
        let (dir, found) = (dir.to_owned(), found.to_owned());
        return Err(VenvError::OtherVersion {
            dir,
            found,
            ours: OURS,
        });
    }
    let folders = ["lib", "lib64"].map(|lib| {
        dir.join(lib)
            .join(format!("python{OURS}"))
            .join("site-packages")
    });
    let mut seen = Vec::new();
    let mut kept = Vec::new();
    for folder in folders {
        // lib64 is most often a link to lib.
        if let Ok(real) = fs::canonicalize(&folder)
            && !seen.contains(&real)
        {
            seen.push(real);
            kept.push(folder);
        }
    }
    if kept.is_empty() && found.is_none() {
        return Err(not_one());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn venv(configuration: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::write(dir.path().join("pyvenv.cfg"), configuration).expect("pyvenv.cfg");
        let packages = dir.path().join("lib/python3.13/site-packages");
        fs::create_dir_all(packages).expect("site-packages");
        std::os::unix::fs::symlink("lib", dir.path().join("lib64")).expect("lib64");
        dir
    }

    #[test]
    fn its_site_packages_are_found_once() {
        let ours = format!("home = /usr/bin\nversion = {}\n", super::super::version());
        let dir = venv(&ours);
        let found = venv_site_packages(dir.path()).expect("a good one");
        assert_eq!(found, [dir.path().join("lib/python3.13/site-packages")]);
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let dir = venv("version_info = 3.9.2.final.0\n");
        let refused = venv_site_packages(dir.path()).expect_err("3.9");
        assert!(
            refused.to_string().contains("is for Python 3.9.2"),
            "{refused}"
        );
    }

    #[test]
    fn a_folder_is_not_a_virtual_environment() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let refused = venv_site_packages(dir.path()).expect_err("nothing there");
        assert!(
            refused.to_string().ends_with("it has no pyvenv.cfg"),
            "{refused}"
        );
    }
}
