//! What known machines do: recorded once, one file a machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{Observation, SUITE};
use crate::{failure, workspace};

/// A machine's answers by check and case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Whose they are.
    pub machine: String,
    /// Version of the suite.
    pub suite: u32,
    /// What was observed. What was not observed, or skipped, is not there.
    checks: BTreeMap<u16, BTreeMap<String, String>>,
}

/// Where the tree has its profiles.
pub(super) fn folder() -> PathBuf {
    workspace::root().join("docs/profiles")
}

impl Profile {
    /// The profile with this name in the tree, or in this file.
    ///
    /// # Errors
    /// There is none, or it is no profile, or one of another version of the suite.
    pub fn find(name: &str) -> Result<Self> {
        let path = if name.contains(['/', '.']) {
            PathBuf::from(name)
        } else {
            folder().join(format!("{name}.json"))
        };
        let Ok(text) = fs::read_to_string(&path) else {
            let known: Vec<String> = names()?;
            return Err(failure::unusable(format!(
                "there is no profile {name}; known are {} and files by their path",
                known.join(", ")
            )));
        };
        Self::parse(&text).map_err(|reason| {
            failure::unusable(format!("{} is no profile to use: {reason}", path.display()))
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let profile: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if profile.suite == SUITE {
            Ok(profile)
        } else {
            Err(format!(
                "it is of version {} of the suite, and this is version {SUITE}: record it again",
                profile.suite
            ))
        }
    }

    /// What a machine has shown.
    #[must_use]
    pub fn of(machine: &str, observations: &[Observation]) -> Self {
        let mut checks: BTreeMap<u16, BTreeMap<String, String>> = BTreeMap::new();
        let known = |seen: &&Observation| {
            !seen.text.starts_with("not observed") && !seen.text.starts_with("skipped")
        };
        for seen in observations.iter().filter(known) {
            let cases = checks.entry(seen.check).or_default();
            cases.insert(seen.case.clone(), seen.text.clone());
        }
        Self {
            machine: machine.to_owned(),
            suite: SUITE,
            checks,
        }
    }

    /// Writes the profile to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text)
            .with_context(|| format!("cannot write {}", file.display()))
            .map_err(failure::as_unusable)
    }

    /// What it says of a case.
    #[must_use]
    pub fn get(&self, check: u16, case: &str) -> Option<&str> {
        self.checks.get(&check)?.get(case).map(String::as_str)
    }

    /// All that it says.
    pub fn cases(&self) -> impl Iterator<Item = (u16, &str, &str)> {
        self.checks.iter().flat_map(|(check, cases)| {
            let of_check = |(case, text)| (*check, String::as_str(case), String::as_str(text));
            cases.iter().map(of_check)
        })
    }
}

/// Names of the profiles in the tree, in order.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder()).context("the folder of profiles")? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            names.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            );
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(check: u16, case: &str, text: &str) -> Observation {
        Observation {
            check,
            case: case.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_profile_is_what_was_observed() {
        let profile = Profile::of(
            "here",
            &[
                seen(101, "Sr", "Sr>Sr"),
                seen(101, "Sp", "not observed"),
                seen(501, "2 CPUs", "skipped: one CPU"),
            ],
        );
        assert_eq!(profile.cases().collect::<Vec<_>>(), [(101, "Sr", "Sr>Sr")]);
        let text = serde_json::to_string(&profile).unwrap();
        assert_eq!(Profile::parse(&text).unwrap(), profile);
    }

    #[test]
    fn another_version_is_refused_in_one_line() {
        let text = r#"{"machine":"here","suite":99,"checks":{}}"#;
        let reason = Profile::parse(text).unwrap_err();
        assert!(reason.contains("version 99"), "{reason}");
        assert!(Profile::parse("{}").is_err());
        let error = Profile::find("vax").unwrap_err();
        assert_eq!(failure::status_of(&error), failure::UNUSABLE);
    }

    #[test]
    fn every_profile_in_the_tree_can_be_used() {
        for name in names().unwrap() {
            let profile = Profile::find(&name).unwrap();
            assert_eq!(profile.machine, name);
            assert!(profile.cases().count() > 0, "{name}");
        }
    }
}
