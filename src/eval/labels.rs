//! Reads labels of people: DeepLabCut's `CollectedData_*.csv`, single-animal (three header rows) and multi-animal (four).

use super::{TrueAnimal, TruePoint};
use crate::handover::Identity;
use crate::space::InCamera;
use std::path::{Path, PathBuf};

/// One labelled picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Still {
    /// The picture's file: `.png` or `.jpg`.
    pub picture: PathBuf,
    /// The animals with at least one label, camera pixels; what is not labelled is unknown.
    pub animals: Vec<TrueAnimal>,
}

/// What is wrong with labels.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// A file or folder could not be read.
    #[error("labels {path}: {source}; give a folder of DeepLabCut labels", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A cell, a header or a whole folder is not as it must be.
    #[error("labels {path}: {what}", path = path.display())]
    Content {
        /// Which file or folder.
        path: PathBuf,
        /// What was got, what is allowed.
        what: String,
    },
}

/// A table of labels larger than this is none.
const TABLE_MAX_BYTES: u64 = 64 << 20;
/// A project holds `labeled-data/<film>/CollectedData_*.csv`: no deeper.
const DEPTH_MAX: usize = 3;

/// Every `CollectedData*.csv` in `folder` and up to three folders down, in name order; at least one.
pub fn find_labels(folder: &Path) -> Result<Vec<PathBuf>, LabelsError> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((path, depth)) = open.pop() {
        let failed = |source| LabelsError::Read { path: path.clone(), source };
        for entry in std::fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() && depth < DEPTH_MAX {
                open.push((entry.path(), depth + 1));
            } else if kind.is_file() && name.starts_with("CollectedData") && name.ends_with(".csv") {
                found.push(entry.path());
            }
        }
    }
    if found.is_empty() {
        let what = "no CollectedData*.csv in it; give a folder of DeepLabCut labels".to_owned();
        return Err(LabelsError::Content { path: folder.to_owned(), what });
    }
    found.sort();
    Ok(found)
}

