//! The subcommand `completions`: what a shell needs to complete command lines.

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::{Arguments, CompletionsOptions};
use crate::process;

/// The program's own name; cargo's alias is no program.
const PROGRAM: &str = "xtask";

/// Completes `cargo xtask` in bash as well, and leaves the rest of cargo to cargo's own completion.
const CARGO_IN_BASH: &str = r#"
_cargo_or_xtask() {
    if [ "${COMP_WORDS[1]}" = xtask ]; then
        COMP_WORDS=("${COMP_WORDS[@]:1}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _xtask xtask "$2" "$3"
    elif declare -F _cargo >/dev/null; then
        _cargo "$@"
    fi
}
complete -F _cargo_or_xtask -o bashdefault -o default cargo
"#;

/// Prints the script.
pub(crate) fn command(options: &CompletionsOptions) -> Result<()> {
    process::say(script(options.shell).trim_end())
}

fn script(shell: Shell) -> String {
    let mut command = Arguments::command().name(PROGRAM).bin_name(PROGRAM);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, PROGRAM, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Bash {
        script += CARGO_IN_BASH;
    }
    script
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_has_a_script_that_knows_the_subcommands() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for word in ["qemu", "validate", "farm"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn bash_completes_what_is_typed_behind_cargo() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("xtask.bash");
        std::fs::write(&path, script(Shell::Bash)).unwrap();
        let typed = |words: &str, last: &str| {
            let line = format!(
                ". {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
                 _cargo_or_xtask cargo {last} xtask; echo \"${{COMPREPLY[@]}}\"",
                path.display()
            );
            let output = Command::new("bash").args(["-c", &line]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(typed("cargo xtask qe", "qe").trim(), "qemu");
        assert_eq!(
            typed("cargo xtask qemu --personal", "--personal").trim(),
            "--personality"
        );
        assert_eq!(typed("cargo xt", "xt").trim(), "", "that is for cargo");
    }
}
