//! Interruptions that nobody expects.

use arch::interruption::{Class, Frame};
use arch::{Absolute, essa, handler, lowcore_field, program};
use boot::fatal::CalledFrom;
use cmm::Orc;

/// From now on an unexpected interruption ends the kernel and says what it was.
pub fn install() {
    handler::on_unhandled(unexpected);
}

/// Guarded instructions never get here. What does is a mistake of this kernel, a discard fault too:
/// somebody has used a page without making it stable.
fn unexpected(class: Class, frame: &mut Frame) {
    let code = lowcore_field!(program_code) & !program::PER_EVENT;
    if class == Class::Program && code == program::BLOCK_VOLATILITY {
        let page = Absolute(lowcore_field!(translation_exception) & !0xfff);
        // There is ESSA where there is a discard fault, but nothing may go wrong twice here.
        let state = essa::try_essa(Orc::GetState, page).map(|old| old.state());
        let Ok(Ok(state)) = state else {
            boot::fatal::stop_with(format_args!(
                "discard fault in the supervisor state: page {page}, state unknown\n{frame}"
            ))
        };
        boot::fatal::stop_with(format_args!(
            "discard fault in the supervisor state: page {page}, state {state}, was used without being made stable{}\n{frame}",
            CalledFrom(Some(frame))
        ));
    }
    boot::fatal::unexpected_interruption(class, frame);
}
