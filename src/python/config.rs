//! Starts CPython. Everything is configured here; CPython guesses nothing from
//! files or from the environment.

use std::env;
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail, ensure};
use pyo3_ffi::*;

use super::bundle::File;
use super::{
    Environment, bundle_module, executable, launcher, library, log_module, native_modules, renew,
    site_dirs,
};

/// Starts the interpreter of this process. From then on `pyo3::Python::attach`
/// works. The GIL is free when this returns. If an interpreter runs already,
/// because a config file was read, it gets the missing parts of this
/// environment.
///
/// # Errors
/// CPython's message. The process should end.
pub fn start(environment: &Environment) -> Result<()> {
    if is_started() {
        return renew::renew(environment);
    }
    prepare(environment, &[])?;
    bundle_module::SERVES.store(true, Ordering::Relaxed);
    let mut config = Config::new(environment)?;
    config.0.install_signal_handlers = environment.install_signal_handlers.into();
    config.0.isolated = 1;
    config.0.safe_path = 1;
    config.arguments(&environment.program_args)?;
    // The command line that starts the server again.
    let words = environment.program_args.iter().skip(1).cloned();
    let server = ["-m", "gunicorn"].map(OsString::from).into_iter();
    config.original(server.chain(words))?;
    config.initialize()?;
    // SAFETY: the interpreter has just been started by this thread.
    unsafe { PyEval_SaveThread() };
    Ok(())
}

/// True if this process has an interpreter.
pub fn is_started() -> bool {
    // SAFETY: it has no precondition.
    unsafe { Py_IsInitialized() != 0 }
}

/// Prepares this process for an interpreter. `line` is Python's own command
/// line, if there is one; some options must be known now.
pub(super) fn prepare(environment: &Environment, line: &[OsString]) -> Result<()> {
    ensure!(!is_started(), "Python has been started already");
    preinitialize(line, environment.reads_variables)?;
    register_boot_modules()?;
    native_modules::serve();
    Ok(())
}

/// A `PyConfig`, cleared when it is dropped.
pub(super) struct Config(pub(super) Box<PyConfig>);

impl Config {
    /// A configuration with the paths of `environment` and nothing else. The
    /// process must be prepared.
    pub(super) fn new(environment: &Environment) -> Result<Config> {
        // SAFETY: PyConfig has only integers and pointers, for which zero is
        // valid, and the next call initialises it.
        let mut config = Config(Box::new(unsafe { std::mem::zeroed() }));
        // SAFETY: the pointer is valid, and Python is preinitialised.
        unsafe { PyConfig_InitPythonConfig(&mut *config.0) };
        config.0.use_environment = environment.reads_variables.into();
        config.0.user_site_directory = 0;
        config.0.pathconfig_warnings = 0;
        config.0.use_frozen_modules = 0;
        config.0.parse_argv = 0;
        config.0.configure_c_stdio = 1;
        config.0.buffered_stdio = env::var_os("PYTHONUNBUFFERED")
            .is_none_or(|v| v.is_empty())
            .into();
        config.0.write_bytecode = env::var_os("PYTHONDONTWRITEBYTECODE")
            .is_none_or(|v| v.is_empty())
            .into();
        config.paths(environment)?;
        Ok(config)
    }

    /// Sets every path, so that CPython searches for none.
    fn paths(&mut self, environment: &Environment) -> Result<()> {
        let root = executable::path();
        let name = launcher::path(environment);
        let name = name.as_path();
        let library = &*library::root()?;
        let prefix = environment.venv.as_deref().unwrap_or(library);
        let stdlib = library
            .join("lib")
            .join(concat!("python", env!("RGUNICORN_PYTHON_MINOR")));
        let config = &mut *self.0 as *mut PyConfig;
        // SAFETY: the addresses are those of fields of a live PyConfig.
        unsafe {
            for (field, value) in [
                (&raw mut (*config).program_name, name),
                (&raw mut (*config).executable, name),
                (&raw mut (*config).base_executable, root),
                // CPython derives the prefix from it, and reads no file.
                (&raw mut (*config).home, prefix),
                (&raw mut (*config).prefix, prefix),
                (&raw mut (*config).exec_prefix, prefix),
                (&raw mut (*config).base_prefix, library),
                (&raw mut (*config).base_exec_prefix, library),
                (&raw mut (*config).platlibdir, Path::new("lib")),
                (&raw mut (*config).stdlib_dir, &stdlib),
            ] {
                let value = c_string(value.as_os_str())?;
                check(PyConfig_SetBytesString(config, field, value.as_ptr()))?;
            }
        }
        self.0.module_search_paths_set = 1;
        for folder in &environment.import_path {
            self.search(folder)?;
        }
        self.search(&stdlib)?;
        self.search(&library.join("lib/fallback"))?;
        site_dirs::choose(&environment.site_dirs, &environment.customizing);
        Ok(())
    }

