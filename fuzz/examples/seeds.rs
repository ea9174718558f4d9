//! Writes what each target begins with into its corpus.

use std::fs;
use std::io;

use fuzz::TARGETS;

fn main() -> io::Result<()> {
    for target in TARGETS {
        let folder = target.corpus();
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
