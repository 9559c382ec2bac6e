//! A profile of the Python code of this process: samples of the stacks of all
//! threads. The Python half is `_rgunicorn.profiling`.
//!
//! A thread that takes the GIL for each sample would get it when others release
//! it, that is, when they wait: it would see only waiting. So CPython's pending
//! calls take the samples: whichever thread runs Python code takes one, where it
//! is. Only if no thread does so, all of them wait, and the profile's own thread
//! takes the sample.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{config, ident, main_ident};
use crate::system::lock;

/// A sample may take one part in so many of the time between two.
const SHARE: u32 = 20;

/// The longest pause between two looks whether the profile goes on.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a thread that runs Python code may need to take a sample. C code
/// takes longer; then the own thread also asks for the GIL.
const PATIENCE: Duration = Duration::from_millis(2);

/// What is to be sampled.
pub struct ProfileOptions {
    pub duration: Duration,
    /// The time between two samples.
    pub interval: Duration,
    /// Only requests whose path begins so, if it is given.
    pub path: Option<String>,
    /// The threads that serve one request each, with its target.
    pub serving: Box<dyn Fn() -> Vec<(u64, String)> + Send + Sync>,
    /// The profile ends early if this is false.
    pub goes_on: Box<dyn Fn() -> bool + Send + Sync>,
}

/// What was sampled.
#[derive(Debug)]
pub struct Profile {
    /// How many stacks were seen.
    pub samples: u64,
    pub elapsed: Duration,
    /// The time between two samples at the end: more than was asked for if a
    /// sample took too long.
    pub interval: Duration,
    /// How often each stack was seen: its frames, the outermost first, with
    /// semicolons between them.
    pub stacks: BTreeMap<String, u64>,
}

unsafe extern "C" {
    /// Of CPython's `Include/internal/pycore_ceval.h`. The public
    /// `Py_AddPendingCall` is only for the main thread. 0 if the call was added.
    fn _PyEval_AddPendingCall(
        interpreter: *mut ffi::PyInterpreterState,
        function: extern "C" fn(*mut c_void) -> c_int,
        argument: *mut c_void,
        flags: c_int,
    ) -> c_int;
}

/// Samples until the time is over.
///
/// # Errors
/// A sentence: there is no interpreter, or it has no memory left.
pub fn profile(options: &Arc<ProfileOptions>) -> Result<Profile, String> {
    let none = || "there is no interpreter".to_owned();
    let made = Python::try_attach(|py| {
        let module = py.import("_rgunicorn.profiling")?;
        let profile = module.call_method1("Profile", (options.path.as_deref(),))?;
        PyResult::Ok(profile.unbind())
    });
    let counts = made.ok_or_else(none)?.map_err(|error| error.to_string())?;
    let sampler = Arc::new(Sampler {
        options: Arc::clone(options),
        counts,
        pace: Mutex::new(Pace::new(options.interval)),
    });
    let begin = Instant::now();
    let mut next = begin;
    while begin.elapsed() < options.duration && (options.goes_on)() && config::is_started() {
        sampler.sample();
        let now = Instant::now();
        next = (next + lock(&sampler.pace).interval).max(now);
        while let left = next.saturating_duration_since(Instant::now())
            && !left.is_zero()
            && (options.goes_on)()
        {
            thread::sleep(left.min(PAUSE));
        }
    }
    let elapsed = begin.elapsed();
    let told = Python::try_attach(|py| -> PyResult<_> {
        let counts = sampler.counts.bind(py);
        let samples = counts.getattr("samples")?.extract()?;
        Ok((samples, counts.call_method0("stacks")?.extract()?))
    });
    let told = told.ok_or_else(none)?;
    let (samples, stacks) = told.map_err(|error| error.to_string())?;
    Ok(Profile {
        samples,
        elapsed,
        interval: lock(&sampler.pace).interval,
        stacks,
    })
}

struct Sampler {
    options: Arc<ProfileOptions>,
    /// The `Profile` of the Python half.
    counts: Py<PyAny>,
    pace: Mutex<Pace>,
}

/// How often samples are taken.
struct Pace {
    interval: Duration,
    /// What a sample takes on average, of the last ones.
    cost: Duration,
}

impl Pace {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            cost: Duration::ZERO,
        }
    }

    /// A sample has taken so long.
    fn took(&mut self, time: Duration) {
        self.cost = (self.cost * 7 + time) / 8;
        self.interval = self.interval.max(self.cost * SHARE);
    }
}

/// A sample that is to be taken once, by whoever comes first.
struct Ticket {
    sampler: Arc<Sampler>,
    due: Instant,
    state: Mutex<TicketState>,
    done: Condvar,
}

#[derive(PartialEq, Eq)]
enum TicketState {
    Open,
    Taken,
    Done,
}

