//! Every input of every corpus, without a fuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::panic;

use fuzz::{TARGETS, Target};

/// The inputs of a target with their names.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = target.corpus();
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files
        .map(|file| {
            let path = file.expect("the folder can be read").path();
            let name = path
                .file_name()
                .expect("it is a file")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("the file can be read"))
        })
        .collect()
}

#[test]
fn every_input_is_survived() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let inputs = corpus(target);
        assert!(!inputs.is_empty(), "{} has no inputs", target.name);
        for (name, bytes) in inputs {
            if panic::catch_unwind(|| (target.run)(&bytes)).is_err() {
                failed.push(format!("corpus/{}/{name}", target.name));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn every_corpus_has_what_the_target_begins_with() {
    for target in TARGETS {
        let inputs: BTreeSet<_> = corpus(target).into_iter().map(|(_, bytes)| bytes).collect();
        for seed in (target.seeds)() {
            (target.run)(&seed);
            assert!(
                inputs.contains(&seed),
                "{}: type `cargo run -p fuzz --example seeds`",
                target.name
            );
        }
    }
}

/// The folders, the programs and the list are the same.
#[test]
fn every_target_has_a_program_and_a_corpus() {
    let names: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    let package = TARGETS[0].corpus();
    let package = package.ancestors().nth(2).expect("it is two folders up");
    let in_folder = |folder: &str| -> BTreeSet<String> {
        let files = fs::read_dir(package.join(folder)).expect("it is there");
        let names = files.map(|file| file.expect("it can be read").file_name().into_string());
        let stem = |name: String| name.trim_end_matches(".rs").to_owned();
        names.map(|name| stem(name.expect("it is plain"))).collect()
    };
    assert_eq!(in_folder("corpus"), names);
    assert_eq!(in_folder("fuzz_targets"), names);
}
