//! What the model and the documents say that a machine does.

use clap::ValueEnum as _;
use cmm::{Dialect, Orc, PageState, Usage, extended};

use crate::cli::Personality;

use super::catalogue::{self, EFFECTS, Kind, STATES, TABLE};

/// Whose documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The model of this project: `docs/architecture.md`.
    Model,
    /// Linux KVM with `pgste_perform_essa`.
    Kvm,
    /// Linux KVM with `dat_perform_essa`.
    KvmNew,
    /// z/VM.
    Zvm,
    /// A machine without ESSA, such as QEMU's TCG.
    Without,
    /// No documents are known of it.
    Unknown,
}

impl Machine {
    /// The machine by the name of its profile.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match Personality::from_str(name, false) {
            Ok(Personality::Model) => Self::Model,
            Ok(Personality::Kvm) => Self::Kvm,
            Ok(Personality::KvmNew) => Self::KvmNew,
            Ok(Personality::Zvm) => Self::Zvm,
            Err(_) if matches!(name, "tcg" | "hercules") => Self::Without,
            Err(_) => Self::Unknown,
        }
    }

    /// Whose ESSA it has, if it has it.
    const fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Model | Self::Zvm => Some(Dialect::Model),
            Self::Kvm => Some(Dialect::Kvm),
            Self::KvmNew => Some(Dialect::KvmNew),
            Self::Without | Self::Unknown => None,
        }
    }

    /// Whether an access to a page without content is an exception; on KVM it finds zeroes.
    const fn faults(self) -> bool {
        matches!(self, Self::Model | Self::Zvm)
    }
}

/// What is expected in a case of a check, `*` for what is not said; nothing if the documents are silent.
#[must_use]
pub(super) fn of(machine: Machine, check: u16, case: &str) -> Option<String> {
    if machine == Machine::Without {
        return without(check);
    }
    let dialect = machine.dialect()?;
    if let Some(code) = catalogue::orc(check, STATES) {
        return Some(transition(code, asked(state(case)?, dialect), dialect));
    }
    if catalogue::orc(check, EFFECTS).is_some() {
        return Some("kept, key 38".to_owned());
    }
    if let Some((_, length, kind)) = catalogue::way(check) {
        let state = state(case.split(' ').next()?)?;
        return touch(machine, dialect, state, *length, *kind);
    }
    match check {
        TABLE => table(machine, state(case)?),
        326..=333 => device(machine, check, state(case)?),
        601 | 602 => reset(machine, dialect, |_, usage| usage),
        // KVM is told to forget what all pages were called.
        906 | 907 => reset(machine, dialect, |machine, usage| match machine.faults() {
            true => usage,
            false => Usage::Stable,
        }),
        _ => other(machine, check, case).map(str::to_owned),
    }
}

/// What a page in a state is after the suite has looked whether it is: the newer KVM forgets by that that the content is
/// zero.
fn asked(state: PageState, dialect: Dialect) -> PageState {
    cmm::essa(state, false, Orc::GetState, dialect).new
}

fn state(name: &str) -> Option<PageState> {
    extended::parse(name).ok()
}

/// A machine without the instruction: an operation exception before everything else.
fn without(check: u16) -> Option<String> {
    match check {
        STATES..=115 => Some("0001 behind ilc4 >none".to_owned()),
        201..=212 => Some("0001 behind ilc4".to_owned()),
        _ => None,
    }
}

fn transition(code: u8, state: PageState, dialect: Dialect) -> String {
    match Orc::try_from(code) {
        // ORC 7 needs facility 147, which none of these offers.
        Ok(orc) if orc != Orc::SetStableNodat => {
            // The page was left alone before it was paged out: unchanged.
            let done = cmm::essa(state, false, orc, dialect);
            format!("{}>{}", done.old, done.new)
        }
        _ => format!("0006 behind ilc4 >{state}"),
    }
}

