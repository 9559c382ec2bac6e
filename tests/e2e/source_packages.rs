//! Packages that are built from source. pip and compilers ask this Python where its C
//! headers are.

use crate::support::{Start, folder, site};

/// pip builds it as for any Python: in an isolated environment, into which it installs
/// the build system.
#[test]
fn a_package_in_c_is_built_in_a_fresh_venv() {
    let dir = folder();
    let venv = dir.path().join("env");
    site::python(["-m", "venv"])
        .args([&venv])
        .run()
        .expect_success();
    let python = venv.join("bin/python");
    site::pip(&venv, "install")
        .args(["--no-cache-dir", "--no-binary=markupsafe"])
        .args(["markupsafe==3.0.4"])
        .env("XDG_CACHE_HOME", dir.path())
        .run_slowly()
        .expect_success();
    let code = "from markupsafe import _speedups; print(_speedups._escape_inner('<'))";
    let done = Start::program(&python, ["-c", code]).run().expect_success();
    assert_eq!(done.stdout, "&lt;");
}

#[test]
fn sysconfig_knows_the_venv_and_lays_the_headers_out_when_asked() {
    let dir = folder();
    let venv = site::small_venv(dir.path(), "module.py", "");
    let code = "import os, sys, sysconfig
cache = os.environ['XDG_CACHE_HOME'] + '/rgunicorn/include'
prefix, library = sysconfig.get_config_vars('prefix', 'LIBDIR')
print(prefix == sys.prefix, library == sys.base_prefix + '/lib', os.path.exists(cache))
print(sysconfig.get_config_var('TZPATH').split(':')[0])
folder = sysconfig.get_path('include')
print(folder.startswith(cache), folder == sysconfig.get_config_var('INCLUDEPY'))
print(all(os.path.isfile(os.path.join(folder, name))
          for name in ['Python.h', 'cpython/object.h', 'internal/pycore_frame.h']))
with open(sysconfig.get_config_h_filename()) as file:
    print(sysconfig.parse_config_h(file)['SIZEOF_LONG'])";
    let done = Start::program(venv.join("bin/python"), ["-c", code])
        .env("XDG_CACHE_HOME", dir.path())
        .run()
        .expect_success();
    assert_eq!(
        done.stdout,
        "True True False\n/usr/share/zoneinfo\nTrue True\nTrue\n8"
    );
}
