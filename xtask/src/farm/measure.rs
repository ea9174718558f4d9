//! From the lines of a run to the measures of a point.

use std::collections::BTreeMap;

use kernel::work::latency::lower_bound;

use super::point::{Clock, Latency, Measures, PerGuest, Sample};
use crate::collect::{Collector, Guest};
use crate::events::{self, Counts, HostGuest};

/// Pages of bytes.
const PAGE: u64 = 4096;
/// States of pages that have had content and may have it again, and those of them that are in frames.
const INSTANTIATED: [&str; 8] = ["Sr", "Sp", "Ur", "Vr", "Vp", "Vz", "Pr", "Pp"];
const RESIDENT: [&str; 4] = ["Sr", "Ur", "Vr", "Pr"];

/// All that a point has of its run.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// All guests together.
    pub measures: Measures,
    /// Each of them.
    pub per_guest: Vec<PerGuest>,
    /// What the host saw.
    pub timeline: Vec<Sample>,
}

/// A sum of many short times, in whole microseconds: each was told by two looks at a clock that counts quarters of nanoseconds,
/// so the last digit is not one of the machine's.
fn whole(nanoseconds: u64) -> u64 {
    nanoseconds / 1000 * 1000
}

/// Measures of a run; none if something is missing that every good run says.
#[must_use]
pub fn measure(collector: &Collector, clock: Clock, wall_seconds: f64) -> Option<Measured> {
    let host = collector.host()?;
    let guests: Option<Vec<_>> = collector
        .guests()
        .iter()
        .map(|(id, guest)| {
            let requests = guest.requests.as_ref()?;
            let of_host = collector.host_guest(*id)?;
            Some((guest, guest.outcome.as_ref()?, requests, of_host))
        })
        .collect();
    let guests = guests?;
    let kernel = |count: fn(&events::Guest) -> u64| guests.iter().map(|one| count(one.1)).sum();
    let seen =
        |count: fn(&HostGuest) -> u64| -> u64 { guests.iter().map(|one| count(one.3)).sum() };
    let merged = |counts: fn(&HostGuest) -> &Counts| merge(guests.iter().map(|one| counts(one.3)));
    let histogram = merge(guests.iter().map(|one| &one.2.latency));
    let requests: u64 = histogram.values().sum();

    let is_virtual = clock == Clock::Virtual;
    let idle_ns = host.idle_us * 1000;
    let guests_ns = seen(|guest| guest.ran_ns);
    let not_ours = idle_ns + host.sampling_ns;
    let instructions = is_virtual.then(|| host.elapsed_ns.saturating_sub(not_ours));
    let guest_instructions = is_virtual.then_some(guests_ns);
    let host_instructions = instructions.map(|all| all.saturating_sub(guests_ns));
    let hinting_ns = whole(seen(|guest| guest.hinting_ns));
    let balloon_ns = whole(seen(|guest| guest.virtio_ns) + host.monitor_ns);
    let threads_ns: u64 = kernel(|guest| guest.balloon_ns);
    let of_requests = |count: Option<u64>| count.map(|count| ratio(count, requests));
    let of_instructions = |part: u64| instructions.map(|all| ratio(part, all));
    let rates = guests.iter().map(|one| {
        let own: u64 = one.2.latency.values().sum();
        ratio(own, one.2.busy_ns)
    });
    let mut diagnoses = merged(|guest| &guest.diagnose);
    diagnoses.retain(|code, _| ["x250", "x500"].contains(&code.as_str()));

    let measures = Measures {
        requests,
        bytes: guests.iter().map(|one| one.2.bytes).sum(),
        bytes_verified: kernel(|guest| guest.bytes_verified),
        mismatches: kernel(|guest| guest.mismatches),
        elapsed_ns: host.elapsed_ns,
        instructions,
        guest_instructions,
        host_instructions,
        idle_ns,
        requests_per_1e9_instructions: instructions.map(|all| ratio(requests, all) * 1e9),
        requests_per_second: ratio(requests, host.elapsed_ns) * 1e9,
        guest_instructions_per_request: of_requests(guest_instructions),
        host_instructions_per_request: of_requests(host_instructions),
        latency: latency(histogram),
        page_writes: seen(|guest| guest.page_writes),
        page_reads: seen(|guest| guest.page_reads + guest.page_reads_ahead),
        expanded_out: seen(|guest| guest.expanded_out),
        expanded_in: seen(|guest| guest.expanded_in),
        discards: seen(|guest| guest.discards),
        unused_taken: seen(|guest| guest.evicted.get("Ur").copied().unwrap_or(0)),
        discard_faults: kernel(|guest| guest.discard_faults),
        reload_reads: kernel(|guest| guest.reloads),
        file_reads: seen(|guest| guest.disk_bytes_read) / PAGE,
        file_writes: seen(|guest| guest.disk_bytes_written) / PAGE,
        swap_reads: kernel(|guest| guest.swapped_in),
        disk_requests: diagnoses,
        essa: merged(|guest| &guest.essa),
        exits: merged(|guest| &guest.exits),
        hinting_ns,
        balloon_ns,
        balloon_guest_ns: whole(threads_ns.saturating_sub(seen(|guest| guest.virtio_ns))),
        hinting_share: of_instructions(hinting_ns),
        balloon_share: of_instructions(balloon_ns),
        sampling_ns: host.sampling_ns,
        wake_ups: seen(|guest| guest.balloon_wake_ups),
        balloon_inflated: seen(|guest| guest.balloon_inflated),
        balloon_deflated: seen(|guest| guest.balloon_deflated),
        balloon_reported: seen(|guest| guest.balloon_reported),
        reclaimed: host.reclaimed,
        reclaim_ns: whole(host.reclaim_ns),
        fairness: fairness(rates),
        wall_seconds: (!is_virtual).then_some(wall_seconds),
    };
    Some(Measured {
        measures,
        per_guest: guests.iter().map(per_guest).collect(),
        timeline: collector.samples().iter().map(sample).collect(),
    })
}

