//! Prints the usage of a process's container, or of this one's own, once a second as CSV.
//!
//! `meter [seconds] [pid]`

use std::{error::Error, thread::sleep, time::Duration};

use zennet_metering::{boottime, CgroupPaths, Counter, Meter};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let seconds: u64 = args.next().map_or(Ok(10), |text| text.parse())?;
    let (paths, pid) = match args.next() {
        Some(pid) => {
            let pid = pid.parse()?;
            (CgroupPaths::of_process(pid)?, pid)
        }
        None => (CgroupPaths::own()?, std::process::id()),
    };
    let mut meter = Meter::open(&paths, pid)?;
    let names: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
    println!("boottime,{},oom_kills", names.join(","));
    for second in 0..=seconds {
        let now = boottime();
        let usage = meter.read(now)?;
        let figure = |value: Option<u64>| value.map_or(String::from("-"), |v| v.to_string());
        let figures: Vec<_> = Counter::ALL.iter().map(|c| figure(usage.get(*c))).collect();
        println!("{:.3},{},{}", now.as_secs_f64(), figures.join(","), figure(meter.oom_kills()?));
        if second < seconds {
            sleep(Duration::from_secs(1));
        }
    }
    Ok(())
}
