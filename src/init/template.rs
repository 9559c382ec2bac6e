//! The templates of projects, which are in the executable. They are projects
//! themselves, with the name `my-site`.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};

use super::options::ProjectKind;

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/init/templates");

/// The name that the templates have.
const PLACEHOLDER: &str = "my-site";

/// The texts of a project's files by their paths in its folder.
pub fn project(kind: ProjectKind, name: &str) -> BTreeMap<String, String> {
    let own = match kind {
        ProjectKind::Flask => "flask",
        ProjectKind::Django => "django",
        ProjectKind::Fastapi => "fastapi",
        ProjectKind::Wsgi => "wsgi",
    };
    let mut files = BTreeMap::new();
    for template in ["common", own] {
        let folder = TEMPLATES.get_dir(template);
        add(
            folder.expect("a template of this name"),
            template,
            &mut files,
        );
    }
    let named = |text: String| text.replace(PLACEHOLDER, name);
    files
        .into_iter()
        .map(|(path, text)| (named(path), named(text)))
        .collect()
}

fn add(folder: &Dir<'_>, template: &str, files: &mut BTreeMap<String, String>) {
    for file in folder.files() {
        let path = file.path().strip_prefix(template);
        let path = path.expect("a path below the template's folder");
        let text = file.contents_utf8().expect("a template is text");
        files.insert(path.display().to_string(), text.to_owned());
    }
    for inner in folder.dirs() {
        add(inner, template, files);
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn the_name_is_everywhere() {
        for kind in ProjectKind::value_variants() {
            let files = project(*kind, "shop");
            assert!(files.contains_key("deploy/shop.service"));
            for (path, text) in files {
                assert!(!text.contains(PLACEHOLDER), "{path}");
                assert!(text.is_empty() || text.ends_with('\n'), "{path}");
            }
        }
    }

    #[test]
    fn the_two_lists_of_dependencies_are_the_same() {
        for kind in ProjectKind::value_variants() {
            let files = project(*kind, "shop");
            let about: toml::Table = files["pyproject.toml"].parse().unwrap();
            let listed = about["project"]["dependencies"].as_array().unwrap();
            let listed: Vec<_> = listed.iter().filter_map(|it| it.as_str()).collect();
            let file = files.get("requirements.txt").map_or("", String::as_str);
            assert_eq!(listed, file.lines().collect::<Vec<_>>());
        }
    }
}
