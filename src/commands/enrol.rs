//! `arenad enrol`: from labelled pictures of animals to `coats.toml`.

mod clicks;
mod crops;
mod labelled;

use super::{Failure, RunnerArgs, configuration, fatal};
use arenad::handover::MAX_ANIMALS;
use arenad::model::{WrittenCoat, WrittenCoats, WrittenPair, odd_name};
use arenad::paint::{self, Learnt, Measured, Tint};
use clicks::Click;
use std::path::PathBuf;

/// Measures the coats of an arena's animals and writes them for `coats = "…"` in the configuration. Any number of animals up to
/// eight, any colours; one without paint is a coat like the others. The pictures come from one of three: --crops, --labels, or an INPUT
/// with clicks.
#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("pictures").required(true).args(["crops", "labels", "click"]))]
pub struct Args {
    /// With --click: a recording or a still, as for replay.
    #[arg(requires = "click", conflicts_with_all = ["crops", "labels"])]
    input: Option<PathBuf>,
    /// The file to write.
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: PathBuf,
    /// A folder with a folder of pictures for each animal, named as it is; the painted back fills the middle of each picture.
    #[arg(long, value_name = "DIR")]
    crops: Option<PathBuf>,
    /// A folder of DeepLabCut labels whose individuals are named as the animals are.
    #[arg(long, value_name = "DIR")]
    labels: Option<PathBuf>,
    /// An animal in INPUT: its name, the frame counted from 0, and a point on it in pixels. Given again for each click.
    #[arg(long, value_name = "NAME@FRAME:X,Y", requires = "input", value_parser = clicks::parse)]
    click: Vec<Click>,
    /// Only these animals, and in this order.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    names: Vec<String>,
    /// Writes the file even where two coats cannot be told apart.
    #[arg(long)]
    force: bool,
    /// With --click: the model's folder, or the name of a bundled one; without it, the bundled socialbox.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    #[command(flatten)]
    runner: RunnerArgs,
}

/// What one source of pictures gave.
#[derive(Default)]
struct Pictures {
    /// Animals in the order in which they were met.
    names: Vec<String>,
    measured: Vec<Measured>,
    /// Pictures that said nothing, and why.
    left_out: Vec<String>,
    /// What it all came from, for the file.
    made_of: String,
}

impl Pictures {
    /// One more picture of an animal.
    fn add(&mut self, name: &str, tint: Tint) {
        let known = self.names.iter().position(|known| known == name);
        let coat = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        self.measured.push(Measured { coat, tint });
    }
}

/// Two coats nearer than this are refused, and nearer than the second is a warning: standard deviations of a picture. At 2 one picture
/// in six lies nearer to the other coat, at 4 one in forty-four.
const APART_LEAST: f32 = 2.0;
const APART_GOOD: f32 = 4.0;
/// The same for the share of pictures that would get the other's name.
const CONFUSED_MOST: f32 = 0.2;
const CONFUSED_GOOD: f32 = 0.02;
/// Fewer pictures of an animal are a warning.
const PICTURES_GOOD: usize = 3;

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let pictures = match (&args.crops, &args.labels, &args.input) {
        (Some(folder), _, _) => crops::read(folder).map_err(configuration)?,
        (_, Some(folder), _) => labelled::read(folder, &args.names).map_err(configuration)?,
        (_, _, Some(input)) => clicks::read(input, &args.click, args.model.as_deref(), &args.runner)?,
        _ => return Err(configuration("enrol: got no pictures; allowed: --crops, --labels, or an input with --click")),
    };
    let pictures = chosen(pictures, &args.names).map_err(configuration)?;
    let count = pictures.names.len();
    let learnt = paint::learn(&pictures.measured, count)
        .ok_or_else(|| configuration("enrol: an animal has no picture that could be measured"))?;
    let written = written(&pictures, &learnt);
    tell(&written, &pictures);
    let mut told = warnings(&written);
    if let Some(refused) = too_near(&written) {
        if !args.force {
            return Err(configuration(refused));
        }
        told.push(refused);
    }
    told.iter().for_each(|warning| println!("warning: {warning}"));
    let text = written.text().map_err(fatal)?;
    std::fs::write(&args.out, text).map_err(|error| {
        fatal(format!("enrol: {}: {error}; give -o a file that can be written", args.out.display()))
    })?;
    println!("{}", args.out.display());
    Ok(())
}

