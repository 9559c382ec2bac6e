//! The user of the workers, from the settings.

use super::settings::Settings;
use crate::process::Owner;

impl Settings {
    /// The user and the group of the workers, if they are not this process's.
    pub fn owner(&self) -> Option<Owner> {
        let mechanics = &self.mechanics;
        Owner::asked_for(mechanics.user, mechanics.group, mechanics.initgroups)
    }
}
