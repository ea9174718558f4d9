//! What a SIGNAL PROCESSOR order does and answers (Principles of Operation, "Signal-Processor
//! Orders" and "Status Bits").

/// Status: the CPU does not run just now; for the order that senses only that.
pub const NOT_RUNNING: u32 = 0x0000_0400;
/// Status: the CPU is not in the state that the order asks for.
pub const INCORRECT_STATE: u32 = 0x0000_0200;
/// Status: the parameter is invalid.
pub const INVALID_PARAMETER: u32 = 0x0000_0100;
/// Status: an external call is pending already.
pub const EXTERNAL_CALL_PENDING: u32 = 0x0000_0080;
/// Status: the CPU is stopped.
pub const STOPPED: u32 = 0x0000_0040;
/// Status: this machine does not have the order.
pub const INVALID_ORDER: u32 = 0x0000_0002;

/// What an order looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// Whether the CPU is stopped.
    pub is_stopped: bool,
    /// Whether it executes instructions at this moment.
    pub is_running: bool,
    /// Whether an external call is pending for it.
    pub has_external_call: bool,
    /// Whether it has accepted an order that it has not carried out.
    pub is_busy: bool,
    /// Whether the guest has storage where the parameter says.
    pub is_parameter_storage: bool,
}

/// What an accepted order makes the CPU do, between two instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Goes on.
    Start,
    /// Stops.
    Stop,
    /// Takes a restart interruption, and goes on.
    Restart,
    /// CPU reset.
    Reset,
    /// Initial CPU reset.
    InitialReset,
}

/// What comes of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Condition code 0, and nothing to do.
    Accepted,
    /// Condition code 0, and an external call becomes pending.
    ExternalCall,
    /// Condition code 0, and an emergency signal becomes pending.
    EmergencySignal,
    /// Condition code 0, and this is to be done.
    Deed(Deed),
    /// Condition code 0, and the parameter becomes the prefix.
    SetPrefix,
    /// Condition code 0, and the status is stored where the parameter says.
    StoreStatus,
    /// Condition code 1, with this status.
    Status(u32),
    /// Condition code 2.
    Busy,
}

/// The order that is for all CPUs, whichever is addressed.
pub const SET_ARCHITECTURE: u8 = 0x12;

/// The order that stores the status of a CPU where its parameter says, not where a prefix area is.
pub const STORE_STATUS_AT_ADDRESS: u8 = 0x0e;

/// What comes of an order for a CPU that is there.
#[must_use]
pub fn outcome(order: u8, target: Target) -> Outcome {
    if order == SET_ARCHITECTURE {
        // This machine has one mode.
        return Outcome::Status(INVALID_PARAMETER);
    }
    if target.is_busy {
        return Outcome::Busy;
    }
    match order {
        0x01 => sense(target),
        0x02 if target.has_external_call => Outcome::Status(EXTERNAL_CALL_PENDING),
        0x02 => Outcome::ExternalCall,
        0x03 => Outcome::EmergencySignal,
        0x04 => Outcome::Deed(Deed::Start),
        0x05 => Outcome::Deed(Deed::Stop),
        0x06 => Outcome::Deed(Deed::Restart),
        0x0b => Outcome::Deed(Deed::InitialReset),
        0x0c => Outcome::Deed(Deed::Reset),
        0x0d | STORE_STATUS_AT_ADDRESS if !target.is_parameter_storage => {
            Outcome::Status(INVALID_PARAMETER)
        }
        0x0d | STORE_STATUS_AT_ADDRESS if !target.is_stopped => Outcome::Status(INCORRECT_STATE),
        0x0d => Outcome::SetPrefix,
        STORE_STATUS_AT_ADDRESS => Outcome::StoreStatus,
        0x15 if !target.is_running => Outcome::Status(NOT_RUNNING),
        0x15 => Outcome::Accepted,
        _ => Outcome::Status(INVALID_ORDER),
    }
}

fn sense(target: Target) -> Outcome {
    let bit = |on, status| if on { status } else { 0 };
    let status =
        bit(target.is_stopped, STOPPED) | bit(target.has_external_call, EXTERNAL_CALL_PENDING);
    match status {
        0 => Outcome::Accepted,
        status => Outcome::Status(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATING: Target = Target {
        is_stopped: false,
        is_running: true,
        has_external_call: false,
        is_busy: false,
        is_parameter_storage: true,
    };
    const STOPPED_CPU: Target = Target {
        is_stopped: true,
        is_running: false,
        ..OPERATING
    };

    #[test]
    fn sense_tells_the_status() {
        assert_eq!(outcome(0x01, OPERATING), Outcome::Accepted);
        assert_eq!(outcome(0x01, STOPPED_CPU), Outcome::Status(0x40));
        let called = Target {
            has_external_call: true,
            ..STOPPED_CPU
        };
        assert_eq!(outcome(0x01, called), Outcome::Status(0xc0));
        assert_eq!(outcome(0x15, STOPPED_CPU), Outcome::Status(0x400));
        assert_eq!(outcome(0x15, OPERATING), Outcome::Accepted);
    }

    #[test]
    fn one_external_call_can_be_pending_and_many_emergency_signals() {
        let called = Target {
            has_external_call: true,
            ..OPERATING
        };
        assert_eq!(outcome(0x02, OPERATING), Outcome::ExternalCall);
        assert_eq!(outcome(0x02, called), Outcome::Status(0x80));
        assert_eq!(outcome(0x03, called), Outcome::EmergencySignal);
    }

    #[test]
    fn prefix_and_status_are_those_of_a_stopped_cpu_in_storage_that_exists() {
        let nowhere = Target {
            is_parameter_storage: false,
            ..STOPPED_CPU
        };
        assert_eq!(outcome(0x0d, STOPPED_CPU), Outcome::SetPrefix);
        assert_eq!(outcome(0x0e, STOPPED_CPU), Outcome::StoreStatus);
        for order in [0x0d, 0x0e] {
            assert_eq!(outcome(order, OPERATING), Outcome::Status(0x200));
            assert_eq!(outcome(order, nowhere), Outcome::Status(0x100));
        }
    }

    #[test]
    fn a_cpu_with_an_order_to_carry_out_is_busy() {
        let busy = Target {
            is_busy: true,
            ..OPERATING
        };
        for order in [0x01, 0x02, 0x03, 0x05, 0x06, 0x0b, 0x0d, 0x15] {
            assert_eq!(outcome(order, busy), Outcome::Busy, "{order:#x}");
        }
        assert_eq!(outcome(0x12, busy), Outcome::Status(0x100));
    }

    #[test]
    fn orders_that_this_machine_has_not_are_invalid() {
        for order in [0x00, 0x07, 0x09, 0x13, 0xff] {
            assert_eq!(
                outcome(order, OPERATING),
                Outcome::Status(0x02),
                "{order:#x}"
            );
        }
    }
}
