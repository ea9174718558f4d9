//! The target `virtio_ring` with a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::virtio_ring::run(data));
