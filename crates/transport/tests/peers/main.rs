//! Real endpoints on the loopback interface, peers that behave and peers that do not.

mod common;
mod liar;
mod links;
mod relay;
mod ssh;
