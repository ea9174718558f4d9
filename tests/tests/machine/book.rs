//! The book's commands do what it says, chapter by chapter. Short ones are run always, all of them with `MATRIX=all` in the
//! environment.

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use xtask::book::commands::{self, Typed};
use xtask::{book, workspace};

use crate::check;
use crate::support::{Done, Verdict, finish, folder, trial, xtask};

/// What becomes of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Care {
    /// It is run always.
    Short,
    /// It is run with all others.
    Long,
    /// The same, and it ends with status 1, as the book says.
    Fails,
    /// A test of this name does the same.
    By(&'static str),
    /// It runs the tests, or what they run.
    Tests,
    /// It needs tools of its own, and hours of a machine.
    Tools,
}

use Care::{By, Fails, Long, Short, Tests, Tools};

/// All commands of the book.
#[rustfmt::skip]
const COMMANDS: &[(&str, Care)] = &[
    ("cargo xtask qemu", By("runs::main_job")),
    ("cargo xtask test", Tests),
    ("cargo test -p kernel", Tests),
    ("cargo xtask test -- paging::", Tests),
    ("cargo test -p explore --profile explore", Tests),
    ("STREAMS=10000 cargo test -p tests --test machine -- streams::", Tests),
    ("STREAMS=1 STREAMS_SEED=413 cargo test -p tests --test machine -- streams::", Tests),
    ("cargo xtask qemu --guests 1 --memory 20M --cpus 4 --machine-cpus 4 --evict steal --hotplug", Long),
    ("cargo xtask qemu --guests 4 --guest-memory 16M --memory 16M --paging 64M --evict lru", Long),
    ("cargo xtask qemu --guests 4 --guest-memory 16M --memory 16M --paging 64M --evict lru --hinting none", Long),
    ("cargo xtask qemu --guests 4 --guest-memory 16M --memory 16M --paging 64M --evict lru --hinting balloon", Long),
    ("cargo xtask qemu --personality kvm --memory 32M --paging 64M", Long),
    ("cargo xtask qemu --operator", By("operator::what_is_typed")),
    ("cargo xtask qemu --trace", Long),
    ("cargo xtask qemu --watch", By("watch::keys_change_what_the_host_does")),
    ("cargo xtask qemu --watch --guests 16 --guest-memory 8M --memory 64M --passes 20", By("watch::keys_change_what_the_host_does")),
    ("cargo xtask farm --watch", By("watch::a_farm")),
    ("cargo xtask farm --watch --quick", By("watch::a_farm")),
    ("cargo xtask farm --quick", Long),
    ("cargo xtask validate", Short),
    ("cargo xtask validate --bare", Short),
    ("cargo xtask image --machine hercules", Short),
    ("target/image/hercules/run.sh host", By("hercules::the_host_discards_pages_of_its_guests")),
    ("cargo xtask validate --personality kvm", By("validate::the_host_passes_for_kvm")),
    ("cargo xtask validate --bare --record me.json", Short),
    ("cargo xtask validate --profile me.json --bare", Short),
    ("cargo xtask validate --log console.txt --profile zvm", By("validate::the_log_of_a_machine_elsewhere_is_read")),
    ("cargo xtask validate --record docs/profiles/model.json", Long),
    ("cargo xtask validate --personality kvm --record docs/profiles/kvm.json", Long),
    ("cargo xtask validate --bare --record docs/profiles/tcg.json", Long),
    ("cargo xtask validate --page", Short),
    ("cargo xtask qemu --append 'disks=virtio g.disk=virtio'", Long),
    ("cargo xtask qemu --guests 2 --guest-memory 8M --memory 8M --evict random:2000", Short),
    ("cargo xtask states", Short),
    ("cargo xtask farm", Long),
    ("cargo xtask farm --overcommit 2,4 --modes none,balloon,full --seeds 1", Long),
    ("cargo xtask farm --out target/farm --resume", By("farm::shows_what_hints_save_and_goes_on_when_cut_off")),
    ("cargo xtask image --machine hercules -- --evict steal --append backend=sie", Short),
    ("cargo xtask image", Short),
    ("cargo xtask qemu --small --guests 1 --guest-memory 2M --append g.disk=diag250", By("size::of_the_image_and_of_memory")),
    ("cargo xtask soak --minutes 10", By("soak::until_the_time_is_up")),
    ("cargo xtask soak --seed 7 --count 1", Long),
    ("cargo xtask soak --seed 7 --count 20 --list", Short),
    ("cargo xtask fuzz --seconds 60", Long),
    ("cargo xtask fuzz --target dat_walk", Long),
    ("cargo xtask unsafe", Short),
    ("cargo xtask unsafe --files", Short),
    ("cargo xtask sanitize", Long),
    ("cargo xtask sanitize --package kernel", Long),
    ("cargo xtask miri", Tools),
    ("cargo xtask miri --package cmm --target s390x-unknown-linux-gnu", Tools),
    ("cargo xtask deny", Short),
    ("cargo xtask mutants --package cmm", Tools),
    ("cargo xtask mutants --package kernel --file 'kernel/src/mm/state.rs'", Tools),
    ("cargo xtask image --machine hercules --files kernel/src -- --guests 4 --evict steal", Short),
    ("cargo xtask image --machine zvm -- --bare --append 'cp=QUERY_MEMASSIST;QUERY_CPLEVEL cp-end=LOGOFF'", Short),
    ("target/image/hercules/run.sh", By("hercules::the_kernel_starts_in_esa390_mode_from_a_load_list")),
    ("CPUS=8 target/image/hercules/run.sh kernel reader", By("hercules::the_kernel_starts_from_a_card_reader_and_verifies_on_one_to_eight_cpus")),
    ("cargo xtask qemu --guests 1 --gdb", By("launch::a_debugger_knows_host_and_kernel")),
    ("gdb-multiarch -x target/run/debug.gdb", By("launch::a_debugger_knows_host_and_kernel")),
    ("cargo xtask qemu --personality kvm --guests 2 --guest-memory 12M --memory 8M --paging 64M --evict lru", Short),
    ("cargo xtask qemu --personality kvm --guests 2 --guest-memory 12M --memory 8M --paging 64M --append g.cmma=force", Fails),
];

