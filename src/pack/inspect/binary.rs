//! What a shared object needs where it is loaded (ELF-64 Object File Format; Linux
//! Standard Base, Symbol Versioning).

use object::LittleEndian;
use object::elf::{DT_NEEDED, DT_SONAME, VER_FLG_WEAK};
use object::read::elf::ElfFile64;

/// A shared object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Binary {
    /// The processor, if it is not the one that this program is for.
    pub other_machine: Option<String>,
    /// The name that other objects need it by (`DT_SONAME`).
    pub name: Option<String>,
    /// The libraries that it needs.
    pub needed: Vec<String>,
    /// Libraries, each with a symbol version that it must have.
    pub versions: Vec<(String, String)>,
    /// The symbol versions that it defines.
    pub defined: Vec<String>,
}

/// More names than any library has. The tables of a hostile file could be endless.
const MOST_NAMES: usize = 10_000;
/// In bytes.
const LONGEST_NAME: usize = 1000;

impl Binary {
    /// Reads a file.
    ///
    /// # Errors
    /// It is damaged or not an ELF file; the reason in a few words.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if !bytes.starts_with(b"\x7fELF") {
            return Err("no ELF file".to_owned());
        }
        if let Some(machine) = other_machine(bytes) {
            return Ok(Self {
                other_machine: Some(machine),
                ..Self::default()
            });
        }
        Self::linked(bytes).map_err(|error| error.to_string())
    }

    fn linked(bytes: &[u8]) -> anyhow::Result<Self> {
        let file = ElfFile64::<LittleEndian>::parse(bytes)?;
        let endian = file.endian();
        let mut text = Names::default();
        let mut binary = Self::default();
        let dynamic = file.elf_dynamic_table()?;
        for entry in &dynamic {
            if entry.tag == DT_NEEDED {
                binary.needed.push(text.take(dynamic.string(entry)?)?);
            } else if entry.tag == DT_SONAME {
                binary.name = Some(text.take(dynamic.string(entry)?)?);
            }
        }
        let sections = file.elf_section_table();
        if let Some((mut libraries, link)) = sections.gnu_verneed(endian, bytes)? {
            let strings = sections.strings(endian, bytes, link)?;
            while let Some((library, mut versions)) = libraries.next()? {
                let name = text.take(library.file(endian, strings)?)?;
                while let Some(version) = versions.next()? {
                    let is_weak = version.vna_flags.get(endian).contains(VER_FLG_WEAK);
                    let version = text.take(version.name(endian, strings)?)?;
                    if !is_weak {
                        binary.versions.push((name.clone(), version));
                    }
                }
            }
        }
        if let Some((mut versions, link)) = sections.gnu_verdef(endian, bytes)? {
            let strings = sections.strings(endian, bytes, link)?;
            while let Some((_, mut names)) = versions.next()? {
                // The names after the first are its parents.
                if let Some(name) = names.next()? {
                    binary.defined.push(text.take(name.name(endian, strings)?)?);
                }
            }
        }
        Ok(binary)
    }
}

/// Counts the names that were read from a file.
#[derive(Default)]
struct Names(usize);

impl Names {
    fn take(&mut self, name: &[u8]) -> anyhow::Result<String> {
        self.0 += 1;
        anyhow::ensure!(
            self.0 <= MOST_NAMES && name.len() <= LONGEST_NAME,
            "more names than a library has"
        );
        Ok(String::from_utf8_lossy(name).into_owned())
    }
}

/// The processor, if the file is not for the one that this program is for (`e_ident`
/// and `e_machine` of the header).
fn other_machine(bytes: &[u8]) -> Option<String> {
    let &[_, _, _, _, class, data, ..] = bytes else {
        return None;
    };
    let machine: [u8; 2] = bytes.get(18..20)?.try_into().ok()?;
    let big_endian = data == 2;
    let machine = match big_endian {
        true => u16::from_be_bytes(machine),
        false => u16::from_le_bytes(machine),
    };
    let name = match machine {
        3 => "x86 of 32 bits",
        21 => "ppc64",
        22 => "s390x",
        40 => "ARM of 32 bits",
        62 if class == 2 => return None,
        62 => "x32",
        183 => "aarch64",
        243 => "RISC-V",
        other => return Some(format!("machine {other}")),
    };
    Some(name.to_owned())
}
