//! Every state × operation request code × change bit × dialect against tables written by hand.
//!
//! The tables follow the 2008 guest page hinting series and CP Programming Services (model),
//! `pgste_perform_essa` (kvm) and `dat_perform_essa` (kvm-new). A cell is the state after; `a/b` is
//! after an unchanged / a changed page; `-` means that the paging slot is dropped, `+` that the page
//! is brought in.

use cmm::{Dialect, Effect, EssaResult, InvalidOrc, Orc, PageState, essa, extended};

//  state   0    1    2    3    4       5    6    7
const MODEL: &str = "
    Sr      Sr   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Sp      Sp   Sp   Uz-  Vz-  Vz-/Sp  Sr+  Sp   Sp
    Sz      Sz   Sz   Uz   Vz   Vz      Sz   Sz   Sz
    Ur      Ur   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Uz      Uz   Sz   Uz   Vz   Vz      Sz   Sz   Sz
    Vr      Vr   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Vz      Vz   Sz   Uz   Vz   Vz      Sz   Vz   Sz
    Pr      Pr   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Vp      Vp   Sp   Uz-  Vz-  Vz-/Sp  Sr+  Sp   Sp
    Pp      Pp   Sp   Uz-  Vz-  Vz-/Sp  Sr+  Sp   Sp
    Up      Up   Sp   Uz-  Vz-  Vz-/Sp  Sr+  Sp   Sp
";

const KVM: &str = "
    Sr      Sr   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Sp      Sp   Sp   Uz-  Vz-  Vz-/Sp  Sp   Sp   Sp
    Sz      Sz   Sz   Uz   Vz   Vz      Sz   Sz   Sz
    Ur      Ur   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Uz      Uz   Sz   Uz   Vz   Vz      Sz   Uz   Sz
    Vr      Vr   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Vz      Vz   Sz   Uz   Vz   Vz      Sz   Vz   Sz
    Pr      Pr   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Vp      Vp   Sp   Uz-  Vz-  Vz-/Sp  Sp   Vp   Sp
    Pp      Pp   Sp   Uz-  Vz-  Vz-/Sp  Sp   Pp   Sp
    Up      Up   Sp   Uz-  Vz-  Vz-/Sp  Sp   Up   Sp
";

const KVM_NEW: &str = "
    Sr      Sr   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Sp      Sp   Sp   Uz-  Vz-  Vz-/Sp  Sp   Sp   Sp
    Sz      Sp   Sp   Uz   Vz   Vp      Sp   Sp   Sp
    Ur      Ur   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Uz      Up   Sp   Uz   Vz   Vp      Sp   Up   Sp
    Vr      Vr   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Vz      Vp   Sp   Uz   Vz   Vp      Sp   Vp   Sp
    Pr      Pr   Sr   Ur   Vr   Pr      Sr   Sr   Sr
    Vp      Vp   Sp   Uz-  Vz-  Vz-/Vp  Sp   Vp   Sp
    Pp      Pp   Sp   Uz-  Vz-  Vz-/Pp  Sp   Pp   Sp
    Up      Up   Sp   Uz-  Vz-  Vz-/Up  Sp   Up   Sp
";

/// Reads one alternative of a cell, such as `Vz-`.
fn outcome(text: &str) -> (PageState, Effect) {
    let (name, effect) = match text.as_bytes()[text.len() - 1] {
        b'-' => (&text[..text.len() - 1], Effect::DropSlot),
        b'+' => (&text[..text.len() - 1], Effect::PageIn),
        _ => (text, Effect::Nothing),
    };
    (extended::parse(name).unwrap(), effect)
}

/// Compares a dialect with its table; returns how many cases it has compared.
fn walk(dialect: Dialect, table: &str) -> usize {
    let mut cases = 0;
    for row in table.lines().filter(|row| !row.trim().is_empty()) {
        let mut cells = row.split_whitespace();
        let old = extended::parse(cells.next().unwrap()).unwrap();
        for orc in Orc::ALL {
            let cell = cells.next().unwrap();
            let (unchanged, changed) = cell.split_once('/').unwrap_or((cell, cell));
            for (change_bit, expected) in [(false, unchanged), (true, changed)] {
                let is = essa(old, change_bit, orc, dialect);
                let case = format!("{dialect}: {orc} on {old}, change bit {change_bit}");
                assert_eq!((is.new, is.effect), outcome(expected), "{case}");
                assert_eq!(is.old, old, "{case}");
                assert_eq!(
                    is.result(),
                    EssaResult::new(old),
                    "extract, then set: {case}"
                );
                cases += 1;
            }
        }
        assert_eq!(cells.next(), None, "a row has a cell for each code");
    }
    cases
}

