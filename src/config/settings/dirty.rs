//! What Gunicorn runs next to its workers, and this server does not.

use crate::config::python_object::Hook;
use crate::config::section::section;
use crate::config::setting::Kind::{Function, List, Number};
use crate::config::setting::Support::{Ignored, Refused};

const NO_DIRTY_WORKERS: &str =
    "There are no dirty workers; the settings about them change nothing.";

const RUN_LONG_WORK_ELSEWHERE: &str = "there are no dirty workers; run long work in a process of \
                                       its own, such as a Celery or RQ worker";

section!(
    /// The dirty workers that Gunicorn runs next to its workers; there are none here.
    #[section("Dirty Arbiters")]
    pub struct Dirty {
        /// An app for dirty workers.
        #[flags("--dirty-app")]
        #[kind(List("APP"))]
        #[support(Refused(RUN_LONG_WORK_ELSEWHERE))]
        pub dirty_apps: Vec<String>,

        /// The number of dirty workers.
        #[flags("--dirty-workers")]
        #[kind(Number("INT"))]
        #[default(0)]
        #[support(Refused(RUN_LONG_WORK_ELSEWHERE))]
        pub dirty_workers: u32,

        /// Seconds that a dirty worker may take.
        #[flags("--dirty-timeout")]
        #[kind(Number("INT"))]
        #[default(300)]
        #[support(Ignored(NO_DIRTY_WORKERS))]
        pub dirty_timeout: u32,

        /// Threads of a dirty worker.
        #[flags("--dirty-threads")]
        #[kind(Number("INT"))]
        #[default(1)]
        #[support(Ignored(NO_DIRTY_WORKERS))]
        pub dirty_threads: u32,

        /// Seconds that dirty workers get to finish.
        #[flags("--dirty-graceful-timeout")]
        #[kind(Number("INT"))]
        #[default(30)]
        #[support(Ignored(NO_DIRTY_WORKERS))]
        pub dirty_graceful_timeout: u32,
    }
);

section!(
    /// The hooks of dirty workers.
    #[section("Dirty Arbiter Hooks")]
    pub struct DirtyHooks {
        /// Called before dirty workers start.
        #[kind(Function(&["arbiter"]))]
        #[support(Ignored(NO_DIRTY_WORKERS))]
        pub on_dirty_starting: Hook,

        /// Called in each new dirty worker.
        #[kind(Function(&["arbiter", "worker"]))]
        #[support(Ignored(NO_DIRTY_WORKERS))]
        pub dirty_post_fork: Hook,

        /// Called in each dirty worker with its apps.
        #[kind(Function(&["worker"]))]
        #[support(Ignored(NO_DIRTY_WORKERS))]
        pub dirty_worker_init: Hook,

        /// Called after a dirty worker has ended.
        #[kind(Function(&["arbiter", "worker"]))]
        #[support(Ignored(NO_DIRTY_WORKERS))]
        pub dirty_worker_exit: Hook,
    }
);
