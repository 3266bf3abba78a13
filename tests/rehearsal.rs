//! The rehearsal's promises: repeatable pictures, and truth that is true.

use std::path::Path;

use arenad::rehearsal::{
    Arena, Dice, HEIGHT, IDENTITIES, INDIVIDUALS, KEYPOINTS, Look, RehearsalError, Tracks, TrueAnimal, Visibility,
    WIDTH, i420_from_rgb, write_stills,
};

const BYTES: usize = WIDTH * HEIGHT * 3;

/// The demo's look with a perfect camera and even paint, so that a pixel's colour tells what was drawn there.
fn plain() -> Look {
    let mut look = Look::typical();
    (look.noise, look.shot, look.drift, look.sharpness, look.shutter) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for paint in &mut look.paints {
        (paint.starts, paint.patchy, paint.faded) = (-0.2, 0.0, 0.0);
    }
    look
}

fn rendered(seed: u64, look: Look, steps: usize) -> Vec<u8> {
    let mut arena = Arena::new(seed, look, 30.0);
    let mut rgb = vec![0; BYTES];
    for _ in 0..steps {
        arena.step();
    }
    arena.render(&mut rgb);
    rgb
}

fn pixel(rgb: &[u8], x: f32, y: f32) -> [i32; 3] {
    let (x, y) = (x.round() as usize, y.round() as usize);
    let at = (y.min(HEIGHT - 1) * WIDTH + x.min(WIDTH - 1)) * 3;
    [0, 1, 2].map(|c| i32::from(rgb[at + c]))
}

