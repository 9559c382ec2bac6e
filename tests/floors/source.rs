//! Reads the files of a crate, and what each of them uses of the others.
//!
//! It sees names, not types: a method that is called on a value leads nowhere.
//! What is only compiled for tests is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The names from the root of a crate to a module, the room of the crate first if
/// it is not the program.
pub type Module = Vec<String>;

/// The crates of `src/`: where each begins, and how the others call it.
const CRATES: [(&str, &[&str], &str); 2] = [
    ("main.rs", &[], "rgunicorn"),
    ("loader/lib.rs", &["loader"], "rgunicorn_loader"),
];

/// A file of source text that is not only for tests.
pub struct File {
    /// Below `src/`.
    pub path: PathBuf,
    /// Each text in quotation marks, and its line.
    pub literals: Vec<(usize, String)>,
    /// The paths that it names, as they are written.
    names: Vec<Name>,
    /// What its `use` lines bring in: the name here, and the path.
    imports: BTreeMap<String, Name>,
    /// What it brings in by `*`.
    globs: Vec<Name>,
    /// What it defines.
    items: BTreeSet<String>,
}

/// A path as it is written.
#[derive(Clone)]
struct Name {
    line: usize,
    segments: Vec<String>,
    /// It only hands on what a module below has: `pub use child::Item`.
    handed_on: bool,
}

/// That a file uses something.
pub struct Use {
    pub from: PathBuf,
    pub line: usize,
    /// As it is written.
    pub text: String,
    pub to: Target,
}

impl Use {
    /// As compilers write it.
    pub fn place(&self) -> String {
        format!("src/{}:{}", self.from.display(), self.line)
    }

    /// The file that it leads to.
    pub fn file(&self) -> Option<&Path> {
        match &self.to {
            Target::Item(path) | Target::Module(path) => Some(path),
            Target::Foreign => None,
        }
    }
}

pub enum Target {
    /// An item in this file.
    Item(PathBuf),
    /// The module in this file, by its name alone.
    Module(PathBuf),
    /// Another crate.
    Foreign,
}

#[derive(Default)]
pub struct Sources {
    files: BTreeMap<Module, File>,
}

impl Sources {
    /// Follows the `mod` lines below a `src` folder.
    pub fn read(src: &Path) -> Sources {
        let mut sources = Sources::default();
        for (root, module, _) in CRATES {
            let module = module.iter().map(|&name| name.to_owned()).collect();
            sources.add(src, Path::new(root), module);
        }
        sources
    }

    fn add(&mut self, src: &Path, path: &Path, module: Module) {
        let text = fs::read_to_string(src.join(path)).unwrap();
        let tokens: TokenStream = text.parse().unwrap();
        let mut file = File {
            path: path.to_owned(),
            literals: Vec::new(),
            names: Vec::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            items: BTreeSet::new(),
        };
        let mut children = Vec::new();
        file.walk(tokens, &mut children);
        self.files.insert(module.clone(), file);

        let folder = match path.file_stem().unwrap().to_str().unwrap() {
            "main" | "lib" | "mod" => path.parent().unwrap().to_owned(),
            _ => path.with_extension(""),
        };
        for child in children {
            let beside = folder.join(&child).with_extension("rs");
            let within = folder.join(&child).join("mod.rs");
            let path = if src.join(&beside).exists() {
                beside
            } else {
                within
            };
            self.add(src, &path, [&module[..], &[child]].concat());
        }
    }

    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    /// Whatever the files use, but for what they only hand on.
    pub fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (module, file) in &self.files {
            let imports = file.imports.values().chain(&file.globs);
            for name in file.names.iter().chain(imports) {
                let Some(to) = self.target(module, name) else {
                    continue;
                };
                uses.push(Use {
                    from: file.path.clone(),
                    line: name.line,
                    text: name.segments.join("::"),
                    to,
                });
            }
        }
        uses
    }

    fn target(&self, module: &Module, name: &Name) -> Option<Target> {
        let Some((to, is_item)) = self.resolve(module, &name.segments, 0) else {
            return (name.segments.len() > 1).then_some(Target::Foreign);
        };
        let is_below = to.len() > module.len() && to.starts_with(module);
        if to == *module || (name.handed_on && is_below) {
            return None;
        }
        let path = self.files[&to].path.clone();
        Some(if is_item {
            Target::Item(path)
        } else {
            Target::Module(path)
        })
    }

    /// Where a path leads that is written in `module`: to which module, and
    /// whether to an item of it. Nothing if it leads out of the crates.
    fn resolve(&self, module: &Module, segments: &[String], depth: u8) -> Option<(Module, bool)> {
        // `use log;` of a crate is found again under its own name.
        if depth > 8 {
            return None;
        }
        let root = CRATES
            .iter()
            .find(|(_, room, _)| !room.is_empty() && module.starts_with(&owned(room)));
        let root = root.map_or(Vec::new(), |(_, room, _)| owned(room));
        let (first, mut rest) = segments.split_first()?;
        let mut at = match first.as_str() {
            "crate" => root,
            "self" => module.clone(),
            "super" => {
                let mut at = module.clone();
                at.pop();
                while rest.first().is_some_and(|segment| segment == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
                at
            }
            name => {
                let child = [&module[..], &[name.to_owned()]].concat();
                let foreign = CRATES.iter().find(|(_, _, called)| *called == name);
                if self.files.contains_key(&child) {
                    child
                } else if let Some(import) = self.files[module].imports.get(name) {
                    let whole = [&import.segments[..], rest].concat();
                    return self.resolve(module, &whole, depth + 1);
                } else if let Some((_, room, _)) = foreign {
                    owned(room)
                } else {
                    return None;
                }
            }
        };
        while let Some((name, after)) = rest.split_first() {
            let child = [&at[..], std::slice::from_ref(name)].concat();
            if self.files.contains_key(&child) {
                at = child;
                rest = after;
                continue;
            }
            let file = &self.files[&at];
            if let Some(import) = file.imports.get(name) {
                let whole = [&import.segments[..], after].concat();
                // An item of another crate that this module hands on is this module's.
                return Some(self.resolve(&at, &whole, depth + 1).unwrap_or((at, true)));
            }
            if !file.items.contains(name) {
                for glob in &file.globs {
                    if let Some((to, _)) = self.resolve(&at, &glob.segments, depth + 1) {
                        return Some((to, true));
                    }
                }
            }
            return Some((at, true));
        }
        Some((at, false))
    }
}