/// One number divided by another one; nothing of nothing is 0.
fn ratio(of: u64, by: u64) -> f64 {
    if by == 0 { 0.0 } else { of as f64 / by as f64 }
}

/// Counts of several added up.
fn merge<'a>(all: impl Iterator<Item = &'a Counts>) -> Counts {
    let mut sum = Counts::new();
    for (name, count) in all.flatten() {
        *sum.entry(name.clone()).or_default() += count;
    }
    sum
}

/// Percentiles of a histogram by buckets.
fn latency(counts: Counts) -> Latency {
    let numbered = counts.into_iter();
    let histogram: BTreeMap<u32, u64> = numbered
        .filter_map(|(bucket, count)| Some((bucket.parse().ok()?, count)))
        .collect();
    Latency {
        p50: percentile(&histogram, 50),
        p99: percentile(&histogram, 99),
        longest: percentile(&histogram, 100),
        histogram,
    }
}

/// The least upper end of a bucket that so many of 100 do not exceed; 0 of nothing.
#[must_use]
pub fn percentile(histogram: &BTreeMap<u32, u64>, percent: u64) -> u64 {
    let all: u64 = histogram.values().sum();
    let mut seen = 0;
    for (bucket, count) in histogram {
        seen += count;
        if seen * 100 >= all * percent {
            return lower_bound(bucket + 1) - 1;
        }
    }
    0
}

/// Jain's index: 1 if all are equal, 1/n if one has it all; 1 of none.
#[must_use]
pub fn fairness(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    if squares == 0.0 {
        1.0
    } else {
        sum * sum / (count * squares)
    }
}

fn per_guest(
    (_, kernel, requests, host): &(&Guest, &events::Guest, &events::Requests, &HostGuest),
) -> PerGuest {
    let latency = latency(requests.latency.clone());
    PerGuest {
        requests: latency.histogram.values().sum(),
        elapsed_ns: requests.elapsed_ns,
        busy_ns: requests.busy_ns,
        p50: latency.p50,
        p99: latency.p99,
        page_writes: host.page_writes,
        page_reads: host.page_reads + host.page_reads_ahead,
        discards: host.discards,
        discard_faults: kernel.discard_faults,
        essa: host.essa.values().sum(),
    }
}

fn sample(sample: &events::Sample) -> Sample {
    let count = |name: &str| sample.counts.get(name).copied().unwrap_or(0);
    Sample {
        time_ns: sample.time_ns,
        states: sample.states.clone(),
        frames_free: count("frames_free"),
        balloon_pages: count("balloon_pages"),
        guests_asleep: count("guests_asleep"),
        page_writes: count("page_writes"),
        page_reads: count("page_reads"),
        discards: count("discards"),
        discard_faults: count("discard_faults"),
    }
}

/// Pages that guests made use of by those of them that are in frames, in the mean over a timeline.
#[must_use]
pub fn overcommit_resident(timeline: &[Sample]) -> Option<f64> {
    let pages = |sample: &Sample, states: &[&str]| -> u64 {
        let counts = states.iter().map(|state| sample.states.get(*state));
        counts.map(|count| count.copied().unwrap_or(0)).sum()
    };
    let ratios: Vec<f64> = timeline
        .iter()
        .map(|sample| ratio(pages(sample, &INSTANTIATED), pages(sample, &RESIDENT)))
        .filter(|ratio| *ratio > 0.0)
        .collect();
    let count = ratios.len() as f64;
    (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_upper_ends_of_buckets() {
        let histogram = BTreeMap::from([(3, 50), (16, 49), (40, 1)]);
        assert_eq!(percentile(&histogram, 50), 3);
        assert_eq!(percentile(&histogram, 51), lower_bound(17) - 1);
        assert_eq!(percentile(&histogram, 99), lower_bound(17) - 1);
        assert_eq!(percentile(&histogram, 100), lower_bound(41) - 1);
        assert_eq!(percentile(&BTreeMap::new(), 50), 0);
    }

    #[test]
    fn fairness_is_jains_index() {
        assert_eq!(fairness([2.0, 2.0, 2.0].into_iter()), 1.0);
        assert_eq!(fairness([1.0, 0.0, 0.0, 0.0].into_iter()), 0.25);
        assert_eq!(fairness([].into_iter()), 1.0);
    }

    #[test]
    fn overcommit_counts_what_was_made_use_of() {
        let states = [("Sr", 50), ("Vz", 40), ("Sp", 10), ("Uz", 900), ("Sz", 70)];
        let states: Counts = states.map(|(name, count)| (name.to_owned(), count)).into();
        let sample = sample(&events::Sample {
            seq: 0,
            time_ns: 1,
            states,
            counts: Counts::new(),
        });
        assert_eq!(overcommit_resident(&[sample]), Some(2.0));
        assert_eq!(overcommit_resident(&[]), None);
    }
}
