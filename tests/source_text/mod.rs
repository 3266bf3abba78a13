//! Reads Rust source far enough to know which paths it names: without comments, strings and test modules.

use std::path::{Path, PathBuf};

/// One path named in the code, such as `std::time::Instant`, and its line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    pub path: Vec<String>,
}

/// Every `.rs` file under `folder`, in name order, without those that only tests include.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(folder, &mut found);
    found.sort();
    let tests: Vec<PathBuf> = found.iter().flat_map(|file| test_modules(file)).collect();
    found.retain(|file| !tests.iter().any(|test| file.starts_with(test) || *file == test.with_extension("rs")));
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            collect(&entry.path(), found);
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            found.push(entry.path());
        }
    }
}

/// Folders (without `.rs`) of the modules that the file declares for tests only.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
    let folder = file.parent().unwrap();
    let folder = if ["mod", "lib", "main"].contains(&stem.as_str()) { folder.into() } else { folder.join(stem) };
    let tokens = tokens(&blank(&std::fs::read_to_string(file).unwrap()));
    let words: Vec<&str> = tokens.iter().map(|(_, word)| word.as_str()).collect();
    words
        .windows(10)
        .filter(|w| w[..8] == ["#", "[", "cfg", "(", "test", ")", "]", "mod"] && w[9] == ";")
        .map(|w| folder.join(w[8]))
        .collect()
}

/// The paths that the code of a file names. `module` is the file's own module, such as `["track", "cost"]`; `crate`, `self`
/// and `super` are resolved against it, and `use` groups are spread out.
pub fn named(text: &str, module: &[&str]) -> Vec<Named> {
    let tokens = without_tests(&tokens(&blank(text)));
    let mut named = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].1 == "use" {
            at = use_tree(&tokens, at + 1, &[], &mut named);
        } else if is_word(&tokens[at].1) {
            let (line, mut path) = (tokens[at].0, vec![tokens[at].1.clone()]);
            while at + 2 < tokens.len() && tokens[at + 1].1 == "::" && is_word(&tokens[at + 2].1) {
                at += 2;
                path.push(tokens[at].1.clone());
            }
            named.push(Named { line, path });
            at += 1;
        } else {
            at += 1;
        }
    }
    for one in &mut named {
        one.path = resolve(&one.path, module);
    }
    named
}

fn resolve(path: &[String], module: &[&str]) -> Vec<String> {
    let mut base: Vec<String> = module.iter().map(|part| (*part).to_owned()).collect();
    let mut rest = path;
    let mut relative = false;
    while let Some(first) = rest.first() {
        match first.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => (),
            _ => break,
        }
        relative = true;
        rest = &rest[1..];
    }
    if relative {
        let mut whole = vec!["crate".to_owned()];
        whole.extend(base);
        whole.extend(rest.iter().cloned());
        whole
    } else {
        path.to_vec()
    }
}

/// Reads one use tree from `at` on and gives the place after it.
fn use_tree(tokens: &[(usize, String)], mut at: usize, before: &[String], named: &mut Vec<Named>) -> usize {
    let mut path = before.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.0);
    while at < tokens.len() {
        match tokens[at].1.as_str() {
            "::" => at += 1,
            "as" => at += 2,
            "{" => {
                at += 1;
                while at < tokens.len() && tokens[at].1 != "}" {
                    at = use_tree(tokens, at, &path, named);
                    if tokens.get(at).is_some_and(|token| token.1 == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            word => {
                path.push(word.to_owned());
                at += 1;
            }
        }
    }
    named.push(Named { line, path });
    at
}

/// Leaves out every item that stands behind `#[cfg(test)]`.
fn without_tests(tokens: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let mark: Vec<&str> = tokens[at..].iter().take(7).map(|token| token.1.as_str()).collect();
        if mark == ["#", "[", "cfg", "(", "test", ")", "]"] {
            let mut deep = 0;
            at += 7;
            while at < tokens.len() {
                match tokens[at].1.as_str() {
                    "{" => deep += 1,
                    "}" => deep -= 1,
                    _ => (),
                }
                at += 1;
                if deep == 0 && ["}", ";"].contains(&tokens[at - 1].1.as_str()) {
                    break;
                }
            }
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single signs, each with its line.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let mut tokens: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push((index + 1, rest[..length].to_owned()));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The text with comments, strings and characters replaced by blanks; lines stay where they are.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => line_end(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => comment_end(&chars, at),
            '"' => string_end(&chars, at),
            'r' if starts_raw(&chars, at) => raw_end(&chars, at),
            '\'' => character_end(&chars, at),
            _ => at,
        };
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

fn line_end(chars: &[char], at: usize) -> usize {
    (at..chars.len()).find(|index| chars[*index] == '\n').unwrap_or(chars.len())
}

fn comment_end(chars: &[char], mut at: usize) -> usize {
    let mut deep = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (deep, at) = (deep + 1, at + 2),
            ('*', Some('/')) => (deep, at) = (deep - 1, at + 2),
            _ => at += 1,
        }
        if deep == 0 {
            break;
        }
    }
    at
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn starts_raw(chars: &[char], at: usize) -> bool {
    // `br"…"` is a raw string too, `for"` and `r#type` are none.
    let before = at.checked_sub(1).map(|index| chars[index]);
    let joined = before.is_some_and(|c| (c.is_alphanumeric() || c == '_') && c != 'b');
    let signs = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    !joined && chars.get(at + 1 + signs) == Some(&'"')
}

fn raw_end(chars: &[char], at: usize) -> usize {
    let signs = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let closing =
        |index: &usize| chars[*index] == '"' && chars[index + 1..].iter().take_while(|c| **c == '#').count() >= signs;
    (at + 2 + signs..chars.len()).find(closing).map_or(chars.len(), |index| index + 1 + signs)
}

/// A lifetime is left as it is.
fn character_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            (at + 3..chars.len()).find(|index| chars[*index] == '\'').map_or(chars.len(), |index| index + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}
