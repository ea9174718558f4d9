//! Program-interruption codes (Principles of Operation, "Program Interruption"; the discard fault
//! stands in "CP Programming Services", block volatility).

/// Operation exception; suppressing.
pub const OPERATION: u16 = 0x01;
/// Privileged-operation exception; suppressing.
pub const PRIVILEGED_OPERATION: u16 = 0x02;
/// Execute exception; suppressing.
pub const EXECUTE: u16 = 0x03;
/// Protection exception; suppressing or terminating.
pub const PROTECTION: u16 = 0x04;
/// Addressing exception; suppressing or terminating.
pub const ADDRESSING: u16 = 0x05;
/// Specification exception; suppressing.
pub const SPECIFICATION: u16 = 0x06;
/// Data exception.
pub const DATA: u16 = 0x07;
/// Segment-translation exception; nullifying.
pub const SEGMENT_TRANSLATION: u16 = 0x10;
/// Page-translation exception; nullifying.
pub const PAGE_TRANSLATION: u16 = 0x11;
/// Translation-specification exception; suppressing.
pub const TRANSLATION_SPECIFICATION: u16 = 0x12;
/// Special-operation exception; suppressing.
pub const SPECIAL_OPERATION: u16 = 0x13;
/// Operand exception; suppressing.
pub const OPERAND: u16 = 0x15;
/// Block-volatility exception, the discard fault; nullifying.
pub const BLOCK_VOLATILITY: u16 = 0x1a;
/// Vector-processing exception.
pub const VECTOR_PROCESSING: u16 = 0x1b;
/// ASCE-type exception; nullifying.
pub const ASCE_TYPE: u16 = 0x38;
/// Region-first-translation exception; nullifying.
pub const REGION_FIRST_TRANSLATION: u16 = 0x39;
/// Region-second-translation exception; nullifying.
pub const REGION_SECOND_TRANSLATION: u16 = 0x3a;
/// Region-third-translation exception; nullifying.
pub const REGION_THIRD_TRANSLATION: u16 = 0x3b;
/// Monitor event; completing.
pub const MONITOR_EVENT: u16 = 0x40;
/// PER event; the bit is or-ed to other codes.
pub const PER_EVENT: u16 = 0x80;

/// Whether the instruction is nullified: the old PSW points to it and not behind it.
#[must_use]
#[inline]
pub const fn is_nullifying(code: u16) -> bool {
    matches!(
        code,
        SEGMENT_TRANSLATION
            | PAGE_TRANSLATION
            | BLOCK_VOLATILITY
            | 0x20..=0x2d
            | ASCE_TYPE..=REGION_THIRD_TRANSLATION
    )
}

/// The manual's name of a program-interruption code; "unknown" where it assigns none.
#[must_use]
pub const fn name(code: u16) -> &'static str {
    match code & !PER_EVENT {
        0x00 => "PER",
        OPERATION => "operation",
        PRIVILEGED_OPERATION => "privileged-operation",
        EXECUTE => "execute",
        PROTECTION => "protection",
        ADDRESSING => "addressing",
        SPECIFICATION => "specification",
        DATA => "data",
        0x08 => "fixed-point-overflow",
        0x09 => "fixed-point-divide",
        0x0a => "decimal-overflow",
        0x0b => "decimal-divide",
        0x0c => "HFP-exponent-overflow",
        0x0d => "HFP-exponent-underflow",
        0x0e => "HFP-significance",
        0x0f => "HFP-floating-point-divide",
        SEGMENT_TRANSLATION => "segment-translation",
        PAGE_TRANSLATION => "page-translation",
        TRANSLATION_SPECIFICATION => "translation-specification",
        SPECIAL_OPERATION => "special-operation",
        OPERAND => "operand",
        0x16 => "trace-table",
        0x18 => "transaction-constraint",
        BLOCK_VOLATILITY => "block-volatility (discard fault)",
        VECTOR_PROCESSING => "vector-processing",
        0x1c => "space-switch event",
        0x1d => "HFP-square-root",
        0x1f => "PC-translation-specification",
        0x20 => "AFX-translation",
        0x21 => "ASX-translation",
        0x22 => "LX-translation",
        0x23 => "EX-translation",
        0x24 => "primary-authority",
        0x25 => "secondary-authority",
        0x26 => "LFX-translation",
        0x27 => "LSX-translation",
        0x28 => "ALET-specification",
        0x29 => "ALEN-translation",
        0x2a => "ALE-sequence",
        0x2b => "ASTE-validity",
        0x2c => "ASTE-sequence",
        0x2d => "extended-authority",
        0x2e => "LSTE-sequence",
        0x2f => "ASTE-instance",
        0x30 => "stack-full",
        0x31 => "stack-empty",
        0x32 => "stack-specification",
        0x33 => "stack-type",
        0x34 => "stack-operation",
        ASCE_TYPE => "ASCE-type",
        REGION_FIRST_TRANSLATION => "region-first-translation",
        REGION_SECOND_TRANSLATION => "region-second-translation",
        REGION_THIRD_TRANSLATION => "region-third-translation",
        0x3d => "secure-storage-access",
        0x3e => "non-secure-storage-access",
        0x3f => "secure-storage-violation",
        MONITOR_EVENT => "monitor event",
        0x119 => "crypto-operation",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discard_fault_is_nullifying_and_operation_exception_is_not() {
        assert!(is_nullifying(BLOCK_VOLATILITY));
        assert!(is_nullifying(PAGE_TRANSLATION));
        assert!(!is_nullifying(OPERATION));
        assert!(!is_nullifying(ADDRESSING));
    }

    #[test]
    fn a_per_event_does_not_hide_the_name() {
        assert_eq!(name(0x85), "addressing");
        assert_eq!(name(0x1a), "block-volatility (discard fault)");
        assert_eq!(name(0x7f), "unknown");
    }
}
