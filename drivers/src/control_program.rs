//! Commands for the control program that this is a virtual machine of: z/VM's CP, or Hercules.

use alloc::string::String;
use core::fmt;

use arch::diagnose;
use spin::Mutex;

use crate::ebcdic;

/// Most characters of a command.
const LONGEST_COMMAND: usize = 240;
/// Most bytes of a response that are kept.
const LONGEST_RESPONSE: usize = 4096;

/// Command and response where the control program looks for them: below 2 GiB, as the image is.
static BUFFERS: Mutex<([u8; LONGEST_COMMAND], [u8; LONGEST_RESPONSE])> =
    Mutex::new(([0; LONGEST_COMMAND], [0; LONGEST_RESPONSE]));

/// A command that was not executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotExecuted {
    /// It has too many characters.
    TooLong,
    /// There is no control program that takes commands.
    NotOffered,
}

impl fmt::Display for NotExecuted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "a command has at most 240 characters",
            Self::NotOffered => "nobody takes commands here (DIAGNOSE X'8')",
        })
    }
}

/// Executes a command; returns the completion code, 0 if all was well, and what was said to it.
///
/// # Errors
/// It was not executed.
pub fn execute(command: &str) -> Result<(u32, String), NotExecuted> {
    let mut buffers = BUFFERS.lock();
    let (text, response) = &mut *buffers;
    let text = text.get_mut(..command.len()).ok_or(NotExecuted::TooLong)?;
    for (place, byte) in text.iter_mut().zip(command.bytes()) {
        *place = ebcdic::from_ascii(byte.to_ascii_uppercase());
    }
    // SAFETY: both are part of the image, which is below 2 GiB; what the command does is what the user wants.
    let answer = unsafe { diagnose::control_program(text, response) };
    let answer = answer.map_err(|_| NotExecuted::NotOffered)?;
    let said = response[..answer.length]
        .iter()
        .map(|code| ebcdic::to_ascii(*code));
    let said: String = said.map(char::from).collect();
    Ok((answer.code, said))
}
