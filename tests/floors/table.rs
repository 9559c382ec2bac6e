//! The table of rooms, and the picture that is made of it.

use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// How many lines a file may have.
    pub longest_file: usize,
    /// How many files a folder may have, where its room does not say.
    files: usize,
    #[serde(rename = "room")]
    pub rooms: Vec<Room>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    pub name: String,
    pub floor: u8,
    holds: String,
    knows_not: String,
    pub uses: Vec<String>,
    #[serde(default)]
    pub without: Vec<String>,
    #[serde(default)]
    pub safe: bool,
    files: Option<usize>,
}

impl Room {
    /// The room at the top that it is in, or is.
    fn whole(&self) -> &str {
        self.name.split('/').next().unwrap_or(&self.name)
    }
}

impl Table {
    pub fn read() -> Table {
        toml::from_str(include_str!("rooms.toml")).expect("rooms.toml")
    }

    pub fn named(&self, name: &str) -> Option<&Room> {
        self.rooms.iter().find(|room| room.name == name)
    }

    /// The room of a file or folder below `src/`: the innermost that it is in.
    pub fn room_of(&self, path: &Path) -> Option<&Room> {
        let path = path.with_extension("");
        let around = path.ancestors();
        around
            .filter_map(Path::to_str)
            .find_map(|name| self.named(name))
    }

    /// The room that one uses if it names something in `to`: of a room with rooms
    /// in it, others see the whole.
    pub fn seen_from<'a>(&'a self, from: &Room, to: &'a Room) -> &'a Room {
        let whole = to.whole();
        if from.whole() == whole {
            to
        } else {
            self.named(whole).unwrap_or(to)
        }
    }

    /// How many files a folder below `src/` may have.
    pub fn files_in(&self, folder: &Path) -> usize {
        let room = self.room_of(folder);
        room.and_then(|room| room.files).unwrap_or(self.files)
    }

    /// The rooms as `docs/architecture.md` has them.
    pub fn picture(&self) -> String {
        let mut text = "```text\n".to_owned();
        for floor in (0..=5).rev() {
            let rooms = self
                .rooms
                .iter()
                .filter(|room| room.floor == floor && room.name == room.whole());
            let names: Vec<_> = rooms.map(|room| room.name.as_str()).collect();
            let _ = writeln!(text, "floor {floor}   {}", names.join("   "));
        }
        text += "```\n\n| floor | room | what it holds | what it must not know | uses |\n|---|---|---|---|---|\n";
        for room in &self.rooms {
            let Room {
                floor,
                name,
                holds,
                knows_not,
                uses,
                ..
            } = room;
            let uses = match uses.as_slice() {
                [] => "nothing".to_owned(),
                uses => uses.join(", "),
            };
            let _ = writeln!(
                text,
                "| {floor} | `{name}` | {holds} | {knows_not} | {uses} |"
            );
        }
        text
    }
}
