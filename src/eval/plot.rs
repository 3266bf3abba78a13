//! A picture of every animal's name over time, as SVG: right, withheld, wrong, not found, hidden.

use super::figures::Evaluation;
use super::film::Film;
use super::names::{Mistake, Verdict};
use std::fmt::Write as _;

/// Width of the time axis, pixels.
const WIDTH: usize = 1400;
/// Left of it stand the names.
const LEFT: usize = 90;
/// Height of one animal's row, and of the room below it.
const ROW: usize = 26;
const BELOW: usize = 12;
/// A wrong name is drawn at least this wide, pixels, and rises above its row.
const WRONG_MIN: f64 = 3.0;
const WRONG_RISE: usize = 5;

/// What is drawn, from what matters least to what matters most: colour and words. Told apart in grey and by the colour-blind too.
const LOOKS: [(&str, &str); 5] = [
    ("#eceff1", "hidden"),
    ("#4a9d8f", "right"),
    ("#90a4ae", "not found"),
    ("#f2c14e", "withheld"),
    ("#c2185b", "wrong"),
];
const HIDDEN: usize = 0;
const RIGHT: usize = 1;
const NOT_FOUND: usize = 2;
const WITHHELD: usize = 3;
const WRONG: usize = 4;

/// Draws one panel for each kind of name and in it one row for each of the truth's animals. What holds the greatest share of a
/// column's time gives its colour; every wrong name is drawn over it, however short.
pub fn plot(film: &Film, evaluation: &Evaluation) -> String {
    let panel = 34 + film.animals * (ROW + BELOW);
    let height = 70 + panel * film.kinds.len() + 40;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {height}\" width=\"{0}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        LEFT + WIDTH + 30
    );
    legend(&mut svg);
    let mut top = 60;
    let all = film.kinds.iter().zip(&evaluation.verdicts).zip(&evaluation.mistakes).zip(&evaluation.figures.kinds);
    for (((kind, verdicts), mistakes), figures) in all {
        let said = figures.all.identity_accuracy.map_or("-".to_owned(), |share| format!("{:.3} %", 100.0 * share));
        let wrong = figures.all.animal_frames.wrong;
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{kind} names: {said} right, {wrong} animal-frames wrong in {} \
             mistakes, {} over 1 s</text>",
            top + 14,
            mistakes.len(),
            figures.all.lasting_swaps
        );
        for animal in 0..film.animals {
            let y = top + 30 + animal * (ROW + BELOW);
            let name = film.names.get(animal).map(|name| escaped(name)).unwrap_or_default();
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>", LEFT - 8, y + 18);
            row(&mut svg, verdicts, animal, y);
            for mistake in mistakes.iter().filter(|mistake| mistake.animal == animal) {
                wrong_name(&mut svg, film, mistake, y);
            }
        }
        top += panel;
    }
    axis(&mut svg, film, top + 4);
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String) {
    let mut x = LEFT;
    for (colour, words) in [RIGHT, WITHHELD, WRONG, NOT_FOUND, HIDDEN].map(|look| LOOKS[look]) {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"18\" width=\"16\" height=\"16\" fill=\"{colour}\"/><text x=\"{}\" y=\"31\">{words}</text>",
            x + 22
        );
        x += 120;
    }
}

/// Runs of columns with one colour.
fn row(svg: &mut String, verdicts: &[Vec<Verdict>], animal: usize, y: usize) {
    let columns: Vec<usize> = (0..WIDTH).map(|column| look_of(verdicts, animal, column)).collect();
    let mut from = 0;
    for to in 1..=WIDTH {
        if to == WIDTH || columns[to] != columns[from] {
            let colour = LOOKS[columns[from]].0;
            let _ = writeln!(
                svg,
                "<rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{ROW}\" fill=\"{colour}\"/>",
                LEFT + from,
                to - from
            );
            from = to;
        }
    }
}

