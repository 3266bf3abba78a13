//! Writes labelled stills: `stills DIR SEED COUNT`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, seed, count, ..] = args.as_slice() else {
        eprintln!("usage: stills DIR SEED COUNT");
        return ExitCode::from(2);
    };
    let (Ok(seed), Ok(count)) = (seed.parse(), count.parse()) else {
        eprintln!("SEED and COUNT must be whole numbers");
        return ExitCode::from(2);
    };
    let begun = std::time::Instant::now();
    match arenad::rehearsal::write_stills(Path::new(dir), seed, count, &mut |_| {}) {
        Ok(()) => {
            println!("{count} stills in {:.1} s", begun.elapsed().as_secs_f32());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