/// The coat whose colour `pixel` has, by hue alone.
fn coat([r, g, b]: [i32; 3]) -> Option<usize> {
    if r.max(g).max(b) - r.min(g).min(b) < 25 {
        None
    } else if r > g * 2 {
        Some(0)
    } else if r > b {
        Some(3)
    } else if g > b {
        Some(1)
    } else {
        Some(2)
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
    let first = rendered(3, Look::typical(), 40);
    assert!(first == rendered(3, Look::typical(), 40), "the same seed gave other bytes");
    assert!(first != rendered(4, Look::typical(), 40), "another seed gave the same bytes");
}

#[test]
fn seen_points_lie_on_mice_and_covered_ones_do_not_show() {
    let mut empty = vec![0; BYTES];
    Arena::with(1, plain(), 30.0, &[]).render(&mut empty);
    let mut arena = Arena::new(1, plain(), 30.0);
    let mut rgb = vec![0; BYTES];
    let (mut seen, mut bare, mut painted, mut other, mut covered, mut shows) = (0, 0, 0, 0, 0, 0);
    for _ in 0..60 {
        for _ in 0..23 {
            arena.step();
        }
        arena.render(&mut rgb);
        for animal in arena.truth().animals {
            for (k, p) in animal.points.iter().enumerate() {
                let now = pixel(&rgb, p.x, p.y);
                let before = pixel(&empty, p.x, p.y);
                let body = (3..6).contains(&k);
                match p.visibility {
                    Visibility::Seen => {
                        seen += 1;
                        bare += usize::from((0..3).all(|c| (now[c] - before[c]).abs() < 8));
                        painted += usize::from(body);
                        other += usize::from(body && coat(now) != Some(animal.identity));
                    }
                    Visibility::Covered if body => {
                        covered += 1;
                        shows += usize::from(coat(now) == Some(animal.identity));
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(seen > 1000 && covered > 10, "too few points to judge: {seen} seen, {covered} covered");
    assert!(bare * 50 < seen, "{bare} of {seen} seen points show the bare floor");
    assert!(other * 50 < painted, "{other} of {painted} seen points of the trunk have another coat's colour");
    assert!(shows * 10 < covered, "{shows} of {covered} covered points of the trunk show their own coat");
}

/// How far `b` lies to the left of the way from `from` to `to` as a walker sees it, y pointing down.
fn leftness(from: (f32, f32), to: (f32, f32), b: (f32, f32)) -> f32 {
    let (hx, hy) = (to.0 - from.0, to.1 - from.1);
    // Facing up the picture (0, -1), left is (-1, 0).
    (b.0 - from.0) * hy - (b.1 - from.1) * hx
}

#[test]
fn left_is_the_mouses_own_left() {
    assert!(leftness((0.0, 0.0), (0.0, -1.0), (-1.0, 0.0)) > 0.0);
    let mut arena = Arena::new(5, plain(), 30.0);
    for _ in 0..300 {
        arena.step();
        for TrueAnimal { points, .. } in arena.truth().animals {
            let at = |k: usize| (points[k].x, points[k].y);
            let between = |a: (f32, f32), b: (f32, f32)| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
            let (neck, rump) = (between(at(1), at(2)), at(6));
            assert!(leftness(neck, at(0), at(1)) > leftness(neck, at(0), at(2)), "ears are swapped");
            assert!(leftness(rump, at(5), at(3)) > leftness(rump, at(5), at(4)), "flanks are swapped");
        }
    }
}

#[test]
fn a_hidden_animal_has_no_point_and_leaves_no_trace() {
    let mut empty = vec![0; BYTES];
    Arena::with(2, plain(), 30.0, &[]).render(&mut empty);
    let mut arena = Arena::with(2, plain(), 30.0, &[2]);
    let mut rgb = vec![0; BYTES];
    let mut hidden = 0;
    for _ in 0..30 * 120 {
        arena.step();
        for animal in arena.truth().animals {
            let out = animal.points.iter().filter(|p| p.visibility == Visibility::Hidden).count();
            assert_eq!(out, if animal.hidden { 9 } else { 0 });
            if animal.hidden {
                hidden += 1;
                if hidden % 50 == 1 {
                    arena.render(&mut rgb);
                    let off = rgb.iter().zip(&empty).filter(|(a, b)| a.abs_diff(**b) > 12).count();
                    assert!(off < 60, "{off} bytes differ from the empty arena");
                }
            }
        }
    }
    assert!(hidden > 30, "hidden in {hidden} of 3600 frames only");
}

#[test]
fn mice_stay_in_the_picture_and_move_as_mice_do() {
    let mut arena = Arena::new(8, Look::typical(), 30.0);
    let mut last = arena.truth();
    let (mut fast, mut moved, mut all) = (0, 0, 0);
    for _ in 0..30 * 60 {
        arena.step();
        let now = arena.truth();
        for (a, b) in now.animals.iter().zip(&last.animals) {
            let (p, q) = (a.points[5], b.points[5]);
            assert!(p.x > 60.0 && p.x < 580.0 && p.y > -10.0 && p.y < 470.0, "out of the cage: {p:?}");
            let step = (p.x - q.x).hypot(p.y - q.y);
            all += 1;
            fast += usize::from(step > 16.0);
            moved += usize::from(step > 0.5);
            let length = (a.points[0].x - a.points[6].x).hypot(a.points[0].y - a.points[6].y);
            assert!((14.0..90.0).contains(&length), "nose to tail base {length}");
        }
        last = now;
    }
    assert!(fast * 500 < all, "{fast} of {all} steps are faster than a mouse");
    assert!(moved * 3 > all, "only {moved} of {all} steps go anywhere");
}

const HEADER: &str =
    "frame,R_x,R_y,R_zone,R_hidden,G_x,G_y,G_zone,G_hidden,B_x,B_y,B_zone,B_hidden,Y_x,Y_y,Y_zone,Y_hidden";

fn rows(cells: impl Fn(usize) -> String, count: usize) -> String {
    (0..count).fold(HEADER.to_string(), |text, f| format!("{text}\n{f},{}", cells(f)))
}

#[test]
fn an_arena_follows_recorded_tracks_without_their_jumps() {
    let text = rows(
        |f| {
            let x = if f == 30 { 480.0 } else { 150.0 + 2.0 * f as f32 };
            format!("{x},120,1,0,400,350,1,{},200,380,1,0,330,150,1,0", u8::from(f > 40))
        },
        60,
    );
    let tracks = Tracks::parse(&text, Path::new("t.csv")).unwrap();
    assert_eq!(tracks.frames(), 60);
    let look = plain();
    let bulge = look.bulge;
    let mut arena = Arena::follow(1, look, &tracks);
    for f in 1..50 {
        arena.step();
        let truth = arena.truth();
        let p = truth.animals[0].points[5];
        assert!((p.x - (150.0 + 2.0 * f as f32)).abs() < 6.0 + 200.0 * bulge, "frame {f}: {p:?}");
        assert_eq!(truth.animals[1].hidden, f > 40, "frame {f}");
    }
}

#[test]
fn a_wrong_track_is_told_with_line_and_column() {
    let told = |text: &str| match Tracks::parse(text, Path::new("t.csv")) {
        Err(error @ RehearsalError::Track { .. }) => error.to_string(),
        other => panic!("expected a track error, got {other:?}"),
    };
    let good = "1,1,1,0,1,1,1,0,1,1,1,0,1,1,1,0";
    let cases = [
        (
            rows(|f| if f == 1 { good.replacen("1,1,1,0", "1,oops,1,0", 1) } else { good.into() }, 3),
            "line 3, column R_y: got \"oops\"",
        ),
        (
            rows(|_| good.replace(",0,1,1,1,0,1", ",2,1,1,1,0,1"), 1),
            "line 2, column R_hidden: got \"2\"; 0 or 1 is allowed",
        ),
        (rows(|_| "1,1,1,0,1".into(), 1), "line 2, column G_y: got \"\""),
        (rows(|_| good.replacen('1', "NaN", 1), 1), "line 2, column R_x: got \"NaN\""),
        (HEADER.replace("Y_hidden", "Y_hid"), "line 1, column Y_hidden: no such column"),
        (HEADER.to_string(), "line 2, column frame: no rows"),
        (String::new(), "line 1, column R_x: no such column"),
    ];
    for (text, words) in cases {
        let error = told(&text);
        assert!(error.contains(words), "wanted `{words}` in: {error}");
    }
    assert!(matches!(Tracks::read(Path::new("/nowhere/t.csv")), Err(RehearsalError::File { .. })));
}

#[test]
fn stills_are_a_deeplabcut_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    write_stills(folder.path(), 9, 14, &mut |n| told.push(n)).unwrap();
    assert_eq!(told, [12, 14]);
    for (group, count) in [("s9_g0000", 12), ("s9_g0001", 2)] {
        let inside = folder.path().join("labeled-data").join(group);
        for (file, coords) in [("CollectedData_arenad.csv", 2), ("Visibility_arenad.csv", 1)] {
            let text = std::fs::read_to_string(inside.join(file)).unwrap();
            let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split(',').collect()).collect();
            assert_eq!(lines.len(), 4 + count);
            assert!(lines.iter().all(|l| l.len() == 1 + INDIVIDUALS.len() * KEYPOINTS.len() * coords));
            assert_eq!(
                ["scorer", "individuals", "bodyparts", "coords"].to_vec(),
                lines[..4].iter().map(|l| l[0]).collect::<Vec<_>>()
            );
            for line in &lines[4..] {
                assert!(folder.path().join(line[0]).exists(), "{} is missing", line[0]);
            }
        }
    }
}

#[test]
fn i420_has_the_video_range() {
    let mut yuv = [0; 6];
    for (rgb, expected) in [
        ([0u8; 3], [16, 128, 128]),
        ([255; 3], [235, 128, 128]),
        ([255, 0, 0], [82, 90, 240]),
        ([0, 0, 255], [41, 240, 110]),
    ] {
        assert!(i420_from_rgb(&rgb.repeat(4), 2, 2, &mut yuv));
        assert_eq!([yuv[0], yuv[4], yuv[5]], expected, "{rgb:?}");
    }
    assert!(!i420_from_rgb(&[0; 11], 2, 2, &mut yuv), "a short picture was taken");
}

/// The hue of a mean colour in degrees, and its chroma in levels.
fn hue([r, g, b]: [f32; 3]) -> (f32, f32) {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = (most - least).max(1e-3);
    let sixth = if most == r {
        (g - b) / chroma
    } else if most == g {
        2.0 + (b - r) / chroma
    } else {
        4.0 + (r - g) / chroma
    };
    ((sixth * 60.0).rem_euclid(360.0), chroma)
}

/// The mean colour of each coat under one look, over the trunk points in view; the more colour a pixel has, the more it
/// counts, so that bare patches do not.
fn coats(look: Look) -> [[f32; 3]; 4] {
    let mut arena = Arena::new(11, look, 30.0);
    let mut rgb = vec![0; BYTES];
    let (mut sums, mut weights) = ([[0f32; 3]; 4], [1e-3f32; 4]);
    for _ in 0..6 {
        for _ in 0..12 {
            arena.step();
        }
        arena.render(&mut rgb);
        for animal in arena.truth().animals {
            for p in animal.points[3..6].iter().filter(|p| p.visibility == Visibility::Seen) {
                let around = [(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)];
                let all = around.map(|(dx, dy)| pixel(&rgb, (p.x + dx).max(0.0), (p.y + dy).max(0.0)));
                let mean = [0, 1, 2].map(|c| all.iter().map(|one| one[c] as f32).sum::<f32>() / 5.0);
                let weight = hue(mean).1.powi(2);
                weights[animal.identity] += weight;
                for (sum, v) in sums[animal.identity].iter_mut().zip(mean) {
                    *sum += v * weight;
                }
            }
        }
    }
    std::array::from_fn(|i| sums[i].map(|v| v / weights[i]))
}

#[test]
fn no_look_turns_one_coat_into_another() {
    // Degrees; red goes round through 0.
    let bands = [(328.0, 372.0), (122.0, 178.0), (184.0, 222.0), (32.0, 72.0)];
    let mut dice = Dice::new(77, 0);
    let mut judged = [0; 4];
    for _ in 0..40 {
        let look = Look::random(&mut dice);
        let told = format!("{look:?}");
        for (i, colour) in coats(look).into_iter().enumerate() {
            let (mut degrees, chroma) = hue(colour);
            if chroma < 12.0 {
                continue;
            }
            if i == 0 && degrees < 90.0 {
                degrees += 360.0;
            }
            judged[i] += 1;
            let (low, high) = bands[i];
            assert!((low..high).contains(&degrees), "{}: {degrees:.0} of {colour:?} under {told}", INDIVIDUALS[i]);
        }
    }
    assert!(judged.iter().all(|n| *n >= 32), "coats with colour enough to judge: {judged:?} of 40");
}

#[test]
fn animals_without_paint_are_in_the_truth_and_in_the_picture() {
    let mut empty = vec![0; BYTES];
    Arena::with(2, plain(), 30.0, &[]).render(&mut empty);
    let mut arena = Arena::with(2, plain(), 30.0, &[1, 4, 6]);
    let mut rgb = vec![0; BYTES];
    arena.render(&mut rgb);
    let truth = arena.truth();
    assert_eq!(truth.animals.iter().map(|a| a.identity).collect::<Vec<_>>(), [1, 4, 6]);
    for animal in truth.animals {
        let p = animal.points[5];
        let (now, floor) = (pixel(&rgb, p.x, p.y), pixel(&empty, p.x, p.y));
        assert!((0..3).any(|c| (now[c] - floor[c]).abs() > 20), "{} leaves no trace", INDIVIDUALS[animal.identity]);
        assert_eq!(coat(now), (animal.identity < IDENTITIES.len()).then_some(animal.identity));
    }
}

/// Every file of a folder of stills by name, with its bytes.
fn stills(seed: u64, count: usize) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    write_stills(folder.path(), seed, count, &mut |_| ()).unwrap();
    let mut all = Vec::new();
    for group in std::fs::read_dir(folder.path().join("labeled-data")).unwrap() {
        for file in std::fs::read_dir(group.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(folder.path()).unwrap().display().to_string();
            all.push((name, std::fs::read(path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn the_same_seed_writes_the_same_stills() {
    let first = stills(21, 26);
    assert_eq!(first.len(), 26 + 3 * 2);
    assert!(first == stills(21, 26), "the same seed wrote other files");
    let other = stills(22, 26);
    assert!(first.iter().zip(&other).all(|(a, b)| a.1 != b.1), "another seed wrote the same file");
}
