//! Page states of guest page hinting as pure data.
//!
//! A page's state is a *usage* state, which the guest owns and changes with ESSA, and a *content*
//! state, which the host owns and changes as it reclaims and refills memory. This crate says which
//! states there are, what each operation request code, host event and access does to them, and how
//! they are encoded. The host's state machine, the kernel's encoding and the tests' oracle are this
//! one crate, so that they cannot disagree.
//!
//! ```text
//!               stable        unused       volatile     potentially volatile
//!              ┌──────┐
//!  preserved   │  Sp  │◄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┐
//!              └┬──▲──┘   Sp to Uz or Vz: ORC 2, 3, 4        ┊
//!       page in ┊  ┊ evict                                   ┊ evict, changed
//!              ┌▼──┴──┐     ┌──────┐     ┌──────┐     ┌──────┴───┐
//!  resident    │  Sr  │◄───►│  Ur  │◄───►│  Vr  │◄───►│    Pr    │   ORC: any to any
//!              └──▲───┘     └──┬───┘     └──┬───┘     └──┬───────┘
//!     first touch ┊      evict ┊      evict ┊            ┊ evict, unchanged
//!              ┌──┴───┐     ┌──▼───┐     ┌──▼───┐        ┊
//!  zero        │  Sz  │◄───►│  Uz  │◄───►│  Vz  │◄┄┄┄┄┄┄┄┘            ORC: any to any
//!              └──────┘     └──────┘     └──────┘
//!   on access  zero frame   addressing   discard
//!                           exception    fault
//! ```
//!
//! Solid lines are the guest's (ESSA), dotted ones the host's. [`graph`] has every single one.
//!
//! Up, Vp, Pp and Pz do not exist in the model: dropping what nobody needs is why the scheme exists.
//! The first three do on hosts that keep more than they must; they are named in [`extended`] and
//! can be made nowhere else. There is no arrow from Vz up to Vr, in [`apply`] or anywhere else but
//! in [`kvm`].
//!
//! Sources: CP Programming Services (EXTRACT AND SET STORAGE ATTRIBUTES, block usage and block
//! content states), the 2008 guest page hinting series, and Linux KVM for its two dialects.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod access;
mod essa;
mod event;
pub mod extended;
pub mod graph;
pub mod kvm;
mod orc;
mod result;
mod state;

pub use access::{Access, access};
pub use essa::{Dialect, Effect, ParseDialectError, Transition, essa};
pub use event::{HostEvent, IllegalEvent, apply};
pub use orc::{InvalidOrc, Orc};
pub use result::{DecodeError, EssaResult};
pub use state::{Content, PageState, ParseStateError, Usage};
