//! The assigned storage locations at real address 0 (Principles of Operation, "Assigned Storage
//! Locations"), and the part of the first page that this project's entry code uses for itself.

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::psw::Psw;

/// The 8 KiB prefix area of one CPU.
///
/// Offsets 0x200 to 0x1000 are free for programs; what stands there is ours.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone)]
#[repr(C, align(8192))]
pub struct Lowcore {
    /// 0x000: IPL PSW, and restart PSW of the ESA/390 mode.
    pub ipl_psw: [u8; 0x80],
    /// 0x080: parameter of an external interruption (service signal: SCCB address and events).
    pub external_parameter: u32,
    /// 0x084: address of the CPU that sent an emergency signal or external call.
    pub external_cpu: u16,
    /// 0x086: external-interruption code.
    pub external_code: u16,
    /// 0x088: instruction-length code of a supervisor call, in bytes.
    pub svc_ilc: u16,
    /// 0x08a: supervisor-call number.
    pub svc_code: u16,
    /// 0x08c: instruction-length code of a program interruption, in bytes.
    pub program_ilc: u16,
    /// 0x08e: program-interruption code.
    pub program_code: u16,
    /// 0x090: data-exception or vector-exception code.
    pub data_exception_code: u32,
    /// 0x094: monitor-class number.
    pub monitor_class: u16,
    /// 0x096: PER code and addressing mode.
    pub per_code: u16,
    /// 0x098: PER address.
    pub per_address: u64,
    /// 0x0a0: exception access identification.
    pub exception_access_id: u8,
    /// 0x0a1: PER access identification.
    pub per_access_id: u8,
    /// 0x0a2: operand access identification.
    pub operand_access_id: u8,
    /// 0x0a3: store-status architectural mode identification.
    pub architectural_mode: u8,
    /// 0x0a4: machine package identification.
    pub mpl_address: u32,
    /// 0x0a8: translation-exception identification; absolute page address of a discard fault.
    pub translation_exception: u64,
    /// 0x0b0: monitor code.
    pub monitor_code: u64,
    /// 0x0b8: subsystem-identification word of an I/O interruption.
    pub io_subchannel: u32,
    /// 0x0bc: I/O-interruption parameter.
    pub io_parameter: u32,
    /// 0x0c0: I/O-interruption-identification word.
    pub io_identification: u32,
    /// 0x0c4.
    pub reserved_0c4: u32,
    /// 0x0c8: facility bits stored by STFL.
    pub facilities: u32,
    /// 0x0cc.
    pub reserved_0cc: [u8; 0xe8 - 0xcc],
    /// 0x0e8: machine-check-interruption code.
    pub machine_check_code: u64,
    /// 0x0f0.
    pub reserved_0f0: [u8; 0x110 - 0xf0],
    /// 0x110: breaking-event address.
    pub breaking_event: u64,
    /// 0x118.
    pub reserved_118: [u8; 8],
    /// 0x120: restart old PSW.
    pub restart_old: Psw,
    /// 0x130: external old PSW.
    pub external_old: Psw,
    /// 0x140: supervisor-call old PSW.
    pub svc_old: Psw,
    /// 0x150: program old PSW.
    pub program_old: Psw,
    /// 0x160: machine-check old PSW.
    pub machine_check_old: Psw,
    /// 0x170: I/O old PSW.
    pub io_old: Psw,
    /// 0x180.
    pub reserved_180: [u8; 0x20],
    /// 0x1a0: restart new PSW.
    pub restart_new: Psw,
    /// 0x1b0: external new PSW.
    pub external_new: Psw,
    /// 0x1c0: supervisor-call new PSW.
    pub svc_new: Psw,
    /// 0x1d0: program new PSW.
    pub program_new: Psw,
    /// 0x1e0: machine-check new PSW.
    pub machine_check_new: Psw,
    /// 0x1f0: I/O new PSW.
    pub io_new: Psw,

    /// 0x200, ours: general registers at the latest interruption, before they are moved to a frame.
    pub save_gprs: [u64; 16],
    /// 0x280, ours: PSW that the entry code loads to return.
    pub return_psw: Psw,
    /// 0x290, ours: address of the problem-state context that runs, 0 if none does.
    pub context: u64,
    /// 0x298, ours: stack pointer to go back to when that context is interrupted.
    pub context_stack: u64,
    /// 0x2a0, ours: stack for interruptions that must not use the interrupted one (restart, machine check).
    pub emergency_stack: u64,
    /// 0x2a8, ours: what the image keeps for each CPU; 0 until it has set that up.
    pub this_cpu: u64,
    /// 0x2b0, ours: stack that a CPU begins on when it is started by a restart interruption.
    pub start_stack: u64,
    /// 0x2b8, ours: function that it begins with.
    pub start_function: u64,
    /// 0x2c0, ours: the function's argument.
    pub start_argument: u64,
    /// 0x2c8, ours: what the host calls a page by that the task waits for which runs.
    pub page_fault_token: u64,
    /// 0x2d0.
    pub reserved_2d0: [u8; 0x11b8 - 0x2d0],
    /// 0x11b8: 64-bit parameter of external interruption 0x2603 (DIAGNOSE X'250', X'258').
    pub block_io_parameter: u64,
    /// 0x11c0.
    pub reserved_11c0: [u8; 0x2000 - 0x11c0],
}

const _: () = {
    assert!(size_of::<Lowcore>() == 0x2000);
    assert!(offset_of!(Lowcore, external_parameter) == 0x80);
    assert!(offset_of!(Lowcore, program_ilc) == 0x8c);
    assert!(offset_of!(Lowcore, translation_exception) == 0xa8);
    assert!(offset_of!(Lowcore, io_subchannel) == 0xb8);
    assert!(offset_of!(Lowcore, machine_check_code) == 0xe8);
    assert!(offset_of!(Lowcore, restart_old) == 0x120);
    assert!(offset_of!(Lowcore, program_old) == 0x150);
    assert!(offset_of!(Lowcore, restart_new) == 0x1a0);
    assert!(offset_of!(Lowcore, io_new) == 0x1f0);
    assert!(offset_of!(Lowcore, save_gprs) == 0x200);
    assert!(offset_of!(Lowcore, block_io_parameter) == 0x11b8);
};
