//! Keeps the compiled modules of an archive valid.
//!
//! A `.pyc` file holds the time and size of its source (PEP 552; in `__pycache__` by
//! PEP 3147), and Python compiles the module again if they differ. Most archives keep
//! times in MS-DOS form: local time, with a precision of two seconds. So the source
//! gets the time that its compiled module holds, if that time differs from the
//! archive's only by what this form loses.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Sets the time of the source file if `path` is a compiled module. Paths are below
/// `folder`.
pub(super) fn match_source_time(folder: &Path, path: &str) -> io::Result<()> {
    let Some(source) = source_of(path) else {
        return Ok(());
    };
    let mut header = [0; 16];
    let read = File::open(folder.join(path))?.read(&mut header)?;
    let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    let [flags, time, size] = [4, 8, 12].map(number);
    // With flags, the module is checked by a hash of its source, or not at all.
    if read < header.len() || flags != 0 {
        return Ok(());
    }
    let Ok(source) = File::open(folder.join(source)) else {
        return Ok(());
    };
    let meta = source.metadata()?;
    let is_another = meta.mtime() != i64::from(time);
    if is_another && meta.len() == u64::from(size) && may_be_archived_as(meta.mtime(), time.into())
    {
        source.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(time.into()))?;
    }
    Ok(())
}

/// The source of a compiled module (PEP 3147): `package/module.py` for
/// `package/__pycache__/module.cpython-313.pyc`.
pub fn source_of(compiled: &str) -> Option<String> {
    let (folder, name) = compiled.rsplit_once('/')?;
    let folder = folder.strip_suffix("__pycache__")?;
    let (module, _) = name.strip_suffix(".pyc")?.split_once('.')?;
    Some(format!("{folder}{module}.py"))
}

/// Whether an archive may hold `time` as `archived`, which was read as if it were UTC.
/// Time zones differ from UTC by multiples of 15 minutes, up to 14 hours.
fn may_be_archived_as(archived: i64, time: i64) -> bool {
    const QUARTER: i64 = 15 * 60;
    const FARTHEST: i64 = 14 * 60 * 60;
    let lost = time - archived;
    lost.abs() <= FARTHEST + 1 && lost.rem_euclid(QUARTER) <= 1
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_the_form_loses_is_given_back() {
        assert!(may_be_archived_as(1000, 1001));
        assert!(may_be_archived_as(8200, 1001));
        assert!(may_be_archived_as(1000, 8200));
        assert!(!may_be_archived_as(1000, 1002));
        assert!(!may_be_archived_as(1000, 999));
        assert!(!may_be_archived_as(1000, 1000 + 15 * 60 * 60));
    }

    #[test]
    fn only_the_source_that_was_compiled_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.py");
        let compiled = "__pycache__/a.cpython-313.pyc";
        fs::create_dir(folder.path().join("__pycache__")).unwrap();
        for (flags, size, kept) in [(0u32, 5u32, 1001), (0, 4, 1000), (1, 5, 1000)] {
            fs::write(&source, "a = 1").unwrap();
            let file = File::options().write(true).open(&source).unwrap();
            let archived = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
            file.set_modified(archived).unwrap();
            let header = [0, flags, 1001, size].map(u32::to_le_bytes).concat();
            fs::write(folder.path().join(compiled), header).unwrap();
            match_source_time(folder.path(), compiled).unwrap();
            assert_eq!(fs::metadata(&source).unwrap().mtime(), kept);
        }
        match_source_time(folder.path(), "other.pyc").unwrap();
    }
}
