//! Names and result-register encoding of the states.

use cmm::{Content, DecodeError, EssaResult, PageState, Usage, extended};

/// Name, usage, content, result register: each written out.
const STATES: [(PageState, &str, Usage, Content, u64); 11] = [
    (PageState::SR, "Sr", Usage::Stable, Content::Resident, 0x00),
    (PageState::SP, "Sp", Usage::Stable, Content::Preserved, 0x02),
    (PageState::SZ, "Sz", Usage::Stable, Content::Zero, 0x03),
    (PageState::UR, "Ur", Usage::Unused, Content::Resident, 0x04),
    (PageState::UZ, "Uz", Usage::Unused, Content::Zero, 0x07),
    (
        PageState::VR,
        "Vr",
        Usage::Volatile,
        Content::Resident,
        0x0c,
    ),
    (PageState::VZ, "Vz", Usage::Volatile, Content::Zero, 0x0f),
    (
        PageState::PR,
        "Pr",
        Usage::PotentiallyVolatile,
        Content::Resident,
        0x08,
    ),
    (
        extended::VP,
        "Vp",
        Usage::Volatile,
        Content::Preserved,
        0x0e,
    ),
    (
        extended::PP,
        "Pp",
        Usage::PotentiallyVolatile,
        Content::Preserved,
        0x0a,
    ),
    (extended::UP, "Up", Usage::Unused, Content::Preserved, 0x06),
];

#[test]
fn states_have_their_halves_names_and_words() {
    for (index, (state, name, usage, content, word)) in STATES.into_iter().enumerate() {
        let in_model = index < 8;
        assert_eq!((state.usage(), state.content()), (usage, content), "{name}");
        assert_eq!(
            (state.to_string(), format!("{state:?}")),
            (name.into(), name.into())
        );
        assert_eq!(u64::from(EssaResult::new(state)), word, "{name}");
        assert_eq!(EssaResult::from(word).state(), Ok(state), "{name}");
        assert_eq!(extended::parse(name), Ok(state));
        assert_eq!(extended::state(usage, content), Some(state));
        assert_eq!(extended::is_extended(state), !in_model, "{name}");
        assert_eq!(
            PageState::new(usage, content),
            in_model.then_some(state),
            "{name}"
        );
        assert_eq!(
            name.parse::<PageState>().ok(),
            in_model.then_some(state),
            "{name}"
        );
        assert_eq!(extended::ALL[index], state);
    }
    assert_eq!(
        PageState::ALL,
        STATES[..8].iter().map(|s| s.0).collect::<Vec<_>>()[..]
    );
}

#[test]
fn potentially_volatile_zero_does_not_exist() {
    assert_eq!(
        PageState::new(Usage::PotentiallyVolatile, Content::Zero),
        None
    );
    assert_eq!(
        extended::state(Usage::PotentiallyVolatile, Content::Zero),
        None
    );
    assert!(extended::parse("Pz").is_err() && "Pz".parse::<PageState>().is_err());
    assert_eq!(
        EssaResult::from(0x0b).state(),
        Err(DecodeError::PotentiallyVolatileZero)
    );
}

#[test]
fn other_text_is_no_state() {
    for text in ["", "S", "Srr", "rS", "sr", "Sr ", "Xr", "Sx", "Śr"] {
        assert!(
            extended::parse(text).is_err() && text.parse::<PageState>().is_err(),
            "{text:?}"
        );
    }
}

#[test]
fn reserved_content_is_an_error_with_every_usage() {
    for word in [0x01, 0x05, 0x09, 0x0d] {
        let result = EssaResult::from(word);
        assert_eq!(
            (result.state(), result.content()),
            (Err(DecodeError::ReservedContent), None)
        );
        assert!(!result.is_discarded());
    }
}

#[test]
fn exception_bit_makes_the_result_mean_nothing() {
    let result = EssaResult::from(0x1f);
    assert!(result.exception());
    assert_eq!(result.state(), Err(DecodeError::Exception));
    assert!(!result.is_discarded());
}

#[test]
fn nodat_is_bit_58_and_no_part_of_the_state() {
    let result = EssaResult::new(PageState::VZ).with_nodat(true);
    assert_eq!(u64::from(result), 0x2f);
    assert_eq!(result.state(), Ok(PageState::VZ));
    assert!(result.nodat() && !result.exception() && result.is_discarded());
    assert_eq!(u64::from(result.with_nodat(false)), 0x0f);
    assert_eq!(
        u64::from(EssaResult::new(PageState::SR).with_exception(true)),
        0x10
    );
}

#[test]
fn only_volatile_zero_is_discarded() {
    for word in 0..=0x3f {
        assert_eq!(
            EssaResult::from(word).is_discarded(),
            matches!(word, 0x0f | 0x2f),
            "{word:#x}"
        );
    }
}

/// Whether a machine clears bits 0-57 or keeps what was in R1 must not matter to the reader.
#[test]
fn raw_values_round_trip_and_high_bits_do_not_matter() {
    for low in 0..=0x3f {
        let raw = 0xdead_beef_1234_5640 | low;
        assert_eq!(u64::from(EssaResult::from(raw)), raw);
        assert_eq!(EssaResult::from(raw).state(), EssaResult::from(low).state());
    }
}

#[test]
fn halves_encode_as_architected() {
    for bits in 0..4 {
        assert_eq!(Usage::from_encoding(bits).encoding(), bits);
        assert_eq!(
            Content::from_encoding(bits).map(Content::encoding),
            (bits != 1).then_some(bits)
        );
    }
    assert_eq!(Usage::ALL.map(Usage::encoding), [0, 1, 2, 3]);
    assert_eq!(Content::ALL.map(Content::encoding), [0, 2, 3]);
    assert_eq!(Usage::ALL.map(|usage| usage.to_string()).concat(), "SUPV");
    assert_eq!(
        Content::ALL.map(|content| content.to_string()).concat(),
        "rpz"
    );
}
