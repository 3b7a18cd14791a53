//! A reading as a line of JSON: what a machine's guest prints and its publisher reads.

use std::{fmt::Write, time::Duration};

use zennet_primitives::usage::Usage;

/// The line of a reading at some time since boot, its end included. A counter that is absent has no
/// field.
pub fn line(at: Duration, usage: &Usage) -> String {
    let mut line = format!("{{\"at_ms\":{},\"usage\":{{", at.as_millis());
    for (place, (counter, value)) in usage.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        // Names are plain words and writing to a string does not fail.
        let _ = write!(line, "{comma}\"{}\":{value}", counter.name());
    }
    line.push_str("}}\n");
    line
}
