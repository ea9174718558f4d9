//! Control register 0: masks of external interruptions and system masks.

/// Bit 33: SET SYSTEM MASK is a special-operation exception.
pub const SSM_SUPPRESSION: u64 = 1 << (63 - 33);
/// Bit 35: low-address protection.
pub const LOW_ADDRESS_PROTECTION: u64 = 1 << (63 - 35);
/// Bit 36: the problem state may ask for keys and spaces.
pub const EXTRACTION_AUTHORITY: u64 = 1 << (63 - 36);
/// Bit 37: the secondary space may be used.
pub const SECONDARY_SPACE: u64 = 1 << (63 - 37);
/// Bit 40: enhanced DAT.
pub const ENHANCED_DAT: u64 = 1 << (63 - 40);
/// Bit 45: AFP registers may be used.
pub const AFP: u64 = 1 << (63 - 45);
/// Bit 46: vector registers may be used.
pub const VECTOR: u64 = 1 << (63 - 46);
/// Bit 49: emergency signals.
pub const EMERGENCY_SIGNAL: u64 = 1 << (63 - 49);
/// Bit 50: external calls.
pub const EXTERNAL_CALL: u64 = 1 << (63 - 50);
/// Bit 52: clock comparator.
pub const CLOCK_COMPARATOR: u64 = 1 << (63 - 52);
/// Bit 53: CPU timer.
pub const CPU_TIMER: u64 = 1 << (63 - 53);
/// Bit 54: service signals, and block I/O completion (external interruption 0x2603).
pub const SERVICE_SIGNAL: u64 = 1 << (63 - 54);
