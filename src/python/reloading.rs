//! The part of `reload` that needs the interpreter. The Python half is
//! `_rgunicorn.reloading`.

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::prelude::*;

/// The files of the running code, without the standard library; and those that
/// match the patterns (`*`, `?`, `[...]` and `**`).
pub fn files(patterns: &[OsString]) -> PyResult<(Vec<PathBuf>, Vec<PathBuf>)> {
    Python::attach(|py| {
        py.import("_rgunicorn.reloading")?
            .call_method1("files", (patterns,))?
            .extract()
    })
}

/// An app that answers every request with 500 and this traceback.
pub fn failing_app(traceback: &str) -> PyResult<Py<PyAny>> {
    Python::attach(|py| {
        let app = py
            .import("_rgunicorn.reloading")?
            .call_method1("failing_app", (traceback,))?;
        Ok(app.unbind())
    })
}

/// The files in a traceback.
pub fn files_in(traceback: &str) -> impl Iterator<Item = PathBuf> {
    traceback.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("File \"")?;
        let (file, _) = rest.split_once("\", line ")?;
        Some(PathBuf::from(file))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceback_names_its_files() {
        let text = "Traceback (most recent call last):\n  \
                    File \"/srv/app.py\", line 3, in <module>\n    import broken\n  \
                    File \"/srv/bro ken.py\", line 1\n    def\n       ^\nSyntaxError: invalid syntax";
        let files: Vec<_> = files_in(text).collect();
        assert_eq!(files, ["/srv/app.py", "/srv/bro ken.py"].map(PathBuf::from));
    }
}