/// Reads one table for a model of these names; keypoints that the model does not have are left out. Pictures lie beside the table.
pub fn read_labels(table: &Path, keypoints: &[String], identities: &[String]) -> Result<Vec<Still>, LabelsError> {
    use std::io::Read as _;
    let failed = |source| LabelsError::Read { path: table.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(table).map_err(failed)?;
    file.take(TABLE_MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    let wrong = |what| LabelsError::Content { path: table.to_owned(), what };
    let rows = parse(&text, keypoints, identities).map_err(wrong)?;
    let beside = table.parent().unwrap_or(Path::new("."));
    Ok(rows.into_iter().map(|(name, animals)| Still { picture: beside.join(name), animals }).collect())
}

/// The individuals (none in a single-animal table) and the body parts that a table labels, each once and in its order.
pub fn read_names(table: &Path) -> Result<(Vec<String>, Vec<String>), LabelsError> {
    use std::io::{BufRead as _, Read as _};
    let failed = |source| LabelsError::Read { path: table.to_owned(), source };
    let file = std::fs::File::open(table).map_err(failed)?;
    let (mut individuals, mut parts) = (Vec::new(), Vec::new());
    for line in std::io::BufReader::new(file.take(TABLE_MAX_BYTES)).lines().take(4) {
        let line = line.map_err(failed)?;
        let mut cells = line.split(',').map(str::trim);
        let names = match cells.next() {
            Some("individuals") => &mut individuals,
            Some("bodyparts") => &mut parts,
            _ => continue,
        };
        for name in cells.filter(|name| !name.is_empty()) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    Ok((individuals, parts))
}

/// Which column pair is whose: animal's index, keypoint's index in the model.
struct Header {
    /// Columns of the picture's name: one, or three in tables that pandas wrote.
    first: usize,
    /// For each pair of columns from `first` on.
    pairs: Vec<(usize, Option<usize>)>,
    /// The table's animals, as the model's identities where they are.
    animals: Vec<Option<Identity>>,
}

/// The name of each picture and its animals.
fn parse(text: &str, keypoints: &[String], identities: &[String]) -> Result<Vec<(String, Vec<TrueAnimal>)>, String> {
    let mut lines = text.lines().enumerate();
    let mut heads: Vec<Vec<&str>> = Vec::new();
    for (_, line) in lines.by_ref().take(4) {
        heads.push(line.split(',').map(str::trim).collect());
        if heads.last().is_some_and(|row| row[0] == "coords") {
            break;
        }
    }
    let header = header(&heads, keypoints, identities)?;
    let mut stills = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let wanted = header.first + 2 * header.pairs.len();
        if cells.len() != wanted {
            return Err(format!("line {}: got {} cells; allowed: {wanted}, as in the header", number + 1, cells.len()));
        }
        let (name, cells) = cells.split_at(header.first);
        // Only the file's own name: a table names pictures beside it, nothing else on the disk.
        let path = name.iter().rev().find(|cell| !cell.is_empty()).copied().unwrap_or_default();
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
        if !["png", "jpg", "jpeg"].iter().any(|ending| name.to_ascii_lowercase().ends_with(&format!(".{ending}"))) {
            return Err(format!("line {}: got the picture {path:?}; allowed: a .png or .jpg file", number + 1));
        }
        let animals =
            animals(&header, cells, keypoints.len()).map_err(|what| format!("line {}: {what}", number + 1))?;
        stills.push((name.to_owned(), animals));
    }
    Ok(stills)
}

fn header(heads: &[Vec<&str>], keypoints: &[String], identities: &[String]) -> Result<Header, String> {
    let row = |name: &str| heads.iter().find(|row| row[0] == name);
    let (Some(parts), Some(coords)) = (row("bodyparts"), row("coords")) else {
        let got: Vec<_> = heads.iter().map(|row| row[0]).collect();
        return Err(format!(
            "got the header rows {}; allowed: scorer, [individuals,] bodyparts, coords",
            got.join(", ")
        ));
    };
    let first = coords.iter().position(|cell| *cell == "x").ok_or("has no column x in the header row coords")?;
    let columns = coords.len() - first;
    if !columns.is_multiple_of(2) || coords[first..].chunks(2).any(|pair| pair != ["x", "y"]) {
        return Err("the header row coords is not x,y,x,y,…; give labels, not predictions".to_owned());
    }
    let mut names: Vec<&str> = Vec::new();
    let mut pairs = Vec::new();
    for column in (first..coords.len()).step_by(2) {
        let part = parts.get(column).copied().unwrap_or_default();
        let name = row("individuals").and_then(|row| row.get(column)).copied().unwrap_or_default();
        let animal = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        pairs.push((animal, keypoints.iter().position(|keypoint| keypoint == part)));
    }
    if pairs.iter().all(|(_, keypoint)| keypoint.is_none()) {
        let mut got: Vec<_> = parts.iter().skip(first).copied().collect();
        got.dedup();
        return Err(format!("labels {}; allowed: keypoints of the model, {}", got.join(", "), keypoints.join(", ")));
    }
    let identity = |name: &&str| {
        let index = identities.iter().position(|identity| identity == name)?;
        u8::try_from(index).ok().map(Identity)
    };
    Ok(Header { first, pairs, animals: names.iter().map(identity).collect() })
}

fn animals(header: &Header, cells: &[&str], keypoints: usize) -> Result<Vec<TrueAnimal>, String> {
    let blank =
        |identity: &Option<Identity>| TrueAnimal { identity: *identity, points: vec![TruePoint::Unknown; keypoints] };
    let mut animals: Vec<_> = header.animals.iter().map(blank).collect();
    for ((animal, keypoint), cells) in header.pairs.iter().zip(cells.as_chunks::<2>().0) {
        let [Some(x), Some(y)] = [number(cells[0])?, number(cells[1])?] else { continue };
        let animal = animals.get_mut(*animal);
        if let (Some(animal), Some(keypoint)) = (animal, *keypoint) {
            animal.points[keypoint] = TruePoint::Seen(InCamera { x, y });
        }
    }
    animals.retain(|animal| animal.seen() > 0);
    Ok(animals)
}

/// An empty cell is no number.
fn number(cell: &str) -> Result<Option<f32>, String> {
    if cell.is_empty() || cell.eq_ignore_ascii_case("nan") {
        return Ok(None);
    }
    match cell.parse::<f32>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        _ => Err(format!("got {cell:?}; allowed: pixels, or an empty cell")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn both_layouts_and_both_ways_to_name_a_picture_are_read() {
        let seen = |x, y| TruePoint::Seen(InCamera { x, y });
        let single =
            "scorer,a,a,a,a\nbodyparts,tail,tail,snout,snout\ncoords,x,y,x,y\nlabeled-data/m/img1.png,1,2.5,,\n";
        let stills = parse(single, &words(&["snout", "tail"]), &[]).expect("read");
        let only = TrueAnimal { identity: None, points: vec![TruePoint::Unknown, seen(1.0, 2.5)] };
        assert_eq!(stills, [("img1.png".to_owned(), vec![only])]);
        let multi = "scorer,,,a,a,a,a\nindividuals,,,Q,Q,G,G\nbodyparts,,,snout,snout,snout,snout\n\
                     coords,,,x,y,x,y\nlabeled-data,m,img2.jpg,NaN,NaN,3,4\n";
        let stills = parse(multi, &words(&["snout"]), &words(&["R", "G"])).expect("read");
        let one = TrueAnimal { identity: Some(Identity(1)), points: vec![seen(3.0, 4.0)] };
        assert_eq!(stills, [("img2.jpg".to_owned(), vec![one])]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let head = "scorer,a,a\nbodyparts,snout,snout\ncoords,x,y\n";
        for (text, expected) in [
            (String::new(), "got the header rows ; allowed: scorer, [individuals,] bodyparts, coords"),
            (format!("{head}a.png,1\n"), "line 4: got 2 cells; allowed: 3, as in the header"),
            (format!("{head}a.png,1,up\n"), "line 4: got \"up\"; allowed: pixels, or an empty cell"),
            (format!("{head}a.txt,1,2\n"), "line 4: got the picture \"a.txt\"; allowed: a .png or .jpg file"),
            (head.replace("snout", "paw"), "labels paw; allowed: keypoints of the model, snout"),
            (head.replace("x,y", "y,x"), "the header row coords is not x,y,x,y,…; give labels, not predictions"),
        ] {
            assert_eq!(parse(&text, &words(&["snout"]), &[]), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_picture_outside_the_folder_is_looked_for_inside() {
        let text = "scorer,a,a\nbodyparts,snout,snout\ncoords,x,y\n../../etc/shadow.png,1,2\n";
        assert_eq!(parse(text, &words(&["snout"]), &[]).expect("read")[0].0, "shadow.png");
    }
}
