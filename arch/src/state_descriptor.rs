//! The state descriptor of interpretive execution ("Interpretive Execution", SA22-7095, in the format for
//! z/Architecture guests): what the machine takes a guest's CPU from, and where it leaves it.

use crate::psw::Psw;

/// What the machine stops interpreting for, beside what it always does.
pub mod intercept {
    /// Operation exceptions.
    pub const OPERATION: u32 = 1 << 31;
    /// STORE FACILITY LIST and its extended form.
    pub const FACILITIES: u32 = 1 << 28;
    /// BRANCH AND SET AUTHORITY.
    pub const BSA: u32 = 1 << 19;
    /// INSERT STORAGE KEY EXTENDED.
    pub const ISKE: u32 = 1 << 14;
    /// SET STORAGE KEY EXTENDED.
    pub const SSKE: u32 = 1 << 13;
    /// RESET REFERENCE BIT EXTENDED.
    pub const RRBE: u32 = 1 << 12;
    /// PROGRAM CALL.
    pub const PC: u32 = 1 << 11;
    /// PROGRAM TRANSFER.
    pub const PT: u32 = 1 << 10;
    /// LOAD ADDRESS SPACE PARAMETERS.
    pub const LASP: u32 = 1 << 8;
    /// SET CPU TIMER and whatever reads it.
    pub const CPU_TIMER: u32 = 1 << 6;
    /// SET CLOCK COMPARATOR and STORE CLOCK COMPARATOR.
    pub const CLOCK_COMPARATOR: u32 = 1 << 5;
    /// PROGRAM RETURN.
    pub const PR: u32 = 1 << 3;
    /// BRANCH AND STACK.
    pub const BAKR: u32 = 1 << 2;
}

/// Which control registers the guest cannot load without being intercepted: a bit each, the leftmost for register 0.
#[must_use]
pub const fn loading(register: u32) -> u16 {
    0x8000 >> register
}

/// What is to be done in between: the machine stops as soon as the guest's PSW lets it.
pub mod request {
    /// An external interruption.
    pub const EXTERNAL: u8 = 0x01;
    /// An I/O interruption.
    pub const IO: u8 = 0x02;
}

/// Why the machine has stopped interpreting; 0 if the host was interrupted.
pub mod code {
    /// An instruction is left to the host.
    pub const INSTRUCTION: u8 = 0x04;
    /// A program interruption is left to it.
    pub const PROGRAM: u8 = 0x08;
    /// The guest has become enabled for an external interruption that was requested.
    pub const EXTERNAL_REQUEST: u8 = 0x10;
    /// It has become enabled for an I/O interruption that was requested.
    pub const IO_REQUEST: u8 = 0x18;
    /// It waits.
    pub const WAIT: u8 = 0x1c;
    /// An operation exception is left to the host.
    pub const OPERATION: u8 = 0x2c;
    /// An I/O instruction is left to it.
    pub const IO_INSTRUCTION: u8 = 0x40;
}

/// In the status: the intercepted instruction is the target of an EXECUTE.
pub const EXECUTED: u8 = 0x01;

/// In the modes: a z/Architecture guest.
pub const Z_ARCHITECTURE: u8 = 0x08;

/// In the mode control: guest absolute storage is the host's, untranslated.
pub const HOST_STORAGE: u8 = 0x08;

/// In the key controls: key instructions work on the keys of the frames that back the guest, and nothing else.
pub const FRAME_KEYS: u32 = 0x1000;

