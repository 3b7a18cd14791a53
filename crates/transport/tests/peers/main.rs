//! Real endpoints on the loopback interface, peers that behave and peers that do not.

mod common;
mod links;
mod ssh;
