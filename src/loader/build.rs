//! Collects the shared libraries that the executable carries, makes the two changes to
//! ld.so that the first stage needs, and writes everything into one file that
//! `carried.rs` includes.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Carried libraries that are not compressed: those that the program itself needs, and
/// the small ones of glibc. ld.so must be the first.
const READY: [&str; 9] = [
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "libgcc_s.so.1",
];

/// Libraries that only wheels need. The manylinux policy (PEP 600) lets wheels expect
/// them on the host. They are carried as zstd frames.
const PACKED: [&str; 4] = [
    "libmvec.so.1",
    "libstdc++.so.6",
    "libz.so.1",
    "libexpat.so.1",
];

/// `__open64_nocancel` in ld.so: `mov $SYS_openat,%eax; mov %rdi,%rsi; mov
/// $AT_FDCWD,%edi; syscall`. Only here does ld.so open files.
const OPEN_SITE: [u8; 15] = [
    0xb8, 0x01, 0x01, 0x00, 0x00, 0x48, 0x89, 0xfe, 0xbf, 0x9c, 0xff, 0xff, 0xff, 0x0f, 0x05,
];

/// The length of the jump that the first stage writes there, which is one byte shorter.
const JUMP_LENGTH: usize = 14;

/// The built-in search path of ld.so on Debian and Ubuntu (glibc's `system_dirs`,
/// elf/dl-load.c), as it is in the file.
const SEARCH_PATH: &[u8] =
    b"/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0";

/// Every carried library appears to ld.so in folders below this one.
const VIRTUAL_FOLDER: &[u8] = b"/.rg/";

/// The library that ld.so maps from the executable itself. The others are copied to memory
/// first. It is only one, because to ld.so two libraries in one file are the same library;
/// this is the largest.
const MAPPED: &str = "libc.so.6";

/// Carried libraries start at multiples of this in the packed file, so that no two of
/// them share a page.
const ALIGNMENT: usize = 4096;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Err(sentence) = build() {
        println!("cargo::error={sentence}");
    }
}

fn build() -> Result<(), String> {
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() != Ok("x86_64")
        || env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux")
        || env::var("CARGO_CFG_TARGET_ENV").as_deref() != Ok("gnu")
    {
        return Err("rgunicorn's loader is written for x86_64-unknown-linux-gnu only; build for that target".into());
    }
    let mut packed = Vec::new();
    let mut table = String::new();
    let mut open_site = 0;
    let mut changes = String::new();
    let mut paths = Vec::new();
    let mut mapped = None;
    for name in READY.into_iter().chain(PACKED) {
        let path = find(name)?;
        println!("cargo:rerun-if-changed={}", path.display());
        let mut bytes =
            fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if name == READY[0] {
            open_site = find_open_site(&bytes, &path)?;
            let search_paths = rename_search_path(&mut bytes, &path)?;
            changes = told(open_site, &search_paths);
        }
        packed.resize(packed.len().next_multiple_of(ALIGNMENT), 0);
        if name == MAPPED {
            mapped = Some((bytes.clone(), packed.len()));
        }
        let size = bytes.len();
        if PACKED.contains(&name) {
            bytes = zstd::bulk::compress(&bytes, 19)
                .map_err(|error| format!("cannot pack {}: {error}", path.display()))?;
        }
        writeln!(
            table,
            "    Library {{ name: *b\"{}\", offset: {}, length: {}, size: {size} }},",
            padded(name),
            packed.len(),
            bytes.len()
        )
        .unwrap();
        packed.extend(bytes);
        paths.push(path.display().to_string());
    }

    packed.resize(packed.len().next_multiple_of(8), 0);
    let (library, offset) = mapped.ok_or("the mapped library is not among the carried ones")?;
    let head = moved_head(&library, offset, packed.len())?;

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let packed_file = out.join("carried.bin");
    let source = format!(
        "/// Offset of ld.so's open call in its file, bytes.\n\
         pub const OPEN_SITE: usize = {open_site};\n\
         const MAPPED: &[u8] = b\"{MAPPED}\";\n\
         const LIBRARIES_COUNT: usize = {};\n\
         static LIBRARIES: [Library; LIBRARIES_COUNT] = [\n{table}];\n\
         core::arch::global_asm!(\n\
             \".pushsection .rodata.rgunicorn_carried,\\\"a\\\",@progbits\",\n\
             \".balign {ALIGNMENT}\",\n\
             \".hidden rgunicorn_carried\",\n\
             \".globl rgunicorn_carried\",\n\
             \"rgunicorn_carried:\",\n\
             \".incbin \\\"{}\\\"\",\n\
{head}             \".popsection\",\n\
         );\n",
        READY.len() + PACKED.len(),
        packed_file.display(),
    );
    fs::write(&packed_file, packed)
        .map_err(|error| format!("cannot write {}: {error}", packed_file.display()))?;
    fs::write(out.join("carried.rs"), source)
        .map_err(|error| format!("cannot write carried.rs: {error}"))?;
    let changes_file = out.join("changes.txt");
    fs::write(&changes_file, changes)
        .map_err(|error| format!("cannot write {}: {error}", changes_file.display()))?;
    // For the program's build script, which lists what is carried.
    println!("cargo:libraries={}", paths.join(":"));
    println!("cargo:changes={}", changes_file.display());
    // The carried ld.so supports packed relocations (glibc 2.36 and later); they save a
    // megabyte.
    println!(
        "cargo:link_args=-Wl,--no-dynamic-linker,-e,rgunicorn_entry,-z,pack-relative-relocs,\
         --defsym=rgunicorn_carried_place=rgunicorn_carried-__ehdr_start"
    );
    Ok(())
}

