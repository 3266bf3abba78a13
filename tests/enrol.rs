//! Promise: a laboratory enrols its own coats, whatever their number and colour, and the line then names its animals by them; what
//! is wrong with the pictures is said in words, with exit code 2.

mod program;

use arenad::model::Coats;
use arenad::rehearsal::{Arena, HEIGHT, Look, WIDTH};
use program::{Ended, arenad, line};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder to work in.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A picture of one colour on a dark floor, the animal's back in its middle.
    fn crop(&self, name: &str, [r, g, b]: [u8; 3], side: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let middle = side as f32 / 2.0;
        let image = image::RgbImage::from_fn(side, side, |x, y| {
            let inside = (x as f32 - middle).hypot(y as f32 - middle) < 0.4 * side as f32;
            // A little texture, the same in each picture.
            let grain = ((x * 7 + y * 13) % 5) as u8;
            image::Rgb(if inside { [r - grain, g - grain, b - grain] } else { [22, 20, 16] })
        });
        image.save(path).expect("written");
    }

    fn enrol(&self, words: &str) -> Ended {
        let out = self.path("coats.toml");
        arenad(line(&format!("enrol {words} -o {{}}"), &[&out]))
    }

    fn coats(&self) -> Coats {
        Coats::read(&self.path("coats.toml")).unwrap_or_else(|error| panic!("{error}"))
    }
}

const RED: [u8; 3] = [228, 40, 60];
const VIOLET: [u8; 3] = [150, 90, 200];
const WHITE: [u8; 3] = [214, 204, 196];

fn crops(desk: &Desk, coats: &[(&str, [u8; 3])]) {
    for (name, [r, g, b]) in coats {
        for shade in 0..4u8 {
            let dim = |value: &u8| value - value / 20 * shade;
            desk.crop(&format!("crops/{name}/{shade}.png"), [dim(r), dim(g), dim(b)], 40);
        }
    }
}

fn words(text: &str, path: &Path) -> String {
    format!("{text} {}", path.display())
}

/// The arena of the demo with these mice when all are in view and apart, and where each is; mouse 4 has no paint.
fn still(desk: &Desk, name: &str, seed: u64, mice: &[usize]) -> (PathBuf, Vec<(usize, [f32; 2])>) {
    let mut arena = Arena::with(seed, Look::typical(), 30.0, mice);
    let centre = arenad::rehearsal::KEYPOINTS.iter().position(|keypoint| *keypoint == "cntr").expect("a centre");
    let mut places = Vec::new();
    for _ in 0..5000 {
        arena.step();
        let seen = arena.truth().animals.into_iter().filter(|animal| {
            !animal.hidden && animal.points.iter().all(|point| point.visibility == arenad::rehearsal::Visibility::Seen)
        });
        places = seen.map(|animal| (animal.identity, [animal.points[centre].x, animal.points[centre].y])).collect();
        let near = |(who, [x, y]): &(usize, [f32; 2])| {
            places.iter().any(|(other, [x2, y2])| other != who && (x - x2).hypot(y - y2) < 100.0)
        };
        if places.len() == mice.len() && !places.iter().any(near) {
            break;
        }
    }
    assert_eq!(places.len(), mice.len(), "seed {seed}: never all in view");
    let mut rgb = vec![0; WIDTH * HEIGHT * 3];
    arena.render(&mut rgb);
    let path = desk.path(name);
    image::RgbImage::from_raw(WIDTH as u32, HEIGHT as u32, rgb).expect("a picture").save(&path).expect("written");
    (path, places)
}

#[test]
fn any_colours_and_an_unmarked_animal_are_enrolled_from_crops() {
    let desk = Desk::new();
    crops(&desk, &[("ruby", RED), ("violet", VIOLET), ("white", WHITE)]);
    let said = desk.enrol(&words("--crops", &desk.path("crops"))).well();
    assert!(said.contains("ruby") && !said.contains("warning"), "{said}");
    let coats = desk.coats();
    let names: Vec<_> = coats.identities.iter().map(|identity| identity.name.as_str()).collect();
    assert_eq!(names, ["ruby", "violet", "white"]);
    assert_eq!(coats.coats[0].pictures, 4);
}