impl Sampler {
    /// Takes one sample, and waits until it is taken.
    fn sample(self: &Arc<Self>) {
        let ticket = Arc::new(Ticket {
            sampler: Arc::clone(self),
            due: Instant::now(),
            state: Mutex::new(TicketState::Open),
            done: Condvar::new(),
        });
        let argument = Arc::into_raw(Arc::clone(&ticket));
        // SAFETY: the interpreter runs, and needs no GIL for this. It calls the
        // function once, with this argument, which is a reference of its own.
        unsafe {
            let interpreter = ffi::PyInterpreterState_Main();
            if _PyEval_AddPendingCall(interpreter, take, argument.cast_mut().cast(), 0) != 0 {
                // There are too many calls, and it was not added.
                drop(Arc::from_raw(argument));
            }
        }
        let open = |state: &mut TicketState| *state == TicketState::Open;
        let waited = ticket
            .done
            .wait_timeout_while(lock(&ticket.state), PATIENCE, open);
        if *waited.unwrap_or_else(PoisonError::into_inner).0 == TicketState::Open {
            // Also if it is taken meanwhile, the GIL is not kept.
            Python::try_attach(|py| {
                if let Err(error) = ticket.take(py) {
                    ::log::debug!("A sample of the stacks failed: {error}");
                }
            });
        }
        let unfinished = |state: &mut TicketState| *state == TicketState::Taken;
        let end = ticket.done.wait_while(lock(&ticket.state), unfinished);
        drop(end.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Ticket {
    /// Takes the sample, unless it was taken. The error is one of a signal handler
    /// that was called meanwhile.
    fn take(&self, py: Python<'_>) -> PyResult<()> {
        {
            let mut state = lock(&self.state);
            if *state != TicketState::Open {
                return Ok(());
            }
            *state = TicketState::Taken;
        }
        let begin = cpu_time();
        let result = self.count(py);
        lock(&self.sampler.pace).took(cpu_time().saturating_sub(begin));
        *lock(&self.state) = TicketState::Done;
        self.done.notify_all();
        result
    }

    fn count(&self, py: Python<'_>) -> PyResult<()> {
        let options = &self.sampler.options;
        let serving = PyDict::new(py);
        for (thread, target) in (options.serving)() {
            serving.set_item(thread, target)?;
        }
        // C code that takes long has delayed the sample: all that time counts.
        let interval = lock(&self.sampler.pace).interval;
        let late = self.due.elapsed().as_secs_f64() / interval.as_secs_f64();
        let weight = (late.round() as u64).max(1);
        let counts = self.sampler.counts.bind(py);
        counts
            .call_method1(
                pyo3::intern!(py, "take"),
                (serving, weight, ident(), main_ident()),
            )
            .map(drop)
    }
}

/// The CPU time of this thread: others may have the GIL meanwhile.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.expect("Linux has this clock").into()
}

extern "C" fn take(argument: *mut c_void) -> c_int {
    // SAFETY: it is the reference that was made for this call.
    let ticket = unsafe { Arc::from_raw(argument.cast_const().cast::<Ticket>()) };
    // SAFETY: CPython calls pending calls with the GIL.
    let py = unsafe { Python::assume_attached() };
    match catch_unwind(AssertUnwindSafe(|| ticket.take(py))) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            // The interrupted code gets it, as without a profile.
            error.restore(py);
            -1
        }
        Err(_) => {
            ::log::error!("A sample of the stacks has panicked");
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::python;

    /// One test at a time: threads that wait for another test's thread do not work.
    static ALONE: Mutex<()> = Mutex::new(());

    /// Runs code in a thread, and a profile meanwhile.
    fn profile_of(code: &'static CStr, path: Option<&str>) -> Profile {
        python::start_once();
        let _alone = lock(&ALONE);
        let ended = Arc::new(AtomicBool::new(false));
        let for_thread = Arc::clone(&ended);
        let (sender, receiver) = std::sync::mpsc::channel();
        let busy = python::thread("busy").spawn(move || {
            Python::attach(|py| {
                let names = PyDict::new(py);
                py.run(code, Some(&names), None).unwrap();
                let work = names.get_item("work").unwrap().unwrap();
                let threading = py.import("threading").unwrap();
                let ident: u64 = threading
                    .call_method0("get_ident")
                    .unwrap()
                    .extract()
                    .unwrap();
                sender.send(ident).unwrap();
                while !for_thread.load(Ordering::Relaxed) {
                    work.call0().unwrap();
                }
            });
        });
        let ident = receiver.recv().unwrap();
        let options = Arc::new(ProfileOptions {
            duration: Duration::from_millis(600),
            interval: Duration::from_millis(5),
            path: path.map(str::to_owned),
            serving: Box::new(move || vec![(ident, "/slow?a=1".to_owned())]),
            goes_on: Box::new(|| true),
        });
        let profile = profile(&options).unwrap();
        ended.store(true, Ordering::Relaxed);
        busy.unwrap().join().unwrap();
        profile
    }

    fn share(profile: &Profile, function: &str) -> f64 {
        let with = |(stack, _): &(&String, &u64)| stack.contains(function);
        let found: u64 = profile.stacks.iter().filter(with).map(|it| it.1).sum();
        found as f64 / profile.samples.max(1) as f64
    }

    #[test]
    fn a_busy_function_is_found_though_the_gil_is_released_elsewhere() {
        // A thread that waits for the GIL would get it only in `rest`.
        let code = c"
import time
def work():
    busy()
    rest()
def busy():
    end = time.perf_counter() + 0.003
    while time.perf_counter() < end: pass
def rest():
    time.sleep(0.0001)
";
        // Other tests may keep the GIL.
        let found = (0..20).any(|_| {
            let profile = profile_of(code, Some("/slow"));
            share(&profile, "work (<string>:3);busy (<string>:6)") > 0.5
        });
        assert!(found);
        assert_eq!(profile_of(code, Some("/other")).samples, 0);
    }

    #[test]
    fn c_code_that_keeps_the_gil_counts_for_its_whole_time() {
        let code = c"
import ctypes
def work():
    ctypes.PyDLL(None).usleep(40_000)
";
        // Other tests may keep the GIL.
        let found = (0..20).any(|_| {
            let profile = profile_of(code, Some("/slow"));
            let counted = profile.interval * profile.samples as u32;
            let is_all = share(&profile, "work (<string>:3)") > 0.8;
            is_all && counted > Duration::from_millis(300)
        });
        assert!(found);
    }
}