/// Where the compiler would link the library from.
fn find(name: &str) -> Result<PathBuf, String> {
    let compiler = env::var("CC").unwrap_or_else(|_| "gcc".into());
    let output = Command::new(&compiler)
        .arg(format!("-print-file-name={name}"))
        .output()
        .map_err(|error| format!("cannot run {compiler} to find {name}: {error}; install gcc"))?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    // The compiler prints the bare name if it does not know the file.
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!(
            "the library {name}, which rgunicorn carries, is not on this machine; run scripts/setup"
        ))
    }
}

/// Assembly for the head of a carried library as ld.so must read it to map the library from
/// the executable: offsets in the file are from the start of the executable. Only the linker
/// knows them; the symbol `rgunicorn_carried_place` is where the packed file is. In the packed
/// file, the library is at `offset`, and this head will be at `place`.
fn moved_head(library: &[u8], offset: usize, place: usize) -> Result<String, String> {
    // Fields of ELF64 (System V ABI, chapters 4 and 5) and their sizes, in bytes.
    const FILE_HEADER: usize = 64;
    const E_PHOFF: usize = 32;
    const E_PHNUM: usize = 56;
    const PROGRAM_HEADER: usize = 56;
    const P_OFFSET: usize = 8;
    let number = |at: usize, size: usize| {
        let bytes = library[at..at + size].iter().rev();
        bytes.fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    if number(E_PHOFF, 8) != FILE_HEADER {
        return Err(format!(
            "the program headers of {MAPPED} are not after its file header"
        ));
    }
    let end = FILE_HEADER + number(E_PHNUM, 2) * PROGRAM_HEADER;
    let mut lines: Vec<_> = [
        ".weak rgunicorn_carried_place",
        ".hidden rgunicorn_mapped_head",
        ".globl rgunicorn_mapped_head",
        "rgunicorn_mapped_head:",
    ]
    .map(str::to_owned)
    .into();
    lines.extend((0..end).step_by(8).map(|at| {
        if at == E_PHOFF {
            format!(".quad rgunicorn_carried_place + {}", place + FILE_HEADER)
        } else if at >= FILE_HEADER && (at - FILE_HEADER) % PROGRAM_HEADER == P_OFFSET {
            format!(".quad rgunicorn_carried_place + {}", offset + number(at, 8))
        } else {
            format!(".quad {:#x}", number(at, 8))
        }
    }));
    Ok(lines.iter().map(|line| format!("{line:?},\n")).collect())
}

fn find_open_site(bytes: &[u8], path: &Path) -> Result<usize, String> {
    let sites = occurrences(bytes, &OPEN_SITE);
    match sites[..] {
        [site] => Ok(site),
        _ => Err(format!(
            "{} has {} places that look like its open call and rgunicorn's loader needs exactly one: \
             this glibc is not one it knows (2.36 and 2.41 were tried)",
            path.display(),
            sites.len()
        )),
    }
}

/// Changes the search path to folders that do not exist, without changing its length,
/// so that no library of the host is found by accident. Returns the offsets of the
/// search path.
fn rename_search_path(bytes: &mut [u8], path: &Path) -> Result<Vec<usize>, String> {
    let places = occurrences(bytes, SEARCH_PATH);
    if places.is_empty() {
        return Err(format!(
            "{} does not search the folders of Debian's glibc, and rgunicorn's loader knows no other; \
             build on Debian or Ubuntu",
            path.display()
        ));
    }
    for &place in &places {
        let run = &mut bytes[place..place + SEARCH_PATH.len()];
        for folder in run
            .split_mut(|byte| *byte == 0)
            .filter(|folder| !folder.is_empty())
        {
            let last = folder.len() - 1;
            folder.fill(b'l');
            folder[last] = b'/';
            folder[..VIRTUAL_FOLDER.len()].copy_from_slice(VIRTUAL_FOLDER);
        }
    }
    Ok(places)
}

/// Describes the changes for people who replace the library (LGPL 2.1, section 6).
fn told(open_site: usize, search_paths: &[usize]) -> String {
    let hex = |bytes: &[u8]| -> String {
        let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(" ")
    };
    let places: Vec<_> = search_paths.iter().map(|at| format!("{at:#x}")).collect();
    format!(
        "Of glibc, one file is changed, {}, in two places. All other carried files are\n\
         as their packages have them.\n\
         \n  At offset {}, {} bytes: the folders that are searched by default\n  \
           ({}),\n  \
           renamed at build time to folders below {} that exist nowhere, so that the\n  \
           host's libraries are not mixed with the carried ones.\n\
         \n  At offset {open_site:#x}, {JUMP_LENGTH} bytes: the system call in __open64_nocancel\n  \
           ({}),\n  \
           replaced in memory at every start by a jump (ff 25 00 00 00 00 and an\n  \
           address) to the function that opens the carried libraries.\n\
         \nglibc can be replaced: with RGUNICORN_LOADER=/path/to/ld-linux-x86-64.so.2 in\n\
         the environment, the program starts with that loader, unchanged, and with\n\
         the libraries that it finds.\n",
        READY[0],
        places.join(" and "),
        SEARCH_PATH.len(),
        String::from_utf8_lossy(SEARCH_PATH)
            .trim_end_matches('\0')
            .replace('\0', " "),
        String::from_utf8_lossy(VIRTUAL_FOLDER),
        hex(&OPEN_SITE),
    )
}

fn occurrences(bytes: &[u8], pattern: &[u8]) -> Vec<usize> {
    (0..bytes.len().saturating_sub(pattern.len()))
        .filter(|&start| bytes[start..].starts_with(pattern))
        .collect()
}

/// A name as the table holds it: with a fixed length and inside the table. A pointer
/// would need a relocation, which has not happened when the table is read.
fn padded(name: &str) -> String {
    format!("{name}{}", "\\0".repeat(24 - name.len()))
}