#[test]
fn clicks_give_coats_and_the_line_names_the_animals_by_them() {
    let desk = Desk::new();
    // The network knows no such name, and of the white one it knows nothing at all.
    let (names, mice) = (["ruby", "mint", "sky", "lemon", "white"], [0, 1, 2, 4]);
    let (picture, animals) = still(&desk, "still.png", 4, &mice);
    let clicks: String =
        animals.iter().map(|(who, [x, y])| format!(" --click {}@0:{x:.1},{y:.1}", names[*who])).collect();
    let said = desk.enrol(&words(&format!("--engine built-in{clicks}"), &picture)).well();
    assert!(said.contains("ruby has 1 picture(s)"), "{said}");
    assert_eq!(desk.coats().coats.len(), animals.len());
    // Another moment of the same arena, which lasts for ten frames.
    let (other, truth) = still(&desk, "other.png", 9, &mice);
    let (film, out, coats) = (desk.path("film"), desk.path("out"), desk.path("coats.toml"));
    fs::create_dir(&film).expect("made");
    for frame in 0..10 {
        fs::copy(&other, film.join(format!("{frame}.png"))).expect("copied");
    }
    arenad(line("replay {} -o {} --engine built-in --coats {}", &[&film, &out, &coats])).well();
    let table = fs::read_to_string(out.join("poses.csv")).expect("poses");
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split(',').collect()).collect();
    let mut right = 0;
    for (who, [x, y]) in &truth {
        let column =
            (0..rows[1].len()).find(|c| rows[1][*c] == names[*who] && rows[2][*c] == "cntr").expect("a column");
        let cell = |c: usize| rows[13][c].parse::<f32>().unwrap_or(f32::NAN);
        right += usize::from((cell(column) - x).hypot(cell(column + 1) - y) < 20.0);
    }
    assert_eq!(right, 4, "{truth:?}\n{table}");
}

#[test]
fn labels_of_people_give_coats() {
    let desk = Desk::new();
    let (picture, animals) = still(&desk, "img0.png", 4, &[0, 1, 2, 3]);
    let mut rows =
        [String::from("scorer"), "individuals".into(), "bodyparts".into(), "coords".into(), String::from("img0.png")];
    for (who, [x, y]) in &animals {
        // A back that lies along the picture: a label before and one behind the middle.
        for (part, shift) in [("snout", 8.0), ("tailbase", -8.0)] {
            for (coord, value) in [("x", x + shift), ("y", *y)] {
                rows[0] += ",me";
                rows[1] += &format!(",m{who}");
                rows[2] += &format!(",{part}");
                rows[3] += &format!(",{coord}");
                rows[4] += &format!(",{value:.1}");
            }
        }
    }
    let folder = desk.path("labels");
    fs::create_dir(&folder).expect("made");
    fs::rename(picture, folder.join("img0.png")).expect("moved");
    fs::write(folder.join("CollectedData_me.csv"), rows.join("\n") + "\n").expect("written");
    desk.enrol(&words("--labels", &folder)).well();
    assert_eq!(desk.coats().coats.len(), animals.len());
    for (from, to, told) in [
        ("individuals", "somebody", "has no individuals; allowed: multi-animal labels with"),
        ("snout", "wheel", "has no body parts that tell where a back is; allowed: multi-animal labels with"),
    ] {
        let table =
            rows.join("\n").replace(from, to).replace("tailbase", if from == "snout" { "lid" } else { "tailbase" });
        fs::write(folder.join("CollectedData_me.csv"), table).expect("written");
        let ended = desk.enrol(&words("--labels", &folder));
        assert!(ended.code == Some(2) && ended.why().contains(told), "{ended:?}");
    }
}

#[test]
fn two_coats_that_look_alike_are_refused_by_name_and_written_only_by_force() {
    let desk = Desk::new();
    crops(&desk, &[("ruby", RED), ("white", WHITE), ("snow", WHITE)]);
    let wanted = words("--crops", &desk.path("crops"));
    let refused = desk.enrol(&wanted);
    assert_eq!(refused.code, Some(2));
    assert!(refused.why().starts_with("arenad: enrol: snow and white cannot be told apart: 0.0 standard deviations, "));
    assert!(refused.why().ends_with("give clearer pictures, or write it all the same with --force"), "{refused:?}");
    assert!(!desk.path("coats.toml").exists());
    assert!(desk.enrol(&format!("{wanted} --force")).well().contains("warning: enrol: snow and white"));
}

