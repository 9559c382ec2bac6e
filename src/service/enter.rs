//! What the settings make of this process.

use std::env;

use anyhow::Result;

use crate::config::Settings;
use crate::process::environment::{change_folder, set_variable};
use crate::python::time_zone;

/// Takes over what the settings say of this process: its folder, its libraries
/// and its environment.
pub fn enter(settings: &Settings) -> Result<()> {
    if let Some(folder) = &settings.mechanics.chdir {
        change_folder(folder)?;
    }
    if settings.application.host_libraries {
        rgunicorn_loader::allow_host_libraries();
        // For programs of ours that this process starts.
        set_variable("RGUNICORN_HOST_LIBRARIES", "1");
    }
    // Absolute: programs that it starts may be in another folder.
    for (name, path) in [
        ("RGUNICORN_APP_ZIP", &settings.application.app_zip),
        (
            "RGUNICORN_APP_CACHE_DIR",
            &settings.application.app_cache_dir,
        ),
    ] {
        if let (Some(_), Some(path)) = (env::var_os(name), path) {
            set_variable(name, path);
        }
    }
    for (name, value) in settings.variables() {
        set_variable(name, value);
    }
    // The config file may have changed it.
    time_zone::provide();
    Ok(())
}
