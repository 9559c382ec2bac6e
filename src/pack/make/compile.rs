//! Compiles the modules of a pack, so that they are not compiled when it is started.
//!
//! The Python part is `_rgunicorn.compiling`.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use anyhow::{Context, Result, ensure};

use super::python;
use crate::pack::interrupt;
use crate::pack::walk::{self, Links};
use crate::python::cache_tag;

/// A module that cannot be compiled: its path in the folder, and the reason.
pub type CompileFailure = (String, String);

/// Compiles all modules below a folder into the `__pycache__` beside each (PEP 3147).
/// Until a module is imported, tracebacks name it by `prefix` and its path. Returns the
/// files that are not Python of this version; packages have such files among their
/// templates and tests.
///
/// # Errors
/// The folder cannot be read or written.
pub fn compile(folder: &Path, prefix: &str) -> Result<Vec<CompileFailure>> {
    let mut modules = walk::files(folder, Links::Kept)?;
    modules.retain(|path| path.extension().is_some_and(|it| it == "py"));
    modules.sort();
    // The modules must be divided in the same way on every machine, because what a
    // process compiled before affects its output (references of `marshal`).
    let mut lists: [Vec<[String; 3]>; PROCESSES] = Default::default();
    for (nth, module) in modules.iter().enumerate() {
        let name = text(module.strip_prefix(folder).unwrap_or(module))?;
        let Some(compiled) = compiled(&name) else {
            continue;
        };
        let compiled = folder.join(compiled);
        let cache = compiled.parent().unwrap_or(folder);
        let _blocked = interrupt::block();
        fs::create_dir_all(cache).with_context(|| format!("{}", cache.display()))?;
        let shown = format!("{prefix}{name}");
        lists[nth % PROCESSES].push([text(module)?, text(&compiled)?, shown]);
    }
    let failed = thread::scope(|scope| {
        let running = lists
            .iter()
            .map(|list| scope.spawn(move || compile_list(list)))
            .collect::<Vec<_>>();
        let joined = running
            .into_iter()
            .map(|it| it.join().expect("it does not panic"));
        joined.collect::<Result<Vec<_>>>()
    })?;
    let mut failed = failed.concat();
    failed.sort();
    Ok(failed)
}

/// The path of the compiled form of a module (PEP 3147); `None` if the file name would
/// be too long.
pub fn compiled(module: &str) -> Option<String> {
    const LONGEST: usize = 255;
    let (folder, file) = module.rsplit_once('/').unwrap_or(("", module));
    let name = format!("{}.{}.pyc", file.strip_suffix(".py")?, cache_tag());
    let slash = if folder.is_empty() { "" } else { "/" };
    (name.len() <= LONGEST).then(|| format!("{folder}{slash}__pycache__/{name}"))
}

/// The number of processes, the same on every machine.
const PROCESSES: usize = 4;

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.with_context(|| format!("The name of {} is not UTF-8; rename it", path.display()))
}

fn compile_list(list: &[[String; 3]]) -> Result<Vec<CompileFailure>> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let code = "from _rgunicorn import compiling; compiling.main()";
    let mut command = python::command();
    command
        .args(["-I", "-S", "-c", code])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = interrupt::start(&mut command).context("The interpreter cannot be started")?;
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(&serde_json::to_vec(list)?)?;
    drop(stdin);
    let mut told = Vec::new();
    let stdout = child.stdout.as_mut().expect("it is piped");
    stdout.read_to_end(&mut told)?;
    ensure!(
        child.wait()?.success(),
        "The modules cannot be compiled; what the interpreter said stands above"
    );
    Ok(serde_json::from_slice(&told)?)
}
