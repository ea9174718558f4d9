//! What the images have recorded of a run (`--trace`), as a file that [Perfetto] opens.
//!
//! [Perfetto]: https://ui.perfetto.dev

mod tracks;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use drivers::recorder::Event;

use crate::events;

/// Its name in the run's folder.
pub const FILE: &str = "trace.json";

/// All that was recorded: of the host (`None`) and of each guest's kernel, in the order in which it came.
#[derive(Clone, Debug, Default)]
pub struct Traces(BTreeMap<Option<u64>, Recorded>);

/// What one image has recorded.
#[derive(Clone, Debug, Default)]
struct Recorded {
    events: Vec<Event>,
    /// How many were overwritten by later ones.
    lost: u64,
}

impl Traces {
    /// Takes a record; `emitter` is the guest that it is of, or nothing for the host.
    ///
    /// # Errors
    /// The record holds no events.
    pub fn take(&mut self, emitter: Option<u64>, record: &events::Trace) -> Result<(), String> {
        let more = Event::parse(&record.events).ok_or("its events are none")?;
        let recorded = self.0.entry(emitter).or_default();
        recorded.lost = record.lost;
        recorded.events.extend(more);
        Ok(())
    }

    /// How many events there are, and how many were overwritten by them.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let all = self.0.values();
        all.fold((0, 0), |(left, lost), recorded| {
            (left + recorded.events.len() as u64, lost + recorded.lost)
        })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let out = BufWriter::new(File::create(path)?);
        serde_json::to_writer(out, &self.document()).map_err(io::Error::from)
    }

    fn document(&self) -> tracks::Document {
        let times = self.0.values().flat_map(|recorded| &recorded.events);
        let times = times.map(|event| event.time);
        let span = times.fold(None, |span: Option<(u64, u64)>, time| {
            let (first, last) = span.unwrap_or((time, time));
            Some((first.min(time), last.max(time)))
        });
        let mut document = tracks::Document::new(span.unwrap_or_default());
        for (emitter, recorded) in &self.0 {
            match emitter {
                None => document.add_host(&recorded.events),
                Some(guest) => document.add_kernel(*guest, &recorded.events),
            }
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use host::trace::Kind;
    use serde_json::Value;

    use super::*;

    fn record(all: &[Event], lost: u64) -> events::Trace {
        let words = |event: &Event| event.words().map(|word| format!("{word:016x}")).concat();
        events::Trace {
            seq: 0,
            lost,
            events: all.iter().map(words).collect(),
        }
    }

    fn event(time: u64, kind: u8, who: u16, value: u32) -> Event {
        let (time, cpu) = (0xd000 << 48 | time << 12, 0);
        Event {
            time,
            cpu,
            kind,
            who,
            value,
        }
    }

    fn document(traces: &Traces) -> Vec<Value> {
        let document = serde_json::to_value(traces.document()).unwrap();
        let events = document["traceEvents"].as_array().cloned().unwrap();
        let of_time = |event: &Value| event["ph"] != "M";
        events.into_iter().filter(of_time).collect()
    }

    #[test]
    fn a_run_becomes_slices_and_instants_in_microseconds() {
        let mut traces = Traces::default();
        let of_host = [
            event(10, Kind::Leave as u8, 0, 0),
            event(20, Kind::Run as u8, 0x0103, 0),
            event(25, Kind::DiscardFault as u8, 0x0103, 77),
            event(30, Kind::Leave as u8, 0x0103, 0),
            event(40, Kind::Run as u8, 0x0100, 0),
        ];
        traces.take(None, &record(&of_host, 5)).unwrap();
        let of_kernel = [
            event(21, kernel::trace::Kind::Run as u8, 0, 0x40),
            event(26, kernel::trace::Kind::DiscardFault as u8, 0, 77),
            event(50, kernel::trace::Kind::Leave as u8, 0, 0x40),
        ];
        traces.take(Some(1), &record(&of_kernel, 0)).unwrap();
        assert_eq!(traces.counts(), (8, 5));
        let all = document(&traces);
        let told: Vec<_> = all
            .iter()
            .map(|event| {
                let number = |name: &str| event.get(name).and_then(Value::as_f64);
                (event["name"].as_str().unwrap(), number("ts"), number("dur"))
            })
            .collect();
        // The beginning of the first slice is lost; the end of the last one was never recorded.
        let expected = [
            ("guest 1, CPU 3", Some(10.0), Some(10.0)),
            ("discard fault", Some(15.0), None),
            ("guest 1, CPU 0", Some(30.0), Some(10.0)),
            ("task 40", Some(11.0), Some(29.0)),
            ("discard fault", Some(16.0), None),
        ];
        for event in expected {
            assert!(told.contains(&event), "{event:?} in {told:?}");
        }
        assert_eq!(told.len(), expected.len());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let bad = events::Trace {
            seq: 0,
            lost: 0,
            events: "zz".to_owned(),
        };
        assert!(Traces::default().take(None, &bad).is_err());
    }
}
