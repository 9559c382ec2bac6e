//! Starts under difficult conditions.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::libraries::compile;
use crate::support::{Process, Root, Start, app, copy_program, folder, program};

#[test]
fn the_file_names_no_interpreter_and_shows_pythons_names_only() {
    let readelf = |option: &str| {
        Start::program("readelf", ["-W", option])
            .args([program()])
            .run()
            .expect_success()
            .stdout
    };
    assert!(!readelf("-l").contains("INTERP"));
    let exported: Vec<String> = readelf("--dyn-syms")
        .lines()
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .filter(|fields: &Vec<String>| fields.len() == 8 && fields[6] != "UND")
        .filter(|fields| ["GLOBAL", "WEAK"].contains(&&*fields[4]))
        .map(|fields| fields[7].clone())
        .collect();
    assert!(exported.len() > 1500, "{}", exported.len());
    let python = |name: &&String| name.starts_with("Py") || name.starts_with("_Py");
    let others: Vec<_> = exported.iter().filter(|name| !python(name)).collect();
    assert_eq!(others, [] as [&String; 0]);
}

#[test]
fn a_preload_and_an_audit_are_not_let_in_and_reach_children() {
    let dir = folder();
    let hostile = compile(dir.path(), "hostile.c", &[]);
    // It would end any other program.
    let victim = |variable: &str| {
        Start::program("true", [""; 0])
            .env(variable, &hostile)
            .run()
            .code
    };
    assert_eq!((victim("LD_PRELOAD"), victim("LD_AUDIT")), (66, 66));
    for variable in ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"] {
        let code = format!(
            "import os, subprocess; print(os.environ['{variable}']); \
             child = subprocess.run(['true']); print(child.returncode)"
        );
        let said = Start::new(["python", "-c", &code])
            .env(variable, &hostile)
            .run()
            .expect_success();
        let child = if variable == "LD_LIBRARY_PATH" { 0 } else { 66 };
        assert_eq!(said.stdout, format!("{}\n{child}", hostile.display()));
    }
}

/// The lines of the log about variables without effect.
fn disobeyed(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains("RGUNICORN_LOADER"));
    lines.map(str::to_owned).collect()
}

fn hello(args: &[&str], variables: &[(&str, &str)]) -> Process {
    let start = Start::server(args).args(["app"]).cwd(app("hello"));
    variables
        .iter()
        .fold(start, |start, (name, value)| start.env(name, value))
        .spawn()
}

#[test]
fn a_server_tells_once_that_variables_for_another_loader_do_nothing() {
    let variables = [
        ("LD_PRELOAD", "libjemalloc.so"),
        ("LD_LIBRARY_PATH", "/opt/lib"),
    ];
    for args in [&[][..], &["--preload"]] {
        let mut server = hello(args, &variables);
        server.workers(1);
        server.signal(Signal::SIGHUP);
        server.workers(2);
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
        let told = disobeyed(&server.stderr.whole());
        assert_eq!(told.len(), 1, "{told:?}");
        let sentence = "] [WARNING] Not obeyed, but passed on to child processes: LD_PRELOAD, LD_LIBRARY_PATH. ";
        assert!(told[0].contains(sentence), "{told:?}");
    }
}

#[test]
fn a_second_server_tells_of_the_loaders_variables_too() {
    let server = hello(&[], &[("LD_AUDIT", "/opt/audit.so")]);
    server.workers(1);
    server.signal(Signal::SIGUSR2);
    server.workers(2);
    let told = disobeyed(&server.stderr.so_far());
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("processes: LD_AUDIT. "), "{told:?}");
}