impl File {
    /// Takes in what the tokens name, and the modules that they declare.
    fn walk(&mut self, tokens: TokenStream, children: &mut Vec<String>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut is_public = false;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    let attribute = tokens.get(at + 1);
                    if let Some(TokenTree::Group(group)) = attribute
                        && is_for_tests(&group.stream())
                    {
                        at = end_of_item(&tokens, at + 2);
                        continue;
                    }
                }
                TokenTree::Group(group) => self.walk(group.stream(), children),
                TokenTree::Literal(text) => {
                    let line = text.span().start().line;
                    self.literals.push((line, text.to_string()));
                }
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    let next = tokens.get(at + 1);
                    match (word.to_string().as_str(), next) {
                        ("pub", next) => {
                            is_public = true;
                            // `pub(in path)` is no use of the path.
                            at += 1 + usize::from(is_parenthesis(next));
                            continue;
                        }
                        ("use", _) => {
                            let end = end_of_item(&tokens, at);
                            self.import(&tokens[at + 1..end], &[], is_public, line);
                            at = end;
                        }
                        ("mod", Some(TokenTree::Ident(name))) => {
                            if is_punct(tokens.get(at + 2), ';') {
                                children.push(name.to_string());
                            }
                            at += 1;
                        }
                        (
                            "struct" | "enum" | "union" | "fn" | "const" | "static" | "trait"
                            | "type",
                            Some(TokenTree::Ident(name)),
                        ) => {
                            self.items.insert(name.to_string());
                        }
                        _ => {
                            at = self.name(&tokens, at, line);
                            is_public = false;
                            continue;
                        }
                    }
                    is_public = false;
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Takes in the path that begins at a word; gives the place after it.
    fn name(&mut self, tokens: &[TokenTree], mut at: usize, line: usize) -> usize {
        let is_field = at > 0 && is_punct(tokens.get(at - 1), '.');
        let mut segments = Vec::new();
        // `::log::info` is another crate's, and `T::A` after generics is a type's.
        if at > 0
            && is_punct(tokens.get(at - 1), ':')
            && at > 1
            && is_punct(tokens.get(at - 2), ':')
        {
            segments.push(String::new());
        }
        while let Some(TokenTree::Ident(word)) = tokens.get(at) {
            segments.push(word.to_string());
            at += 1;
            if !(is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')) {
                break;
            }
            at += 2;
        }
        if !is_field && segments.len() > 1 {
            self.names.push(Name {
                line,
                segments,
                handed_on: false,
            });
        }
        at
    }

    /// Takes in the tree of a `use` line below `before`.
    fn import(&mut self, tokens: &[TokenTree], before: &[String], handed_on: bool, line: usize) {
        for tree in tokens.split(|token| is_punct(Some(token), ',')) {
            let mut segments = before.to_vec();
            let mut words = tree.iter().peekable();
            let mut called = None;
            let mut line = line;
            while let Some(token) = words.next() {
                match token {
                    TokenTree::Ident(word) if word == "as" => {
                        called = words.next().map(ToString::to_string);
                    }
                    TokenTree::Ident(word) => {
                        line = word.span().start().line;
                        segments.push(word.to_string());
                    }
                    TokenTree::Punct(mark) if mark.as_char() == '*' => {
                        self.globs.push(Name {
                            line,
                            segments: segments.clone(),
                            handed_on,
                        });
                        segments.clear();
                    }
                    TokenTree::Group(group) => {
                        let within: Vec<_> = group.stream().into_iter().collect();
                        self.import(&within, &segments, handed_on, line);
                        segments.clear();
                    }
                    // `use ::log::info`
                    TokenTree::Punct(mark) if mark.as_char() == ':' && segments.is_empty() => {
                        segments.push(String::new());
                    }
                    _ => {}
                }
            }
            if segments.last().is_some_and(|last| last == "self") && segments.len() > 1 {
                segments.pop();
            }
            if let Some(last) = segments.last() {
                let called = called.unwrap_or_else(|| last.clone());
                self.imports.insert(
                    called,
                    Name {
                        line,
                        segments,
                        handed_on,
                    },
                );
            }
        }
    }
}

fn owned(names: &[&str]) -> Module {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == mark)
}

fn is_parenthesis(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}

/// True for `test` and `cfg(test)`, and for `cfg(any(test, ...))`.
fn is_for_tests(attribute: &TokenStream) -> bool {
    let words = attribute.to_string();
    words == "test"
        || (words.starts_with("cfg") && words.contains("test") && !words.contains("not"))
}

/// The place of an item's last token, or of the one after its block.
fn end_of_item(tokens: &[TokenTree], start: usize) -> usize {
    let is_use = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "use");
    let mut in_use = false;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        in_use |= is_use(token);
        match token {
            TokenTree::Punct(mark) if mark.as_char() == ';' => return at,
            TokenTree::Punct(mark) if mark.as_char() == ',' && !in_use => return at,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !in_use => {
                return at + 1;
            }
            _ => {}
        }
    }
    tokens.len()
}