    /// Puts these folders first on `sys.path`. They are separated by colons.
    pub(super) fn search_first(&mut self, folders: &OsStr) -> Result<()> {
        if folders.is_empty() {
            return Ok(());
        }
        for (index, folder) in folders.as_bytes().split(|byte| *byte == b':').enumerate() {
            let folder = wide(OsStr::from_bytes(folder))?;
            let index = index as Py_ssize_t;
            // SAFETY: as in `search`; the list has at least `index` items.
            check(unsafe {
                PyWideStringList_Insert(&mut self.0.module_search_paths, index, folder.as_ptr())
            })?;
        }
        Ok(())
    }

    fn search(&mut self, folder: &Path) -> Result<()> {
        let folder = wide(folder.as_os_str())?;
        // SAFETY: the list belongs to a live PyConfig, and the string is
        // zero-terminated.
        check(unsafe { PyWideStringList_Append(&mut self.0.module_search_paths, folder.as_ptr()) })
    }

    /// Sets `sys.argv`, or the words for the command line parser.
    pub(super) fn arguments(&mut self, arguments: &[OsString]) -> Result<()> {
        let strings = c_strings(arguments)?;
        let pointers = pointers(&strings);
        // SAFETY: there are as many zero-terminated strings as the count says.
        // CPython copies them.
        check(unsafe {
            PyConfig_SetBytesArgv(
                &mut *self.0,
                pointers.len() as Py_ssize_t,
                pointers.as_ptr() as _,
            )
        })
    }

    /// Sets `sys.orig_argv`: `sys.executable`, and the words with which it is
    /// started again.
    pub(super) fn original(&mut self, words: impl Iterator<Item = OsString>) -> Result<()> {
        // SAFETY: `paths` has set it. CPython copies it.
        check(unsafe { PyWideStringList_Append(&mut self.0.orig_argv, self.0.executable) })?;
        for word in words {
            let word = wide(&word)?;
            // SAFETY: as in `search`.
            check(unsafe { PyWideStringList_Append(&mut self.0.orig_argv, word.as_ptr()) })?;
        }
        Ok(())
    }

    /// Starts the interpreter with this configuration.
    pub(super) fn initialize(self) -> Result<()> {
        // SAFETY: the configuration is initialised, and this is the first
        // initialisation of Python.
        check(unsafe { Py_InitializeFromConfig(&*self.0) })
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: it was initialised in `new`.
        unsafe { PyConfig_Clear(&mut *self.0) };
    }
}

/// UTF-8 everywhere, whatever the locale is. Most servers have none.
fn preinitialize(line: &[OsString], reads_variables: bool) -> Result<()> {
    let strings = c_strings(line)?;
    let pointers = pointers(&strings);
    // SAFETY: the structure has only integers, and the next call initialises
    // it. There are as many zero-terminated strings as the count says.
    unsafe {
        let mut before: PyPreConfig = std::mem::zeroed();
        PyPreConfig_InitPythonConfig(&mut before);
        before.use_environment = reads_variables.into();
        before.parse_argv = (!line.is_empty()).into();
        before.utf8_mode = 1;
        // LC_CTYPE is not put into the environment of child processes (PEP
        // 538).
        before.coerce_c_locale = 0;
        check(Py_PreInitializeFromBytesArgs(
            &before,
            pointers.len() as Py_ssize_t,
            pointers.as_ptr() as _,
        ))
    }
}

