//! What the model and the documents say that a machine does.

use cmm::{Dialect, Orc, PageState, extended};

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
        match name {
            "model" => Self::Model,
            "kvm" => Self::Kvm,
            "kvm-new" => Self::KvmNew,
            "zvm" => Self::Zvm,
            "tcg" | "hercules" => Self::Without,
            _ => Self::Unknown,
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
        (501, _) => "both old in 0 rounds",
        (502, _) => "0 changes lost",
        _ => return None,
    })
}
