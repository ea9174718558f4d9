//! A driver that keeps to the protocol, and ones that do not.
