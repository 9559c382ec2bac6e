//! Threads, forks, children and signals, with a C library that was loaded from memory.

use std::path::Path;

use crate::support::{Root, Start};

/// Runs the code in a root with only /proc, /tmp and /dev/shm.
fn in_empty_root(code: &str) -> Option<String> {
    let root = Root::empty()?;
    let root = root
        .with_proc()
        .with_tmp()
        .with("/dev/shm".as_ref(), "/dev/shm");
    // As a file, because spawned children read the main module again.
    let root = root.write("/code.py", code).read_only();
    let said = root.start(["python", "/code.py"]).run().expect_success();
    Some(said.stdout)
}

#[test]
fn threads() {
    let code = "
import queue, threading, time, zlib
data, done = bytes(1 << 20), queue.Queue()
def work(n):
    # Compression runs without the GIL: threads are in C at the same time.
    for _ in range(5): crc = zlib.crc32(zlib.compress(data))
    done.put((n, threading.get_native_id()))
threads = [threading.Thread(target=work, args=(n,)) for n in range(32)]
for t in threads: t.start()
for t in threads: t.join()
seen = [done.get() for _ in threads]
print(len({n for n, _ in seen}), len({i for _, i in seen}) > 1, threading.active_count())
threading.stack_size(256 * 1024)
t = threading.Thread(target=lambda: print('small stack'))
t.start(); t.join()";
    let Some(said) = in_empty_root(code) else {
        return;
    };
    assert_eq!(said, "32 True 1\nsmall stack");
}

#[test]
fn forks() {
    let code = "
import os, threading, ctypes
stop = threading.Event()
threading.Thread(target=stop.wait).start()  # a fork beside a thread
for n in range(20):
    pid = os.fork()
    if pid == 0:
        # Loads a carried library for the first time in the child.
        ctypes.CDLL('libexpat.so.1').XML_ExpatVersion
        import decimal
        t = threading.Thread(target=lambda: None); t.start(); t.join()
        os._exit(n)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == n
stop.set()
print('forked')";
    let code = format!("import warnings; warnings.simplefilter('ignore')\n{code}");
    let Some(said) = in_empty_root(&code) else {
        return;
    };
    assert_eq!(said, "forked");
}

#[test]
fn pools_of_each_start_method() {
    let code = "
import multiprocessing, os
def square(n): return n * n, os.getpid()
if __name__ == '__main__':
    for method in ('spawn', 'forkserver', 'fork'):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            answers = pool.map(square, range(8), chunksize=1)
        assert os.getpid() not in {pid for _, pid in answers}
        print(method, [n for n, _ in answers])
    queue = multiprocessing.get_context('spawn').Queue()
    child = multiprocessing.get_context('spawn').Process(target=queue.put, args=('hello',))
    child.start(); print(queue.get(timeout=50)); child.join()";
    let Some(said) = in_empty_root(code) else {
        return;
    };
    let squares = "[0, 1, 4, 9, 16, 25, 36, 49]";
    assert_eq!(
        said,
        format!("spawn {squares}\nforkserver {squares}\nfork {squares}\nhello")
    );
}

#[test]
fn signals() {
    let code = "
import ctypes, faulthandler, os, signal, threading, time
got = []
for number in (signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD, signal.SIGRTMIN):
    signal.signal(number, lambda number, frame: got.append(number))
os.kill(os.getpid(), signal.SIGUSR1)
signal.pthread_kill(threading.main_thread().ident, signal.SIGRTMIN)
signal.setitimer(signal.ITIMER_REAL, 0.01)
while signal.SIGALRM not in got: time.sleep(0.005)
pid = os.fork()
if pid == 0: os._exit(0)
os.waitpid(pid, 0)
while signal.SIGCHLD not in got: time.sleep(0.005)
print(sorted(got) == sorted([signal.SIGUSR1, signal.SIGRTMIN, signal.SIGALRM, signal.SIGCHLD]))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigwait([signal.SIGUSR2]) == signal.SIGUSR2)
# A handler on a stack of its own, while the other one is used up.
pid = os.fork()
if pid == 0:
    os.dup2(os.open('/proc/self/fd/1', os.O_WRONLY), 2)
    faulthandler.enable()
    ctypes.string_at(0)
print(os.waitpid(pid, 0)[1] & 127 == signal.SIGSEGV)
signal.signal(signal.SIGINT, signal.default_int_handler)
try: os.kill(os.getpid(), signal.SIGINT); time.sleep(10)
except KeyboardInterrupt: print('interrupted')";
    let Some(said) = in_empty_root(code) else {
        return;
    };
    for line in [
        "True",
        "interrupted",
        "Fatal Python error: Segmentation fault",
    ] {
        assert!(said.lines().any(|it| it == line), "{said}");
    }
    assert!(!said.contains("False"), "{said}");
}

/// A child sees what it would see without this program: the same variables, no
/// descriptors, the default signals.
#[test]
fn the_hosts_programs_are_started_with_a_clean_environment() {
    let listed = "env | sort; ls -l /proc/self/fd | grep -c memfd; grep -E '^Sig(Ign|Blk)' /proc/self/status";
    let variables = |start: Start| {
        start
            .env("LD_LIBRARY_PATH", "/nowhere")
            .env("LD_BIND_NOW", "")
            .env("LDFLAGS", "-x")
            .env("PYTHONPATH", "/elsewhere")
            .env("LANG", "de_DE.UTF-8")
    };
    let plain = variables(Start::program("sh", ["-c", listed])).run();
    let code = format!("import subprocess; subprocess.run(['sh', '-c', {listed:?}])");
    let child = variables(Start::new(["python", "-c", &code]))
        .run()
        .expect_success();
    assert_eq!(child.stdout, plain.stdout);
    assert!(child.stdout.contains("LD_LIBRARY_PATH=/nowhere"));
}

#[test]
fn the_hosts_programs_are_started_in_each_way() {
    let host = "/lib64/ld-linux-x86-64.so.2";
    if !Path::new(host).exists() {
        eprintln!("skipped: this host has no {host}");
        return;
    }
    // All ways to start a process: fork, vfork and posix_spawn.
    let code = "
import os, subprocess
print(subprocess.check_output(['echo', 'hello']))
print(subprocess.run(['sh', '-c', 'exit 3'], preexec_fn=lambda: None).returncode)
pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 4'], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(os.popen('echo $((6 * 7))').read().strip(), os.system('exit 5') >> 8)";
    let said = Start::new(["python", "-c", code]).run().expect_success();
    assert_eq!(said.stdout, "b'hello\\n'\n3\n4\n42 5", "{}", said.stderr);
}
