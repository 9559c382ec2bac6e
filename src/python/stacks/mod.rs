//! What all threads, asyncio tasks and greenlets of this process are doing, and
//! which requests they serve. The Python half is `_rgunicorn.stacks`.

mod dump;
mod report;

pub use report::{RequestOfThread, ServedRequest, Stacks};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Visitor, config, main_ident, thread};
use report::{ThreadStack, WaitingStack};

/// How long to wait for the GIL. A thread that runs Python code releases it
/// every 5 ms (`sys.getswitchinterval`).
const TIMEOUT: Duration = Duration::from_millis(500);

/// The pause between two looks whether another question has its answer.
const PAUSE: Duration = Duration::from_millis(5);

/// The stacks of this moment; nothing if no interpreter runs. `requests` are
/// named at their threads; those of tasks and greenlets are found.
///
/// If C code does not release the GIL for half a second, the stacks are read
/// without it.
pub fn stacks(requests: Vec<RequestOfThread>) -> Option<Stacks> {
    if !config::is_started() {
        return None;
    }
    with_interpreter(requests.clone()).or_else(|| without_interpreter(&requests))
}

fn with_interpreter(requests: Vec<RequestOfThread>) -> Option<Stacks> {
    /// True while a thread waits for the GIL: there is one at a time, so that
    /// many questions do not make many threads.
    static ASKING: AtomicBool = AtomicBool::new(false);

    let deadline = Instant::now() + TIMEOUT;
    while ASKING.swap(true, Ordering::Acquire) {
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
    let (sender, receiver) = mpsc::channel();
    let visitor = Visitor::new();
    let asked = thread("stacks").spawn(move || {
        let _visitor = visitor;
        let stacks = Python::try_attach(|py| collect(py, requests));
        ASKING.store(false, Ordering::Release);
        let _ = sender.send(stacks);
    });
    if asked.is_err() {
        ASKING.store(false, Ordering::Release);
        return None;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    match receiver.recv_timeout(left).ok()?? {
        Ok(stacks) => Some(stacks),
        Err(error) => {
            ::log::warn!("The stacks cannot be read with the interpreter: {error}");
            None
        }
    }
}

fn collect(py: Python<'_>, requests: Vec<RequestOfThread>) -> PyResult<Stacks> {
    #[derive(FromPyObject)]
    #[pyo3(from_item_all)]
    struct Collected {
        threads: Vec<ThreadStack>,
        tasks: Vec<WaitingStack>,
        greenlets: Vec<WaitingStack>,
    }

    let by_thread = PyDict::new(py);
    for RequestOfThread { thread, request } in requests {
        by_thread.set_item(thread, request)?;
    }
    let module = py.import("_rgunicorn.stacks")?;
    let collected: Collected = module
        .call_method1("collect", (by_thread, main_ident()))?
        .extract()?;
    Ok(Stacks {
        complete: true,
        threads: collected.threads,
        tasks: collected.tasks,
        greenlets: collected.greenlets,
    })
}

fn without_interpreter(requests: &[RequestOfThread]) -> Option<Stacks> {
    let mut threads = dump::threads(&dump::text()?);
    for thread in &mut threads {
        let of_thread = |it: &&RequestOfThread| it.thread == thread.id;
        thread.request = requests.iter().find(of_thread).map(|it| it.request.clone());
    }
    Some(Stacks {
        complete: false,
        threads,
        ..Stacks::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ident of this thread.
    fn ident(py: Python<'_>) -> u64 {
        let threading = py.import("threading").unwrap();
        threading
            .call_method0("get_ident")
            .unwrap()
            .extract()
            .unwrap()
    }

    #[test]
    fn a_thread_that_holds_the_gil_is_seen_and_named() {
        crate::python::start_once();
        let stacks = Python::attach(|py| {
            let code = c"
def outer(look): return inner(look)
def inner(look): return look()
";
            let names = PyDict::new(py);
            py.run(code, Some(&names), None).unwrap();
            let outer = names.get_item("outer").unwrap().unwrap();
            let request = ServedRequest {
                method: "GET".to_owned(),
                target: "/slow".to_owned(),
                id: None,
                age: 1.0,
            };
            let thread = ident(py);
            let (sender, receiver) = mpsc::channel();
            // It does not release the GIL.
            let look = pyo3::types::PyCFunction::new_closure(py, None, None, move |_, _| {
                let request = request.clone();
                let stacks = stacks(vec![RequestOfThread { thread, request }]);
                sender.send(stacks).unwrap();
            });
            outer.call1((look.unwrap(),)).unwrap();
            let stacks = receiver.recv().unwrap().unwrap();
            let ours = stacks.threads.iter().find(|it| it.id == thread).cloned();
            (stacks.complete, ours.unwrap(), stacks.to_string())
        });
        let (complete, ours, text) = stacks;
        assert!(!complete);
        let functions: Vec<_> = ours.frames.iter().map(|it| &*it.function).collect();
        assert_eq!(functions, ["outer", "inner"], "{text}");
        assert_eq!(ours.request.unwrap().target, "/slow");
        assert!(text.contains("serves GET /slow for 1.0 s"), "{text}");
        let whole = super::stacks(Vec::new()).unwrap();
        assert!(whole.complete);
    }

    #[test]
    fn a_task_names_the_await_at_which_it_stands() {
        crate::python::start_once();
        Python::attach(|py| {
            let code = c"
import asyncio, threading, _rgunicorn.stacks

async def view():
    async for item in items():
        await helper(item)

async def items():
    await asyncio.sleep(0)
    yield 1
    await asyncio.Event().wait()

async def helper(item):
    await asyncio.sleep(0)

async def main():
    task = asyncio.create_task(view(), name='the view')
    both = asyncio.create_task(gathering(task), name='gathering')
    for _ in range(9):
        await asyncio.sleep(0)
    said = _rgunicorn.stacks.collect({}, threading.main_thread().ident)
    task.cancel()
    return said

async def gathering(task):
    await asyncio.gather(task)

said = asyncio.run(main())
";
            let names = PyDict::new(py);
            py.run(code, Some(&names), Some(&names)).unwrap();
            let said = names.get_item("said").unwrap().unwrap();
            let tasks: Vec<WaitingStack> = said.get_item("tasks").unwrap().extract().unwrap();
            let named = |name: &str| tasks.iter().find(|it| it.name == name).unwrap();
            let view = named("the view");
            let functions: Vec<_> = view.frames.iter().map(|it| &*it.function).collect();
            assert_eq!(functions, ["view", "items", "Event.wait"]);
            assert_eq!(view.awaiting.as_deref(), Some("Event.wait: a Future"));
            assert_eq!(
                named("gathering").awaiting.as_deref(),
                Some("gathering: the task 'the view'")
            );
            let main = tasks.iter().find(|it| it.awaiting.is_none());
            assert_eq!(main.unwrap().frames[0].function, "main");
        });
    }
}
