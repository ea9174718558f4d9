//! Every operation request code on every state: what is told, what the state is then, what became of content
//! and storage key.

use arch::key;
use cmm::{EssaResult, PageState};

use super::observed;
use super::stage::{Stage, State};

/// First check: one for each operation request code.
const STATES: u16 = 100;
/// First check of what happens besides.
const EFFECTS: u16 = 120;
/// Access-control bits 3 and fetch protection: what a key looks like that nobody sets by chance.
const KEY: u8 = 0x38;

pub(super) fn run(stage: &mut Stage<'_>) {
    for orc in 0..16 {
        for state in PageState::ALL {
            let Some(page) = stage.in_state(state) else {
                observed(
                    STATES + u16::from(orc),
                    format_args!("{state}"),
                    format_args!("not observed"),
                );
                continue;
            };
            let seen = stage.essa(orc, page);
            let new = stage.state(page);
            let case = format_args!("{state}");
            let check = STATES + u16::from(orc);
            if seen.is_complete() {
                let old = State(Some(EssaResult::from(seen.gprs[3])));
                observed(check, case, format_args!("{old}>{new}"));
            } else {
                observed(check, case, format_args!("{seen} >{new}"));
            }
            stage.give_back(page);
        }
        effects(stage, orc);
    }
}

/// Content and key of a resident page afterwards; reading is what a guest may do only with some states.
fn effects(stage: &mut Stage<'_>, orc: u8) {
    let page = stage.take();
    key::set(page, KEY);
    stage.essa(orc, page);
    let key = key::get(page);
    observed(
        EFFECTS + u16::from(orc),
        format_args!("Sr"),
        format_args!("{}, key {key:02x}", stage.content(page)),
    );
    key::set(page, 0);
    stage.give_back(page);
}
