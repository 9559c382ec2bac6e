//! The stacks of a process as data, and as text for people.

use std::fmt::{self, Display};

use pyo3::prelude::*;
use serde::Serialize;

/// A request that is being served.
#[derive(Clone, Debug, PartialEq, Serialize, FromPyObject, IntoPyObject)]
#[pyo3(from_item_all)]
pub struct ServedRequest {
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// What the request is called in the logs.
    pub id: Option<String>,
    /// Seconds since it was received.
    pub age: f64,
}

/// A request that one thread serves from its begin to its end.
#[derive(Clone, Debug)]
pub struct RequestOfThread {
    /// As `threading.get_ident()` gives it.
    pub thread: u64,
    pub request: ServedRequest,
}

/// The stacks of this process at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stacks {
    /// False if they were read without the GIL: then only threads are known.
    pub complete: bool,
    pub threads: Vec<ThreadStack>,
    /// The asyncio tasks that have not ended.
    pub tasks: Vec<WaitingStack>,
    /// The greenlets that wait.
    pub greenlets: Vec<WaitingStack>,
}

/// The stack of a thread.
#[derive(Clone, Debug, Serialize, FromPyObject)]
#[pyo3(from_item_all)]
pub struct ThreadStack {
    /// As `threading.get_ident()` gives it.
    pub id: u64,
    pub name: String,
    pub request: Option<ServedRequest>,
    /// The outermost first.
    pub frames: Vec<Frame>,
}

/// The stack of a task or a greenlet.
#[derive(Clone, Debug, Serialize, FromPyObject)]
#[pyo3(from_item_all)]
pub struct WaitingStack {
    pub name: String,
    pub request: Option<ServedRequest>,
    /// The innermost function, and what it waits for; nothing if it runs.
    pub awaiting: Option<String>,
    /// The outermost first.
    pub frames: Vec<Frame>,
}

/// A place in Python code.
#[derive(Clone, Debug, Serialize, FromPyObject)]
#[pyo3(from_item_all)]
pub struct Frame {
    pub file: String,
    pub line: u32,
    pub function: String,
    /// The text of the line, if its file can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// The stacks as text for people.
impl Display for Stacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.complete {
            writeln!(
                f,
                "C code does not release the GIL: there are only threads, and no source lines."
            )?;
        }
        for ThreadStack {
            id,
            name,
            request,
            frames,
        } in &self.threads
        {
            let name = match &**name {
                "" => String::new(),
                name => format!(" ({name})"),
            };
            writeln!(
                f,
                "Thread 0x{id:x}{name}{}, most recent call last:",
                Serves(request)
            )?;
            write_frames(f, frames)?;
        }
        for (kind, stacks) in [("Task", &self.tasks), ("Greenlet", &self.greenlets)] {
            for stack in stacks {
                let name = &stack.name;
                write!(f, "{kind} {name}{}, ", Serves(&stack.request))?;
                match &stack.awaiting {
                    Some(awaiting) => write!(f, "waits in {awaiting}")?,
                    None => write!(f, "runs")?,
                }
                writeln!(f, ", most recent call last:")?;
                write_frames(f, &stack.frames)?;
            }
        }
        Ok(())
    }
}

struct Serves<'a>(&'a Option<ServedRequest>);

impl Display for Serves<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(request) = self.0 else { return Ok(()) };
        let ServedRequest {
            method,
            target,
            id,
            age,
        } = request;
        write!(f, ", serves {method} {target}")?;
        if let Some(id) = id {
            write!(f, " (id {id})")?;
        }
        write!(f, " for {age:.1} s")
    }
}

fn write_frames(f: &mut fmt::Formatter<'_>, frames: &[Frame]) -> fmt::Result {
    for Frame {
        file,
        line,
        function,
        source,
    } in frames
    {
        match &**file {
            "" => writeln!(f, "  {function}")?,
            file => writeln!(f, "  File \"{file}\", line {line}, in {function}")?,
        }
        if let Some(source) = source {
            writeln!(f, "    {source}")?;
        }
    }
    Ok(())
}