#[test]
fn nothing_is_told_where_the_loaders_variables_are_unset_or_obeyed() {
    const HOSTS: &str = "/lib64/ld-linux-x86-64.so.2";
    let unset = [("LD_PRELOAD", ""), ("LD_BIND_NOW", "1")];
    let obeyed = [("RGUNICORN_LOADER", HOSTS), ("LD_LIBRARY_PATH", "/opt/lib")];
    for variables in [&unset, &obeyed] {
        if variables.contains(&("RGUNICORN_LOADER", HOSTS)) && !Path::new(HOSTS).exists() {
            eprintln!("skipped: this host has no {HOSTS}");
            continue;
        }
        let mut server = hello(&[], variables);
        assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
        assert_eq!(disobeyed(&server.stderr.whole()), [""; 0]);
    }
}

/// A file with capabilities runs with more privileges than the user who starts it, so
/// no variable of this user may choose its code.
#[test]
fn a_file_with_capabilities_lets_nobody_in() {
    const NOBODY: u32 = 65534;
    if !geteuid().is_root() {
        eprintln!("skipped: only root gives capabilities to a file");
        return;
    }
    let dir = folder();
    let file = dir.path().join("rgunicorn");
    copy_program(&file);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let hostile = compile(dir.path(), "hostile.c", &[]);
    // cap_net_bind_service=ep (linux/capability.h: revision 2, effective).
    let give = "import os, struct, sys; \
                os.setxattr(sys.argv[1], 'security.capability', \
                            struct.pack('<5I', 0x02000001, 1 << 10, 0, 0, 0))";
    Start::new(["python", "-c", give])
        .args([&file])
        .run()
        .expect_success();

    let code = "import ctypes; print(ctypes.CDLL(None).getauxval(23), \
                [line.split()[1] for line in open('/proc/self/status') if line.startswith('CapEff')])";
    let said = Start::program(&file, ["python", "-c", code])
        .user(NOBODY)
        // This user may have no access to the checkout.
        .cwd(dir.path())
        .env("HOME", dir.path())
        .env("LD_PRELOAD", &hostile)
        .env("LD_AUDIT", &hostile)
        .env("LD_LIBRARY_PATH", dir.path())
        .env("RGUNICORN_LOADER", &hostile)
        .run()
        .expect_success();
    // AT_SECURE is set, and the capability is there.
    assert_eq!(said.stdout, "1 ['0000000000000400']", "{}", said.stderr);
}

/// Makes a system call fail with EPERM in the started program, as the profile of a
/// container engine does.
fn refusing(start: Start, call: libc::c_long) -> Start {
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let number: u32 = call.try_into().unwrap();
    // Offset 0 of seccomp_data is the call's number (linux/seccomp.h).
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number)
        },
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: two system calls; the filter lives as long as this closure.
        let installed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
        };
        if installed {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: the closure only makes system calls.
    unsafe { start.just_before(install) }
}

const MEMFD_CREATE: libc::c_long = libc::SYS_memfd_create;

/// Reports whether memory files are refused, and uses libraries of both kinds.
const REFUSED: &str = "import os, ctypes, sqlite3
try: os.memfd_create('x')
except PermissionError as error: print('refused')
print(ctypes.CDLL('libz.so.1').zlibCompileFlags() != 0)";

#[test]
fn memory_files_may_be_forbidden() {
    let start = Start::new(["python", "-c", REFUSED]);
    let said = refusing(start, MEMFD_CREATE).run().expect_success();
    assert_eq!(said.stdout, "refused\nTrue", "{}", said.stderr);

    let server = Start::server(["app", "--chdir"]).args([app("hello")]);
    let server = refusing(server, MEMFD_CREATE).spawn();
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
}

#[test]
fn memory_files_may_be_forbidden_where_one_folder_takes_files_that_run() {
    let Some(root) = Root::empty() else { return };
    // /tmp is writable but noexec; "." is the root itself.
    let root = root.with_tmp();
    let start = root.start(["python", "-c", REFUSED]);
    let said = refusing(start, MEMFD_CREATE).run().expect_success();
    assert_eq!(said.stdout, "refused\nTrue", "{}", said.stderr);
    // The last one is for the cache and not for libraries.
    let mut left: Vec<_> = fs::read_dir(root.path("/")).unwrap().flatten().collect();
    left.retain(|entry| entry.file_name() != "var");
    assert_eq!(left.len(), 2, "the program and tmp");
}