/// The animals that are wanted, each with at least one picture.
fn chosen(mut pictures: Pictures, wanted: &[String]) -> Result<Pictures, String> {
    if let Some(odd) = wanted.iter().chain(&pictures.names).find_map(|name| odd_name(name)) {
        return Err(format!("enrol: {odd}; rename it"));
    }
    if let Some((_, twice)) = wanted.iter().enumerate().find(|(index, name)| wanted[..*index].contains(name)) {
        return Err(format!("enrol: --names has {twice:?} twice; allowed: each name once"));
    }
    if !wanted.is_empty() {
        if let Some(missing) = wanted.iter().find(|name| !pictures.names.contains(name)) {
            let got = pictures.names.join(", ");
            return Err(format!("enrol: got no picture of {missing:?}; there are pictures of: {got}"));
        }
        let place = |coat: usize| wanted.iter().position(|name| pictures.names.get(coat) == Some(name));
        pictures.measured =
            pictures.measured.iter().filter_map(|one| place(one.coat).map(|coat| Measured { coat, ..*one })).collect();
        pictures.names = wanted.to_vec();
    }
    match pictures.names.len() {
        0 => Err(nothing(&pictures)),
        count if count > MAX_ANIMALS => {
            Err(format!("enrol: got {count} animals; allowed: at most {MAX_ANIMALS}; choose them with --names"))
        }
        _ => Ok(pictures),
    }
}

/// Why there is nothing to learn from.
fn nothing(pictures: &Pictures) -> String {
    let reasons = pictures.left_out.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    let reasons = if reasons.is_empty() { "there is none".to_owned() } else { reasons };
    format!("enrol: got no picture that could be measured: {reasons}")
}

fn written(pictures: &Pictures, learnt: &Learnt) -> WrittenCoats {
    let count = |coat: usize| pictures.measured.iter().filter(|one| one.coat == coat).count() as u32;
    let coat = |(index, (tint, spread)): (usize, &(Tint, [[f32; 3]; 3]))| WrittenCoat {
        name: pictures.names[index].clone(),
        colour: display(tint),
        pictures: count(index),
        tint: *tint,
        spread: *spread,
    };
    let mut pairs = Vec::new();
    for (a, first) in pictures.names.iter().enumerate() {
        for (b, second) in pictures.names.iter().enumerate().skip(a + 1) {
            pairs.push(WrittenPair {
                names: [first.clone(), second.clone()],
                confused: (learnt.taken_for[a][b] + learnt.taken_for[b][a]) / 2.0,
                apart: learnt.apart[a][b],
            });
        }
    }
    WrittenCoats {
        coats: 1,
        made_of: pictures.made_of.clone(),
        list: learnt.coats.iter().enumerate().map(coat).collect(),
        pairs,
    }
}

/// The coat's colour, as bright as a display shows it well.
fn display(tint: &Tint) -> String {
    let rgb = paint::rgb(tint);
    let brightest = rgb.iter().copied().fold(1.0, f32::max);
    let [r, g, b] = rgb.map(|value| (value / brightest * 235.0).round().clamp(0.0, 255.0) as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn tell(written: &WrittenCoats, pictures: &Pictures) {
    println!("{:<16}{:>9}{:>10}", "coat", "pictures", "colour");
    for coat in &written.list {
        println!("{:<16}{:>9}{:>10}", coat.name, coat.pictures, coat.colour);
    }
    println!("{:<33}{:>8}{:>12}", "two coats", "apart", "confused");
    for pair in &written.pairs {
        let [a, b] = &pair.names;
        println!("{:<33}{:>8.1}{:>10.1} %", format!("{a} and {b}"), pair.apart, 100.0 * pair.confused);
    }
    for left_out in pictures.left_out.iter().take(10) {
        println!("left out: {left_out}");
    }
    if pictures.left_out.len() > 10 {
        println!("left out: {} more", pictures.left_out.len() - 10);
    }
}

fn warnings(written: &WrittenCoats) -> Vec<String> {
    let few = written.list.iter().filter(|coat| (coat.pictures as usize) < PICTURES_GOOD).map(|coat| {
        format!("{} has {} picture(s); give at least {PICTURES_GOOD}, in different places", coat.name, coat.pictures)
    });
    let near = written.pairs.iter().filter(|pair| pair.apart < APART_GOOD || pair.confused > CONFUSED_GOOD).map(|pair| {
        let [a, b] = &pair.names;
        let (apart, confused) = (pair.apart, 100.0 * pair.confused);
        format!("{a} and {b} are hard to tell apart: {apart:.1} standard deviations (good: {APART_GOOD}), {confused:.1} % of their pictures would get the other's name; paint one of them in another colour")
    });
    few.chain(near).collect()
}

/// The two coats that cannot be told apart, if there are such.
fn too_near(written: &WrittenCoats) -> Option<String> {
    let bad = |pair: &&WrittenPair| pair.apart < APART_LEAST || pair.confused > CONFUSED_MOST;
    let worst = written.pairs.iter().filter(bad).min_by(|a, b| a.apart.total_cmp(&b.apart))?;
    let ([a, b], apart, confused) = (&worst.names, worst.apart, 100.0 * worst.confused);
    Some(format!(
        "enrol: {a} and {b} cannot be told apart: {apart:.1} standard deviations, {confused:.0} % of their pictures would get the other's name; allowed: at least {APART_LEAST} and at most {:.0} %; paint one of them in another colour, give clearer pictures, or write it all the same with --force",
        100.0 * CONFUSED_MOST
    ))
}

#[cfg(test)]
mod tests;
