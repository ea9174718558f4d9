//! Which external interruption comes first (Principles of Operation, "External Interruption").

use arch::{PswMask, cr0};

use super::{Floating, Vcpu};

/// An external interruption with what it stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum External {
    /// From the CPU with this address.
    EmergencySignal(u16),
    /// From the CPU with this address.
    ExternalCall(u16),
    /// The time of day is beyond the clock comparator.
    ClockComparator,
    /// The CPU timer is negative.
    CpuTimer,
    /// With its parameter.
    ServiceSignal(u32),
    /// A page is there, with what it is called.
    PageIsThere(u64),
}

/// The external interruption that a CPU is enabled for and that has the highest priority, if any.
#[must_use]
pub fn due(vcpu: &Vcpu, floating: &Floating, now: u64) -> Option<External> {
    if vcpu.psw.contains(PswMask::EXTERNAL) {
        pending(vcpu, floating, now)
    } else {
        None
    }
}

/// As [`due`], if its PSW were open for it.
#[must_use]
pub fn pending(vcpu: &Vcpu, floating: &Floating, now: u64) -> Option<External> {
    let open = |bit| vcpu.control[0] & bit != 0;
    let sender = vcpu.signals.emergency;
    if open(cr0::EMERGENCY_SIGNAL) && sender != 0 {
        return Some(External::EmergencySignal(sender.trailing_zeros() as u16));
    }
    if open(cr0::EXTERNAL_CALL)
        && let Some(sender) = vcpu.signals.external_call
    {
        return Some(External::ExternalCall(sender));
    }
    if open(cr0::CLOCK_COMPARATOR) && now > vcpu.clock_comparator {
        return Some(External::ClockComparator);
    }
    if open(cr0::CPU_TIMER) && vcpu.cpu_timer_at(now) < 0 {
        return Some(External::CpuTimer);
    }
    if !open(cr0::SERVICE_SIGNAL) {
        return None;
    }
    let signal = floating.service_signal.map(External::ServiceSignal);
    signal.or_else(|| {
        let mut faults = floating.page_faults.iter();
        let there = faults.find(|fault| fault.is_complete)?;
        Some(External::PageIsThere(there.token))
    })
}

/// The interruption is taken: it is not pending any more. Timers go on being what they are.
pub fn take(vcpu: &mut Vcpu, floating: &mut Floating, external: External) {
    match external {
        External::EmergencySignal(sender) => vcpu.signals.emergency &= !(1 << sender),
        External::ExternalCall(_) => vcpu.signals.external_call = None,
        External::ClockComparator | External::CpuTimer => {}
        External::ServiceSignal(_) => floating.service_signal = None,
        External::PageIsThere(_) => {
            let mut faults = floating.page_faults.iter();
            if let Some(at) = faults.position(|fault| fault.is_complete) {
                floating.page_faults.remove(at);
            }
        }
    }
}

/// When a timer will interrupt a CPU that is enabled for it, if nothing else changes.
#[must_use]
pub fn timer(vcpu: &Vcpu, now: u64) -> Option<u64> {
    vcpu.psw
        .contains(PswMask::EXTERNAL)
        .then(|| next_timer(vcpu, now))?
}

/// As [`timer`], if its PSW were open for it.
#[must_use]
pub fn next_timer(vcpu: &Vcpu, now: u64) -> Option<u64> {
    let open = |bit| vcpu.control[0] & bit != 0;
    let clock = (open(cr0::CLOCK_COMPARATOR) && vcpu.clock_comparator != u64::MAX)
        .then_some(vcpu.clock_comparator);
    let left = vcpu.cpu_timer_at(now).max(0).unsigned_abs();
    let cpu_timer = open(cr0::CPU_TIMER).then(|| now.saturating_add(left));
    clock.into_iter().chain(cpu_timer).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vcpu::handshake::PageFault;

    fn enabled() -> Vcpu {
        let mut vcpu = Vcpu::new();
        vcpu.psw.set(PswMask::EXTERNAL, true);
        vcpu.control[0] = u64::MAX;
        (vcpu.clock_comparator, vcpu.cpu_timer) = (u64::MAX, 1);
        vcpu
    }

    #[test]
    fn they_come_in_the_order_of_their_priorities() {
        let mut vcpu = enabled();
        vcpu.signals.emergency = 1 << 7 | 1 << 3;
        vcpu.signals.external_call = Some(9);
        (vcpu.clock_comparator, vcpu.cpu_timer) = (10, -1);
        let mut floating = Floating {
            service_signal: Some(0x3000),
            page_faults: [(1, false), (2, true)]
                .map(|(token, is_complete)| PageFault {
                    token,
                    page: 0,
                    is_complete,
                })
                .into(),
        };
        let mut taken = Vec::new();
        while let Some(external) = due(&vcpu, &floating, 11) {
            take(&mut vcpu, &mut floating, external);
            match external {
                External::ClockComparator => vcpu.clock_comparator = 11,
                External::CpuTimer => vcpu.cpu_timer = 0,
                _ => {}
            }
            taken.push(external);
        }
        let expected = [
            External::EmergencySignal(3),
            External::EmergencySignal(7),
            External::ExternalCall(9),
            External::ClockComparator,
            External::CpuTimer,
            External::ServiceSignal(0x3000),
            External::PageIsThere(2),
        ];
        assert_eq!(taken, expected);
    }

    #[test]
    fn each_has_its_mask() {
        let mut vcpu = enabled();
        vcpu.signals.emergency = 1;
        vcpu.signals.external_call = Some(0);
        let floating = Floating::default();
        vcpu.control[0] = cr0::EXTERNAL_CALL;
        assert_eq!(due(&vcpu, &floating, 0), Some(External::ExternalCall(0)));
        vcpu.control[0] = cr0::CLOCK_COMPARATOR;
        assert_eq!(due(&vcpu, &floating, 0), None);
        vcpu.control[0] = u64::MAX;
        vcpu.psw.set(PswMask::EXTERNAL, false);
        assert_eq!(due(&vcpu, &floating, 0), None);
    }

    #[test]
    fn the_earlier_timer_counts() {
        let mut vcpu = enabled();
        (vcpu.clock_comparator, vcpu.cpu_timer) = (150, 30);
        assert_eq!(timer(&vcpu, 100), Some(130));
        vcpu.control[0] = cr0::CLOCK_COMPARATOR;
        assert_eq!(timer(&vcpu, 100), Some(150));
        vcpu.clock_comparator = u64::MAX;
        assert_eq!(timer(&vcpu, 100), None);
    }
}