#[test]
fn model_follows_its_table() {
    assert_eq!(walk(Dialect::Model, MODEL), 11 * 8 * 2);
}

#[test]
fn kvm_follows_its_table() {
    assert_eq!(walk(Dialect::Kvm, KVM), 11 * 8 * 2);
}

#[test]
fn newer_kvm_follows_its_table() {
    assert_eq!(walk(Dialect::KvmNew, KVM_NEW), 11 * 8 * 2);
}

/// A table in which a state stood twice would leave another one unchecked.
#[test]
fn tables_have_every_state_once() {
    for table in [MODEL, KVM, KVM_NEW] {
        let rows: Vec<&str> = table
            .lines()
            .filter_map(|row| row.split_whitespace().next())
            .collect();
        let names = [
            "Sr", "Sp", "Sz", "Ur", "Uz", "Vr", "Vz", "Pr", "Vp", "Pp", "Up",
        ];
        assert_eq!(rows, names);
    }
}

/// The guest changes its half only, but for preserved content that it gives up (the slot goes) or
/// asks for (ORC 5).
#[test]
fn guest_changes_content_only_of_preserved_pages() {
    let mut crossing = Vec::new();
    for old in PageState::ALL {
        for orc in Orc::ALL {
            for changed in [false, true] {
                let is = essa(old, changed, orc, Dialect::Model);
                assert_eq!(
                    is.effect == Effect::Nothing,
                    old.content() == is.new.content()
                );
                if old.content() != is.new.content() {
                    crossing.push((old, is.new));
                }
            }
        }
    }
    crossing.sort();
    crossing.dedup();
    let (sp, sr, uz, vz) = (PageState::SP, PageState::SR, PageState::UZ, PageState::VZ);
    assert_eq!(crossing, [(sp, sr), (sp, uz), (sp, vz)]);
}

#[test]
fn get_state_changes_nothing_but_on_newer_kvm() {
    for state in extended::ALL {
        for dialect in [Dialect::Model, Dialect::Kvm] {
            assert_eq!(essa(state, true, Orc::GetState, dialect).new, state);
        }
    }
    assert_eq!(
        essa(PageState::UZ, false, Orc::GetState, Dialect::KvmNew).new,
        extended::UP
    );
}

#[test]
fn codes_above_seven_are_no_operation_request_codes() {
    for code in 0..=u8::MAX {
        match Orc::try_from(code) {
            Ok(orc) => assert!(code < 8 && orc.code() == code && u8::from(orc) == code),
            Err(error) => assert!(code >= 8 && error == InvalidOrc(code)),
        }
    }
}

#[test]
fn codes_have_their_architected_values_and_names() {
    let expected = [
        (Orc::GetState, 0, "get state"),
        (Orc::SetStable, 1, "set stable"),
        (Orc::SetUnused, 2, "set unused"),
        (Orc::SetVolatile, 3, "set volatile"),
        (Orc::SetPotentiallyVolatile, 4, "set potentially volatile"),
        (Orc::SetStableMakeResident, 5, "set stable make resident"),
        (
            Orc::SetStableIfNotDiscarded,
            6,
            "set stable if not discarded",
        ),
        (Orc::SetStableNodat, 7, "set stable nodat"),
    ];
    for (orc, code, name) in expected {
        assert_eq!((orc.code(), orc.name()), (code, name));
    }
}

#[test]
fn nodat_is_reset_by_orc_1_and_set_by_orc_7() {
    let nodat = Orc::ALL.map(Orc::nodat);
    assert_eq!(
        nodat,
        [None, Some(false), None, None, None, None, None, Some(true)]
    );
}

#[test]
fn dialects_parse_by_name() {
    assert_eq!("model".parse(), Ok(Dialect::Model));
    assert_eq!("kvm".parse(), Ok(Dialect::Kvm));
    assert_eq!("kvm-new".parse(), Ok(Dialect::KvmNew));
    assert!("KVM".parse::<Dialect>().is_err());
}
