use std::fmt::Write;
use std::path::Path;

use super::*;

/// The control and I/O instructions of the z10's Principles of Operation (SA22-7832-06, figures "Summary of
/// Control Instructions" and "Summary of I/O Instructions"), those of hypervisors and drivers that it does
/// not describe, and the general ones that tell a guest about the machine.
#[rustfmt::skip]
const MANUAL: &[(u16, &str)] = &[
    (0xb25a, "BSA"), (0xb240, "BAKR"), (0xb258, "BSG"), (0xb250, "CSP"),
    (0xb98a, "CSPG"), (0x8300, "DIAG"), (0xb99d, "ESEA"), (0xb226, "EPAR"),
    (0xb99a, "EPAIR"), (0xb98d, "EPSW"), (0xb227, "ESAR"), (0xb99b, "ESAIR"),
    (0xb249, "EREG"), (0xb90e, "EREGG"), (0xb24a, "ESTA"), (0xb224, "IAC"),
    (0xb20b, "IPK"), (0xb229, "ISKE"), (0xb223, "IVSK"), (0xb98e, "IDTE"),
    (0xb221, "IPTE"), (0xe500, "LASP"), (0xb700, "LCTL"), (0xeb2f, "LCTLG"),
    (0xb9aa, "LPTEA"), (0x8200, "LPSW"), (0xb2b2, "LPSWE"), (0xb100, "LRA"),
    (0xe313, "LRAY"), (0xe303, "LRAG"), (0xb24b, "LURA"), (0xb905, "LURAG"),
    (0xb247, "MSTA"), (0xb254, "MVPG"), (0xda00, "MVCP"), (0xdb00, "MVCS"),
    (0xe50f, "MVCDK"), (0xd900, "MVCK"), (0xc800, "MVCOS"), (0xe50e, "MVCSK"),
    (0xb22e, "PGIN"), (0xb22f, "PGOUT"), (0xb928, "PCKMO"), (0xb9af, "PFMF"),
    (0x0104, "PTFF"), (0xb9a2, "PTF"), (0xb218, "PC"), (0x0101, "PR"),
    (0xb228, "PT"), (0xb99e, "PTI"), (0xb248, "PALB"), (0xb20d, "PTLB"),
    (0xb22a, "RRBE"), (0xb277, "RP"), (0xb219, "SAC"), (0xb279, "SACF"),
    (0xb204, "SCK"), (0xb206, "SCKC"), (0x0107, "SCKPF"), (0xb208, "SPT"),
    (0xb210, "SPX"), (0xb20a, "SPKA"), (0xb225, "SSAR"), (0xb99f, "SSAIR"),
    (0xb22b, "SSKE"), (0x8000, "SSM"), (0xae00, "SIGP"), (0xb207, "STCKC"),
    (0xb600, "STCTL"), (0xeb25, "STCTG"), (0xb212, "STAP"), (0xb202, "STIDP"),
    (0xb209, "STPT"), (0xb2b1, "STFL"), (0xb211, "STPX"), (0xe502, "STRAG"),
    (0xb27d, "STSI"), (0xac00, "STNSM"), (0xad00, "STOSM"), (0xb246, "STURA"),
    (0xb925, "STURG"), (0xb24c, "TAR"), (0xb22c, "TB"), (0xe501, "TPROT"),
    (0x9900, "TRACE"), (0xeb0f, "TRACG"), (0x01ff, "TRAP2"), (0xb2ff, "TRAP4"),
    (0xb230, "CSCH"), (0xb231, "HSCH"), (0xb232, "MSCH"), (0xb23b, "RCHP"),
    (0xb238, "RSCH"), (0xb237, "SAL"), (0xb23c, "SCHM"), (0xb233, "SSCH"),
    (0xb23a, "STCPS"), (0xb239, "STCRW"), (0xb234, "STSCH"), (0xb236, "TPI"),
    (0xb235, "TSCH"), (0xb276, "XSCH"), (0xb214, "SIE"), (0xb220, "SERVC"),
    (0xb9ab, "ESSA"), (0xb25f, "CHSC"), (0xb274, "SIGA"), (0xb280, "LPP"),
    (0xb205, "STCK"), (0xb278, "STCKE"), (0xb27c, "STCKF"), (0xb2b0, "STFLE"),
    (0xc801, "ECTG"),
];

#[test]
fn every_instruction_of_the_manual_is_listed() {
    let rows = rows();
    for (opcode, name) in MANUAL {
        let found = rows.iter().find(|row| row.opcode == *opcode);
        assert_eq!(found.map(|row| row.name), Some(*name), "{opcode:#06x}");
    }
}

#[test]
fn each_is_listed_once() {
    for pair in rows().windows(2) {
        assert!(pair[0].opcode < pair[1].opcode, "{pair:?}");
    }
}

/// The chapter of the book.
fn chapter() -> String {
    let mut text = String::from(CHAPTER);
    for Row { opcode, name, fate } in rows() {
        let code = match opcode.to_be_bytes() {
            [first, 0] => format!("{first:02x}"),
            // The second part is the last byte, or the right half of the second.
            [first @ (0xe3 | 0xeb), last] => format!("{first:02x}..{last:02x}"),
            [first @ 0xc8, half] => format!("{first:02x}.{half:x}"),
            [first, second] => format!("{first:02x}{second:02x}"),
        };
        let (fate, note) = match fate {
            Fate::Emulated { privileged: true } => ("emulated", "privileged"),
            Fate::Emulated { privileged: false } => ("emulated", "semi-privileged"),
            Fate::Absent(why) => ("absent", why),
            Fate::Leak(what) => ("leak", what),
        };
        writeln!(text, "| {code} | {name} | {fate} | {note} |").expect("strings take text");
    }
    text
}

const CHAPTER: &str = "\
# Instructions

What a guest has of the privileged, semi-privileged and sensitive instructions of a z10. *Emulated*: the host
executes it; a privileged one is a privileged-operation exception in the guest's problem state, a semi-privileged
one looks at the guest's authority itself. *Absent*: an operation exception in either state, for the guest has not
what the last column names. *Leak*: the machine executes it in the problem state, and [leaks](leaks.md) says what
that means. Everything else that traps is an operation exception, too.

This table is made from that of the host (`host/src/emulate/instructions.rs`) by
`WRITE_DOCS=1 cargo test -p host listing`.

| code | mnemonic | | what |
| --- | --- | --- | --- |
";

#[test]
fn the_chapter_of_the_book_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/instructions.md");
    let chapter = chapter();
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, &chapter).expect("the book can be written");
    }
    let book = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(book == chapter, "WRITE_DOCS=1 cargo test -p host listing");
}