/// Registers what is needed before the first import from the bundle: the module
/// that reads the bundle, and the frozen modules that install our importers.
fn register_boot_modules() -> Result<()> {
    let frozen = |name: &'static CStr, path: &str| {
        let code = File::find(path).expect("the build puts it there").code();
        _frozen {
            name: name.as_ptr(),
            code: code.as_ptr(),
            size: code.len() as c_int,
            is_package: 0,
        }
    };
    let end = _frozen {
        name: std::ptr::null(),
        code: std::ptr::null(),
        size: 0,
        is_package: 0,
    };
    let table = Box::leak(Box::new([
        frozen(c"encodings", "boot/encodings.py"),
        frozen(c"_rgunicorn_importer", "boot/importer.py"),
        frozen(c"_rgunicorn_zipped", "boot/zipped.py"),
        end,
    ]));
    // SAFETY: Python is not initialised, so nothing else reads these tables.
    // Our table, and the code in the bundle to which it points, live for ever.
    unsafe {
        PyImport_FrozenModules = table.as_ptr();
        let added = PyImport_AppendInittab(bundle_module::NAME.as_ptr(), Some(bundle_module::init));
        ensure!(added == 0, "no memory for Python's table of modules");
        let added = PyImport_AppendInittab(log_module::NAME.as_ptr(), Some(log_module::init));
        ensure!(added == 0, "no memory for Python's table of modules");
    }
    Ok(())
}

/// A `PyStatus` as an error. (A request to exit, as for `--help`, is handled
/// where the command line is parsed.)
pub(super) fn check(status: PyStatus) -> Result<()> {
    // SAFETY: the messages in a PyStatus are static strings.
    unsafe {
        if PyStatus_Exception(status) == 0 {
            return Ok(());
        }
        let message =
            |text: *const c_char| (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy());
        match (message(status.func), message(status.err_msg)) {
            (Some(function), Some(text)) => bail!("Python does not start: {function}: {text}"),
            (None, Some(text)) => bail!("Python does not start: {text}"),
            _ => bail!("Python does not start"),
        }
    }
}

fn c_string(text: &OsStr) -> Result<CString> {
    CString::new(text.as_bytes()).with_context(|| format!("{} has a zero byte", text.display()))
}

fn c_strings(words: &[OsString]) -> Result<Vec<CString>> {
    words.iter().map(|word| c_string(word)).collect()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|word| word.as_ptr()).collect()
}

/// A string for Python's lists. Bytes that are not UTF-8 become lone
/// surrogates, which `os.fsencode` changes back.
fn wide(text: &OsStr) -> Result<Vec<libc::wchar_t>> {
    let bytes = c_string(text)?;
    // SAFETY: Python is preinitialised. The memory that it allocates is copied
    // and freed.
    unsafe {
        let mut length = 0;
        let decoded = Py_DecodeLocale(bytes.as_ptr(), &mut length);
        ensure!(!decoded.is_null(), "{} cannot be decoded", text.display());
        let mut copy = std::slice::from_raw_parts(decoded, length as usize).to_vec();
        PyMem_RawFree(decoded.cast());
        copy.push(0);
        Ok(copy)
    }
}

/// Starts the interpreter once, for unit tests, which share one process.
#[cfg(test)]
pub fn start_once() {
    static STARTED: std::sync::Once = std::sync::Once::new();
    STARTED.call_once(|| {
        let environment = Environment {
            program_args: vec!["app".into(), "x".into()],
            import_path: vec!["/first".into()],
            ..Default::default()
        };
        start(&environment).expect("a start");
    });
}

#[cfg(test)]
mod tests {
    use pyo3::prelude::*;

    use super::*;

    #[test]
    fn it_starts_once_and_pyo3_attaches() {
        start_once();
        Python::attach(|py| {
            let sys = py.import("sys").expect("sys");
            let argv: Vec<String> = sys.getattr("argv").unwrap().extract().unwrap();
            assert_eq!(argv, ["app", "x"]);
            let path: Vec<String> = sys.getattr("path").unwrap().extract().unwrap();
            assert_eq!(path[0], "/first");
            let json = py.import("json").expect("json");
            let text: String = json.call_method1("dumps", (1,)).unwrap().extract().unwrap();
            assert_eq!(text, "1");
        });
        let more = Environment {
            program_args: vec!["other".into()],
            import_path: vec!["/second".into(), "/first".into()],
            ..Environment::default()
        };
        start(&more).expect("a renewal");
        Python::attach(|py| {
            let sys = py.import("sys").expect("sys");
            let argv: Vec<String> = sys.getattr("argv").unwrap().extract().unwrap();
            assert_eq!(argv, ["other"]);
            let path: Vec<String> = sys.getattr("path").unwrap().extract().unwrap();
            assert_eq!(path[..2], ["/second", "/first"]);
            assert!(!path[2..].contains(&"/first".to_owned()));
        });
    }
}
