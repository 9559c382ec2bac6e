//! What the system knows of a process, in one line.

use super::text_file::read_text;

/// The file `stat` of a process (proc_pid_stat(5)).
pub struct ProcessStat(String);

impl ProcessStat {
    /// That of the process with this id; nothing where it cannot be read.
    pub fn of(pid: i32) -> Option<Self> {
        read_text(format!("/proc/{pid}/stat")).ok().map(Self)
    }

    /// A field after the name, so the number is 3 or more; counted from 1 as in the
    /// manual page. The name is the second field, and may have any character.
    pub fn field(&self, number: usize) -> Option<&str> {
        let (_, after_name) = self.0.rsplit_once(')')?;
        after_name.split_ascii_whitespace().nth(number - 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_any_character() {
        let stat = ProcessStat("7 (a b) c) T 1 7 7".to_owned());
        assert_eq!(stat.field(3), Some("T"));
        assert_eq!(stat.field(4), Some("1"));
        assert_eq!(ProcessStat(String::new()).field(3), None);
    }

    #[test]
    fn this_process_has_a_parent() {
        let stat = ProcessStat::of(std::process::id() as i32).unwrap();
        let parent = std::os::unix::process::parent_id().to_string();
        assert_eq!(stat.field(4), Some(&*parent));
        assert!(ProcessStat::of(-1).is_none());
    }
}