/// What most of the column's frames are, wrong names left out: they are drawn by themselves.
fn look_of(verdicts: &[Vec<Verdict>], animal: usize, column: usize) -> usize {
    let at = |column: usize| column * verdicts.len() / WIDTH;
    let frames = at(column)..at(column + 1).max(at(column) + 1);
    let mut counts = [0; LOOKS.len()];
    for verdicts in verdicts.get(frames).unwrap_or_default() {
        match verdicts.get(animal) {
            None | Some(Verdict::OutOfSight) => counts[HIDDEN] += 1,
            Some(Verdict::NotFound) => counts[NOT_FOUND] += 1,
            Some(Verdict::Withheld) => counts[WITHHELD] += 1,
            Some(Verdict::Right) => counts[RIGHT] += 1,
            Some(Verdict::Wrong(_)) => counts[WRONG] += 1,
        }
    }
    (0..WRONG).max_by_key(|look| counts[*look]).filter(|look| counts[*look] > 0).unwrap_or(WRONG)
}

fn wrong_name(svg: &mut String, film: &Film, mistake: &Mistake, y: usize) {
    let scale = WIDTH as f64 / film.frames.len().max(1) as f64;
    let width = ((mistake.last + 1 - mistake.first) as f64 * scale).max(WRONG_MIN);
    let x = (LEFT as f64 + mistake.first as f64 * scale).min((LEFT + WIDTH) as f64 - width);
    let frame = film.frames.get(mistake.first).map_or(0, |frame| frame.number);
    let name = film.names.get(usize::from(mistake.name)).map(|name| escaped(name)).unwrap_or_default();
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\"><title>from frame {frame}: called {name} for \
         {:.2} s</title></rect>",
        y - WRONG_RISE,
        ROW + WRONG_RISE,
        LOOKS[WRONG].0,
        mistake.seconds(film)
    );
}

fn axis(svg: &mut String, film: &Film, y: usize) {
    let seconds = film.frames.len() as f64 / film.fps;
    let steps = [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0];
    let step = steps.into_iter().find(|step| seconds / step <= 12.0).unwrap_or(86_400.0);
    let mut at = 0.0;
    while at <= seconds {
        let x = LEFT as f64 + at / seconds * WIDTH as f64;
        let (minutes, rest) = ((at / 60.0) as u64, at % 60.0);
        let digits = if step < 1.0 { 1 } else { 0 };
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{}\" stroke=\"#555\"/><text x=\"{x:.1}\" y=\"{}\" \
             text-anchor=\"middle\">{minutes}:{rest:0width$.digits$}</text>",
            y + 6,
            y + 22,
            width = if digits > 0 { 4 } else { 2 },
        );
        at += step;
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::figures::evaluate;
    use super::super::made::{animal, film, hidden, pose};
    use super::*;

    fn drawn(frames: usize, wrong: usize) -> String {
        let frame = |index: usize| match index {
            0..10 => (vec![hidden(0), animal(1, 0.0)], vec![pose(Some(1), 0.0)]),
            _ => (vec![animal(0, 50.0), animal(1, 0.0)], vec![pose(Some(u16::from(index == wrong)), 50.0)]),
        };
        let mut film = film(2, (0..frames).map(frame).collect());
        film.names[0] = "<A>".to_owned();
        plot(&film, &evaluate(&film).expect("figures"))
    }

    #[test]
    fn a_single_wrong_frame_of_a_long_film_is_drawn() {
        let svg = drawn(9_000, 8_999);
        assert!(svg.contains("width=\"3.0\" height=\"31\" fill=\"#c2185b\""), "{svg}");
        assert!(svg.contains("from frame 8999: called B for 0.10 s"), "{svg}");
    }

    #[test]
    fn names_cannot_break_the_picture() {
        let svg = drawn(100, 50);
        assert!(svg.contains("&lt;A&gt;") && !svg.contains("<A>"), "{svg}");
    }

    #[test]
    fn each_state_has_its_colour() {
        let svg = drawn(100, 50);
        for (colour, _) in [HIDDEN, RIGHT, NOT_FOUND].map(|look| LOOKS[look]) {
            assert!(svg.matches(colour).count() >= 2, "{colour}: {svg}");
        }
    }
}
