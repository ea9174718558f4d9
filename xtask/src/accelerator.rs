//! Who executes a machine's instructions: QEMU's emulator, or the processor through KVM.

use std::fs::OpenOptions;

use anyhow::Result;
use clap::ValueEnum;

use crate::failure;

/// Who executes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Accelerator {
    /// QEMU's emulator.
    #[default]
    Tcg,
    /// The processor, on an s390x Linux system.
    Kvm,
}

/// Where Linux offers it.
const DEVICE: &str = "/dev/kvm";

/// What the build machine offers.
#[derive(Clone, Copy, Debug)]
struct Offer<'a> {
    architecture: &'a str,
    is_linux: bool,
    opens: bool,
}

impl Accelerator {
    /// What the user has asked for, or else KVM where there is one for s390x.
    ///
    /// # Errors
    /// KVM was asked for, and there is none.
    pub fn choose(asked: Option<Self>, counts_instructions: bool) -> Result<Self> {
        let opened = OpenOptions::new().read(true).write(true).open(DEVICE);
        let offer = Offer {
            architecture: std::env::consts::ARCH,
            is_linux: cfg!(target_os = "linux"),
            opens: opened.is_ok(),
        };
        decide(asked, counts_instructions, offer)
    }
}

fn decide(
    asked: Option<Accelerator>,
    counts_instructions: bool,
    offer: Offer<'_>,
) -> Result<Accelerator> {
    let is_there = offer.architecture == "s390x" && offer.is_linux && offer.opens;
    match asked {
        Some(Accelerator::Kvm) if !is_there => Err(failure::unusable(format!(
            "--accel kvm: it takes an s390x Linux system with a {DEVICE} that you may open; this is {}",
            offer.architecture
        ))),
        Some(asked) => Ok(asked),
        // Only the emulator counts.
        None if is_there && !counts_instructions => Ok(Accelerator::Kvm),
        None => Ok(Accelerator::Tcg),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const Z: Offer<'static> = Offer {
        architecture: "s390x",
        is_linux: true,
        opens: true,
    };

    #[test]
    fn kvm_is_chosen_where_it_can_run_the_images() {
        let chosen = |asked, counts, offer| decide(asked, counts, offer).unwrap();
        assert_eq!(chosen(None, false, Z), Accelerator::Kvm);
        assert_eq!(chosen(None, true, Z), Accelerator::Tcg);
        assert_eq!(chosen(Some(Accelerator::Tcg), false, Z), Accelerator::Tcg);
        let others = [
            Offer { opens: false, ..Z },
            Offer {
                is_linux: false,
                ..Z
            },
            Offer {
                architecture: "x86_64",
                ..Z
            },
        ];
        for offer in others {
            assert_eq!(chosen(None, false, offer), Accelerator::Tcg);
            let error = decide(Some(Accelerator::Kvm), false, offer).unwrap_err();
            assert_eq!(failure::status_of(&error), failure::UNUSABLE);
            assert!(error.to_string().contains("/dev/kvm"));
        }
    }
}
