//! The target `virtio_block` with a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::virtio_block::run(data));