fn touch(
    machine: Machine,
    dialect: Dialect,
    state: PageState,
    length: u8,
    kind: Kind,
) -> Option<String> {
    let is_lost = matches!(state, PageState::UZ | PageState::VZ);
    if kind == Kind::NoContent {
        // LRA and TPROT have condition codes of their own.
        return Some(format!("done cc* >{}", asked(state, dialect)));
    }
    if kind == Kind::Release {
        return Some(format!("done cc* >{}z", state.usage().letter()));
    }
    if is_lost && machine.faults() {
        let target = if kind == Kind::Execution { "page" } else { "" };
        return Some(match (state, target) {
            (PageState::UZ, "") => format!("0005 behind ilc{length} >Uz"),
            (PageState::UZ, _) => "0005 * >Uz".to_owned(),
            (_, "") => format!("001a before ilc{length} a8=page+* >Vz"),
            (..) => "001a at page * a8=page+* >Vz".to_owned(),
        });
    }
    let usage = state.usage().letter();
    Some(match kind {
        Kind::Access(paged_out, zero) => {
            let cc = if state == PageState::SP {
                paged_out
            } else {
                zero
            };
            format!("done {cc} >{usage}r")
        }
        // What is there is no instruction.
        Kind::Execution | Kind::Target => format!("0001 * >{usage}r"),
        Kind::Release | Kind::NoContent => return None,
    })
}

fn table(machine: Machine, state: PageState) -> Option<String> {
    let text = match state {
        PageState::UZ if machine.faults() => "0005 behind ilc6 >Uz",
        PageState::VZ if machine.faults() => "001a before ilc6 a8=page+* >Vz",
        // The table's entries are no storage then.
        PageState::SP => "0005 behind ilc6 >Sr",
        PageState::SZ => "done cc0 >Sr",
        PageState::UZ => "done cc0 >Ur",
        PageState::VZ => "done cc0 >Vr",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Devices get at a page as CPUs do, as far as that is known: where an access is an exception it is not.
fn device(machine: Machine, check: u16, state: PageState) -> Option<String> {
    let is_lost = matches!(state, PageState::UZ | PageState::VZ);
    if is_lost && machine.faults() {
        return None;
    }
    let done = match check {
        327 | 328 => "done cc0, code 0",
        330 => "status 0c 00",
        331..=333 => "done",
        // What is there is no list, and no channel program.
        _ => return None,
    };
    Some(format!("{done} >{}r", state.usage().letter()))
}

/// States before a reset and after, which leaves content alone.
fn reset(machine: Machine, dialect: Dialect, usage: fn(Machine, Usage) -> Usage) -> Option<String> {
    let across = |state: PageState| {
        let content = asked(state, dialect).content();
        let usage = usage(machine, state.usage());
        format!("{state}>{}{}", usage.letter(), content.letter())
    };
    // Pages that are paged out are none of those: it takes the host's doing.
    let states = PageState::ALL.into_iter();
    let states = states.filter(|state| *state != PageState::SP);
    (machine != Machine::Zvm).then(|| states.map(across).collect::<Vec<_>>().join(" "))
}

fn other(machine: Machine, check: u16, case: &str) -> Option<&'static str> {
    let kvm = matches!(machine, Machine::Kvm | Machine::KvmNew);
    Some(match (check, case) {
        (201 | 202, _) => "0002 behind ilc4",
        (203, _) => "0006 behind ilc4",
        (204, _) if machine == Machine::KvmNew => "done 10",
        (204, _) => "0005 behind ilc4",
        (205 | 207 | 209 | 210, _) => "done 0",
        (211, "cc0") => "done cc0",
        (211, "cc1") => "done cc1",
        (211, "cc2") => "done cc2",
        (211, "cc3") => "done cc3",
        (401, _) if machine == Machine::KvmNew => ">Up, key bits 00, then zero",
        (401, _) if kvm => ">Uz, key bits 00, then zero",
        (401, _) => ">Uz, key bits 00, then 0005",
        (402, _) if kvm => ">Vp, key bits *, then kept",
        (403, _) if kvm => ">Vp, key bits *, then kept",
        (404 | 405, _) if kvm => ">Pp, key bits *, then kept",
        (402..=404, _) => ">Vz, key bits 00, then 001a",
        (405 | 406, _) => ">Sp, key bits *, then kept",
        // The operand is absolute on KVM, and so here.
        (213, _) if machine == Machine::Zvm => return None,
        (213, "Vr 1000") => "S",
        (213, _) => "V",
        (214, "Uz 1000") if !kvm => "0005 * >Uz",
        (214, "Vz 1000") if !kvm => "001a * a8=page+* >Vz",
        (214, _) => "done cc0 >*",
        (503..=505, _) => "0 told wrongly",
        (506, _) if machine == Machine::Model => "no exception",
        (501, _) => "both old in 0 rounds",
        (502, _) => "0 changes lost",
        _ => return None,
    })
}