#[test]
fn where_nothing_at_all_can_hold_the_loader_a_sentence_says_so() {
    let Some(root) = Root::empty() else { return };
    let start = root.with_tmp().read_only();
    let failed = refusing(start.start(["--version"]), MEMFD_CREATE).run();
    assert_eq!(failed.code, 127);
    let sentence = "rgunicorn cannot start: no memory file can be made: memfd_create is refused";
    assert!(failed.stderr.starts_with(sentence), "{}", failed.stderr);
    assert_eq!(failed.stderr.lines().count(), 1, "{}", failed.stderr);
}

/// The sysctl belongs to a PID namespace, and ends with it.
#[test]
fn memory_files_may_be_forbidden_to_be_executed() {
    const SYSCTL: &str = "/proc/sys/vm/memfd_noexec";
    if !Path::new(SYSCTL).exists() {
        eprintln!("skipped: this kernel has no vm.memfd_noexec");
        return;
    }
    let script = "echo \"$1\" > /proc/sys/vm/memfd_noexec && shift && exec \"$@\"";
    let in_namespace = |level: &str, args: &[&str]| {
        Start::program(
            "unshare",
            ["-p", "-f", "--mount-proc", "sh", "-c", script, "sh", level],
        )
        .args([program()])
        .args(args)
    };
    if in_namespace("1", &["--version"])
        .run()
        .stderr
        .contains("unshare")
    {
        eprintln!("skipped: this user may not make a process namespace");
        return;
    }
    for level in ["1", "2"] {
        let code = "import ctypes; print(open('/proc/sys/vm/memfd_noexec').read().strip(), \
                    ctypes.CDLL('libz.so.1').zlibCompileFlags() != 0)";
        let said = in_namespace(level, &["python", "-c", code])
            .run()
            .expect_success();
        assert_eq!(said.stdout, format!("{level} True"), "{}", said.stderr);
    }
}

#[test]
fn a_file_that_was_replaced_goes_on_and_executes_itself_again() {
    let dir = folder();
    let file = dir.path().join("rgunicorn");
    copy_program(&file);
    fs::write(dir.path().join("new"), "#!/bin/sh\necho the new one\n").unwrap();
    // The path leads to the new file, /proc to the one that runs.
    let code = "import os, subprocess, sys
os.chmod('new', 0o755)
os.rename('new', sys._base_executable)
import decimal, xml.etree.ElementTree, ctypes
ctypes.CDLL('libstdc++.so.6')
print(subprocess.check_output([sys.executable], text=True), end='', flush=True)
os.execv('/proc/self/exe', [sys.executable, '-c', 'import json; print(json.dumps([1]))'])";
    let said = Start::program(&file, ["python", "-c", code])
        .cwd(dir.path())
        .run()
        .expect_success();
    assert_eq!(said.stdout, "the new one\n[1]", "{}", said.stderr);
}

#[test]
fn the_auxiliary_vector_and_the_stack_are_the_kernels() {
    // AT_SYSINFO_EHDR (the vDSO), AT_RANDOM, AT_EXECFN, AT_PAGESZ.
    let code = "import ctypes, sys
libc = ctypes.CDLL(None)
libc.getauxval.restype = ctypes.c_ulong
print(libc.getauxval(33) != 0, libc.getauxval(25) != 0, libc.getauxval(6),
      ctypes.string_at(libc.getauxval(31)).decode() == sys._base_executable)
open('/proc/self/cmdline').read().split(chr(0))[1] == 'python' or sys.exit(1)";
    let said = Start::new(["python", "-c", code]).run().expect_success();
    assert_eq!(said.stdout, "True True 4096 True");
}
