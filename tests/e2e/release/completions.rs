//! The completions, in real shells.

use std::fs;
use std::path::Path;

use super::is_there;
use crate::support::{Start, folder};

/// What a shell proposes for a line: `complete` runs the shell in a folder that has the
/// script and the files `site.zip` and `sub/`.
fn in_a_folder(what: &str, complete: impl Fn(&Path, &str) -> Vec<String>) {
    let dir = folder();
    let script = Start::new(["--generate", what]).run().expect_success();
    fs::write(dir.path().join("script"), script.stdout).unwrap();
    fs::write(dir.path().join("site.zip"), "").unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    for (line, expected, not) in [
        ("rgunicorn pa", "pack", "python"),
        ("rgunicorn ctl sta", "stacks", "pack"),
        ("rgunicorn --worker-cl", "--worker-class", "--workers"),
        ("rgunicorn --worker-class gt", "gthread", "sync"),
        ("rgunicorn -k gt", "gthread", "sync"),
        ("rgunicorn --reload-engine ", "inotify", "site.zip"),
        ("rgunicorn --app-zip si", "site.zip", "sub/"),
        ("rgunicorn --chdir su", "sub/", "site.zip"),
        ("rgunicorn pack --ima", "--image", "--bind"),
        ("rgunicorn app --reload-eng", "--reload-engine", "--reload"),
        ("rgunicorn app -w 3 --reload-engine in", "inotify", "poll"),
        ("rgunicorn -w 3 ctl sta", "stacks", "pack"),
        ("rgunicorn python si", "site.zip", "sub/"),
    ] {
        let proposed = complete(dir.path(), line);
        let proposed: Vec<_> = proposed.iter().map(|it| it.trim()).collect();
        let is = |word: &str| {
            proposed
                .iter()
                .any(|it| it.trim_end_matches('/') == word.trim_end_matches('/'))
        };
        assert!(is(expected), "{line:?}: no {expected} in {proposed:?}");
        assert!(!is(not), "{line:?}: {not} in {proposed:?}");
    }
}

#[test]
fn bash_completes() {
    if !is_there("bash") {
        return;
    }
    // What readline does: it calls the function, and falls back to file names if there
    // are no proposals.
    const READLINE: &str = r#"
source ./script
[[ $(complete -p rgunicorn) == *'-o default'* ]] || exit 1
compopt() { :; }
read -r -a COMP_WORDS <<< "$1"
[[ $1 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_rgunicorn rgunicorn "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
[ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
printf '%s\n' "${COMPREPLY[@]}"
"#;
    in_a_folder("complete-bash", |dir, line| {
        let done = Start::program("bash", ["--norc", "-c", READLINE, "bash", line]).cwd(dir);
        let told = done.run().expect_success().stdout;
        told.lines().map(str::to_owned).collect()
    });
}

#[test]
fn fish_completes() {
    if !is_there("fish") {
        return;
    }
    in_a_folder("complete-fish", |dir, line| {
        let ask = "source ./script; complete --do-complete $argv[1]";
        let done = Start::program("fish", ["--no-config", "-c", ask, line])
            .cwd(dir)
            .env("HOME", dir);
        let told = done.run().expect_success().stdout;
        // A description follows a tab.
        let words = told.lines().map(|line| line.split('\t').next().unwrap());
        words.map(str::to_owned).collect()
    });
}

#[test]
fn zsh_completes() {
    if !is_there("zsh") {
        return;
    }
    // A shell in a pseudo terminal, as a person has it. `compadd` is what proposals go
    // through; here it prints them.
    const ASK: &str = r#"
zmodload zsh/zpty
zpty shell zsh -f -i
say() { zpty -w shell "$1" }
say 'PS1= PS2= RPROMPT=; stty -echo; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D'
say 'source ./script; compdef _rgunicorn rgunicorn'
say 'compadd() { local -a all; builtin compadd -O all "$@"; print -rl -- "<${^all}>"; builtin compadd "$@"; }'
say 'proposals() { zle ask; print -r -- "<END"">"; exit }'
say 'zle -C ask complete-word _main_complete; zle -N proposals; bindkey "^X" proposals; print "<READY"">"'
zpty -r -m shell found '*<READY>*'
zpty -w -n shell "$1"$'\x18'
zpty -r -m shell found '*<END>*'
print -r -- "$found"
"#;
    in_a_folder("complete-zsh", |dir, line| {
        let done = Start::program("zsh", ["-f", "-c", ASK, "zsh", line])
            .cwd(dir)
            .env("TERM", "dumb")
            .env("HOME", dir);
        let told = done.run().expect_success().stdout;
        let words = told.split('<').skip(1);
        let words = words.filter_map(|it| Some(it.split_once('>')?.0));
        let words = words.flat_map(str::split_whitespace);
        words.map(str::to_owned).collect()
    });
}
