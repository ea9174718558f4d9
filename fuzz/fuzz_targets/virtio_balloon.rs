//! The target `virtio_balloon` with a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::virtio_balloon::run(data));
