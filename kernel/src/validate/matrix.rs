//! Every operation request code on every state: what is told, what the state is then, what became of content
//! and storage key.

use arch::key;
use cmm::{EssaResult, PageState};

use super::stage::{Stage, State};
use super::{NO_ESSA, observed};

/// First check: one for each operation request code.
const STATES: u16 = 100;
/// First check of what happens besides.
const EFFECTS: u16 = 120;
/// Access-control bits 3 and fetch protection: what a key looks like that nobody sets by chance.
const KEY: u8 = 0x38;

pub(super) fn run(stage: &mut Stage<'_>) {
    for orc in 0..16 {
        for state in PageState::ALL {
            let (check, case) = (STATES + u16::from(orc), &format_args!("{state}"));
            let Some(page) = stage.prepare(check, case, state) else {
                continue;
            };
            let seen = stage.essa(orc, page);
            if seen.is_complete() {
                let new = stage.state(page);
                let old = State(Some(EssaResult::from(seen.gprs[3])));
                observed(check, case, &format_args!("{old}>{new}"));
            } else {
                stage.tell_end(check, case, &seen);
            }
            stage.give_back(page);
        }
        effects(stage, orc);
    }
}

/// Content and key of a resident page afterwards; reading is what a guest may do only with some states.
fn effects(stage: &mut Stage<'_>, orc: u8) {
    let (check, case) = (EFFECTS + u16::from(orc), &"Sr");
    if !stage.has_essa {
        return observed(check, case, &NO_ESSA);
    }
    let page = stage.take();
    key::set(page, KEY);
    stage.essa(orc, page);
    let key = key::get(page);
    let content = stage.content(page);
    observed(check, case, &format_args!("{content}, key {key:02x}"));
    key::set(page, 0);
    stage.give_back(page);
}
