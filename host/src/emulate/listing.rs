//! The list of instructions for people and for tests; no image has it.

use super::instructions::instructions;

/// What becomes of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// The host executes it; in the problem state only if it is not privileged.
    Emulated {
        /// Whether it is.
        privileged: bool,
    },
    /// It is an operation exception: what it would need guests have not.
    Absent(&'static str),
    /// The machine executes it in the problem state, with this effect.
    Leak(&'static str),
}

/// An instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Operation code: one byte and a zero one, or both its bytes.
    pub opcode: u16,
    /// Its mnemonic.
    pub name: &'static str,
    /// What becomes of it.
    pub fate: Fate,
}

macro_rules! rows {
    (
        emulated { $($opcode:literal $name:ident $class:ident $($path:ident)::+;)* }
        absent { $($absent:literal $absent_name:ident $why:literal;)* }
        leak { $($leak:literal $leak_name:ident $what:literal;)* }
        left { $($left:tt)* }
    ) => {
        vec![
            $(row($opcode, stringify!($name), Fate::Emulated {
                privileged: matches!(stringify!($class).as_bytes(), b"privileged"),
            }),)*
            $(row($absent, stringify!($absent_name), Fate::Absent($why)),)*
            $(row($leak, stringify!($leak_name), Fate::Leak($what)),)*
        ]
    };
}

const fn row(opcode: u16, name: &'static str, fate: Fate) -> Row {
    Row { opcode, name, fate }
}

/// All instructions, by operation code.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = instructions!(rows);
    rows.sort_by_key(|row| row.opcode);
    rows
}

#[cfg(test)]
mod tests;