fn care(line: &str) -> Option<Care> {
    let row = COMMANDS.iter().find(|(known, _)| *known == line)?;
    Some(row.1)
}

/// The tests; `others` are the names of all others.
pub(crate) fn tests(others: Vec<String>) -> Vec<Trial> {
    let is_run = |one: &Typed| match care(&one.line) {
        Some(Short) => true,
        Some(Long | Fails) => std::env::var("MATRIX").is_ok_and(|value| value == "all"),
        _ => false,
    };
    let mut tests = vec![trial("book::every_command_is_cared_for", move || {
        cared_for(&others)
    })];
    let mut typed = commands::typed(&book::chapters().unwrap_or_default());
    typed.retain(is_run);
    for chapter in typed.chunk_by(|one, next| one.chapter == next.chapter) {
        let chapter = chapter.to_vec();
        let name = format!("book::{}", chapter[0].chapter);
        tests.push(trial(name, move || run_all(&chapter)));
    }
    tests
}

fn cared_for(others: &[String]) -> Verdict {
    let typed = commands::typed(&book::chapters()?);
    for one in &typed {
        let line = &one.line;
        match care(line) {
            None => return Err(format!("{}: what of `{line}`?", one.chapter).into()),
            Some(By(test)) => {
                let is_there = others.iter().any(|name| name == test);
                check!(is_there, "{line}: there is no test {test}");
            }
            Some(_) => {}
        }
    }
    for (line, _) in COMMANDS {
        let is_there = typed.iter().any(|one| one.line == *line);
        check!(is_there, "`{line}` is in no chapter any more");
    }
    Ok(())
}

/// Runs a chapter's commands, one after the other.
fn run_all(chapter: &[Typed]) -> Verdict {
    let folder = checkout()?;
    for one in chapter {
        let line = &one.line;
        let done = run(line, &folder)?;
        let expected = i32::from(care(line) == Some(Fails));
        check!(done.status == Some(expected), "{line}: {done:#?}");
    }
    Ok(())
}

/// Runs a command as it stands, but for where it leaves its files.
fn run(line: &str, folder: &TempDir) -> Result<Done, Failed> {
    let mut words = commands::words(line);
    let has_place = words.iter().any(|word| word == "--out");
    if !has_place && matches!(&*words[2], "qemu" | "farm" | "image" | "validate" | "soak") {
        words.splice(3..3, ["--out", "out"].map(str::to_owned));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ["cargo", "xtask", words @ ..] = &words[..] else {
        return Err(format!("{line}: no command of this program").into());
    };
    let mut command = xtask(words);
    command.current_dir(folder.path());
    finish(command)
}

/// A folder that looks like the checkout to a command that reads or writes files there.
fn checkout() -> Result<TempDir, Failed> {
    let folder = folder();
    let root = workspace::root();
    let mut copy = Command::new("cp");
    copy.arg("-r")
        .args(["docs", "kernel", "README.md"].map(|name| root.join(name)))
        .arg(folder.path());
    let done = finish(copy)?;
    check!(done.status == Some(0), "{done:#?}");
    Ok(folder)
}