#[test]
fn what_is_wrong_with_pictures_is_said() {
    let nothing = Desk::new();
    fs::create_dir_all(nothing.path("crops")).expect("made");
    let told = |desk: &Desk, more: &str| {
        let ended = desk.enrol(&format!("--crops {}{more}", desk.path("crops").display()));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        ended.why().replace(&desk.0.path().display().to_string(), "T")
    };
    assert_eq!(
        told(&nothing, ""),
        "arenad: enrol: T/crops holds no folder; give one with a folder of pictures for each animal"
    );
    fs::create_dir_all(nothing.path("crops/R")).expect("made");
    assert_eq!(told(&nothing, ""), "arenad: enrol: T/crops/R holds no picture; allowed: .png or .jpg files");
    nothing.crop("crops/R/0.png", RED, 20);
    assert_eq!(
        told(&nothing, ""),
        "arenad: enrol: no picture of R could be measured: picture T/crops/R/0.png: is 20x20 pixels; allowed: at least 24x24"
    );
    fs::write(nothing.path("crops/R/0.png"), b"\x89PNG\r\n\x1a\nno").expect("written");
    let unreadable = told(&nothing, "");
    assert!(unreadable.starts_with("arenad: enrol: no picture of R could be measured: picture T/crops/R/0.png: "));
    let grey = image::GrayImage::from_pixel(30, 30, image::Luma([120]));
    grey.save(nothing.path("crops/R/0.png")).expect("written");
    assert!(told(&nothing, "").ends_with("0.png: is grey; allowed: colour"));
    let odd = Desk::new();
    crops(&odd, &[("my mouse", RED)]);
    assert_eq!(
        told(&odd, ""),
        "arenad: enrol: folder T/crops/my mouse: got the name \"my mouse\"; allowed: 1 to 32 letters, digits, - and _; rename it"
    );
    let many = Desk::new();
    let names: Vec<String> = (0..9).map(|n| format!("m{n}")).collect();
    crops(&many, &names.iter().map(|name| (name.as_str(), RED)).collect::<Vec<_>>());
    assert_eq!(told(&many, ""), "arenad: enrol: got 9 animals; allowed: at most 8; choose them with --names");
    assert_eq!(told(&many, " --names m1,m1"), "arenad: enrol: --names has \"m1\" twice; allowed: each name once");
    assert_eq!(
        told(&many, " --names m1,zoe"),
        "arenad: enrol: got no picture of \"zoe\"; there are pictures of: m0, m1, m2, m3, m4, m5, m6, m7, m8"
    );
}

#[test]
fn what_is_wrong_with_clicks_is_said() {
    let desk = Desk::new();
    let (picture, animals) = still(&desk, "still.png", 4, &[0, 1]);
    let told = |click: &str| {
        let ended = desk.enrol(&words(&format!("--engine built-in --click {click}"), &picture));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        ended.why().replace(&desk.0.path().display().to_string(), "T")
    };
    assert!(
        told("R@0:3,470").starts_with("arenad: enrol: --click R@0:3,470: no animal is found there; the model finds")
    );
    let [x, y] = animals[0].1;
    assert_eq!(told(&format!("R@7:{x},{y}")), "arenad: enrol: --click R is on frame 7; T/still.png has frames 0 to 0");
}

#[test]
fn a_coats_file_with_wild_content_is_refused_with_words() {
    let desk = Desk::new();
    crops(&desk, &[("ruby", RED), ("white", WHITE)]);
    desk.enrol(&words("--crops", &desk.path("crops"))).well();
    let good = fs::read_to_string(desk.path("coats.toml")).expect("text");
    let error = |from: &str, to: &str| {
        assert!(good.contains(from), "no {from} in {good}");
        Coats::parse(Path::new("c.toml"), &good.replacen(from, to, 1)).expect_err("refused").to_string()
    };
    assert_eq!(error("coats = 1", "coats = 2"), "model c.toml: coats: got 2; allowed: 1; enrol the coats again");
    assert_eq!(
        error("name = \"white\"", "name = \"ruby\""),
        "model c.toml: coat.name: \"ruby\" stands twice; allowed: each name once"
    );
    assert_eq!(
        error("name = \"white\"", "name = \"a/b\""),
        "model c.toml: coat.name: got the name \"a/b\"; allowed: 1 to 32 letters, digits, - and _"
    );
    assert!(error("colour = \"#", "colour = \"").starts_with("model c.toml: coat.colour: got the colour "));
    assert!(error("tint = [", "tint = [nan, ").contains("model c.toml: "));
    assert!(error("spread = [[", "spread = [[-").starts_with("model c.toml: coat.spread: got "));
    assert!(error("spread", "sprawl").contains("unknown field `sprawl`"));
}