/// The state descriptor.
#[derive(Clone, Debug)]
#[repr(C, align(512))]
pub struct StateDescriptor {
    /// 0x000: what is to be done in between, of [`request`].
    pub requests: u8,
    /// 0x001.
    pub reserved_001: u8,
    /// 0x002: modes.
    pub mode: u8,
    /// 0x003: whose storage the guest has.
    pub mode_control: u8,
    /// 0x004: prefix.
    pub prefix: u32,
    /// 0x008.
    pub reserved_008: [u64; 4],
    /// 0x028: CPU timer.
    pub cpu_timer: i64,
    /// 0x030: clock comparator.
    pub clock_comparator: u64,
    /// 0x038: by how much its time of day is later than the host's.
    pub epoch: u64,
    /// 0x040: which supervisor calls are intercepted.
    pub supervisor_calls: u32,
    /// 0x044: loads of which control registers are intercepted; see [`loading`].
    pub loads: u16,
    /// 0x046.
    pub reserved_046: u16,
    /// 0x048: what else is intercepted, of [`intercept`].
    pub intercepts: u32,
    /// 0x04c: what is not intercepted that else would be.
    pub assists: u32,
    /// 0x050: why the machine has stopped, of [`code`].
    pub code: u8,
    /// 0x051: more about that.
    pub status: u8,
    /// 0x052: which CPU has interpreted it last.
    pub last_cpu: u16,
    /// 0x054.
    pub reserved_054: u16,
    /// 0x056: the intercepted instruction; of one that is executed, the target as it was executed.
    pub instruction: [u8; 6],
    /// 0x05c.
    pub reserved_05c: u32,
    /// 0x060: what becomes of storage keys.
    pub keys: u32,
    /// 0x064.
    pub reserved_064: [u32; 7],
    /// 0x080: the address in the host's primary space where guest storage begins; whole MiB.
    pub origin: u64,
    /// 0x088: the last address of it; the MiB that this is in counts whole.
    pub limit: u64,
    /// 0x090: PSW.
    pub psw: Psw,
    /// 0x0a0: general register 14; those before it are in the CPU's own.
    pub gpr14: u64,
    /// 0x0a8: general register 15.
    pub gpr15: u64,
    /// 0x0b0.
    pub reserved_0b0: [u32; 7],
    /// 0x0cc: instruction-length code of an intercepted program interruption, in bytes.
    pub program_ilc: u16,
    /// 0x0ce: its code.
    pub program_code: u16,
    /// 0x0d0.
    pub reserved_0d0: [u64; 3],
    /// 0x0e8: its translation-exception identification.
    pub translation_exception: u64,
    /// 0x0f0.
    pub reserved_0f0: [u64; 2],
    /// 0x100: control registers.
    pub control: [u64; 16],
    /// 0x180.
    pub reserved_180: [u64; 16],
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<StateDescriptor>() == 0x200);
    assert!(offset_of!(StateDescriptor, mode) == 0x02);
    assert!(offset_of!(StateDescriptor, prefix) == 0x04);
    assert!(offset_of!(StateDescriptor, cpu_timer) == 0x28);
    assert!(offset_of!(StateDescriptor, supervisor_calls) == 0x40);
    assert!(offset_of!(StateDescriptor, loads) == 0x44);
    assert!(offset_of!(StateDescriptor, intercepts) == 0x48);
    assert!(offset_of!(StateDescriptor, code) == 0x50);
    assert!(offset_of!(StateDescriptor, instruction) == 0x56);
    assert!(offset_of!(StateDescriptor, keys) == 0x60);
    assert!(offset_of!(StateDescriptor, origin) == 0x80);
    assert!(offset_of!(StateDescriptor, psw) == 0x90);
    assert!(offset_of!(StateDescriptor, gpr14) == 0xa0);
    assert!(offset_of!(StateDescriptor, program_ilc) == 0xcc);
    assert!(offset_of!(StateDescriptor, translation_exception) == 0xe8);
    assert!(offset_of!(StateDescriptor, control) == 0x100);
};

impl StateDescriptor {
    /// Of a guest of so many bytes, whole MiB, which begins at address 0 of the host's primary space. No timer
    /// interrupts it: those are the host's to watch.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self {
            requests: 0,
            reserved_001: 0,
            mode: Z_ARCHITECTURE,
            mode_control: 0,
            prefix: 0,
            reserved_008: [0; 4],
            cpu_timer: i64::MAX,
            clock_comparator: u64::MAX,
            epoch: 0,
            supervisor_calls: 0,
            loads: 0,
            reserved_046: 0,
            intercepts: 0,
            assists: 0,
            code: 0,
            status: 0,
            last_cpu: u16::MAX,
            reserved_054: 0,
            instruction: [0; 6],
            reserved_05c: 0,
            keys: 0,
            reserved_064: [0; 7],
            origin: 0,
            limit: bytes - 1,
            psw: Psw {
                mask: 0,
                address: 0,
            },
            gpr14: 0,
            gpr15: 0,
            reserved_0b0: [0; 7],
            program_ilc: 0,
            program_code: 0,
            reserved_0d0: [0; 3],
            translation_exception: 0,
            reserved_0f0: [0; 2],
            control: [0; 16],
            reserved_180: [0; 16],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_where_documents_count_them_from() {
        // Bytes from the left: operation exceptions first, BAKR in the last one.
        assert_eq!(intercept::OPERATION.to_be_bytes(), [0x80, 0, 0, 0]);
        assert_eq!(intercept::ISKE.to_be_bytes(), [0, 0, 0x40, 0]);
        assert_eq!(intercept::BAKR.to_be_bytes(), [0, 0, 0, 4]);
        assert_eq!([0, 6, 15].map(loading), [0x8000, 0x0200, 0x0001]);
    }

    #[test]
    fn a_new_one_intercepts_nothing_and_is_never_interrupted() {
        let state = StateDescriptor::new(16 << 20);
        assert_eq!((state.origin, state.limit), (0, 0xff_ffff));
        assert_eq!((state.intercepts, state.loads, state.requests), (0, 0, 0));
        assert_eq!(
            (state.clock_comparator, state.cpu_timer),
            (u64::MAX, i64::MAX)
        );
    }
}
