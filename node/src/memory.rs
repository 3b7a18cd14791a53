//! How much memory the node's process has, as a figure for Prometheus.

use std::fs;

use substrate_prometheus_endpoint::{
    register, MetricSource, Opts, PrometheusError, Registry, SourcedGauge,
};

/// Reads the figure each time that it is asked for.
#[derive(Clone)]
struct Resident;

impl MetricSource for Resident {
    type N = u64;

    fn collect(&self, mut set: impl FnMut(&[&str], u64)) {
        // Where the system does not say, the figure is absent, never zero.
        if let Some(bytes) =
            fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident)
        {
            set(&[], bytes);
        }
    }
}

/// Adds the figure to those that the node shows.
pub(crate) fn show(registry: &Registry) -> Result<(), PrometheusError> {
    let opts = Opts::new("process_resident_memory_bytes", "Resident memory of the process, bytes");
    register(SourcedGauge::new(&opts, Resident)?, registry).map(drop)
}

/// Bytes of resident memory by the text of a process's `status` in procfs, which has kibibytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_memory_is_read_in_bytes_and_absent_where_the_system_does_not_say() {
        let status = "Name:\tzennet-node\nVmHWM:\t  900 kB\nVmRSS:\t   12345 kB\nThreads:\t9\n";
        assert_eq!(resident(status), Some(12345 * 1024));
        for bad in
            ["", "VmRSS:\t12345 pages\n", "VmRSS:\t-1 kB\n", "VmRSS:\t18446744073709551615 kB"]
        {
            assert_eq!(resident(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_registry_shows_the_memory_of_this_process() {
        let registry = Registry::new();
        show(&registry).unwrap();
        let shown = registry.gather();
        assert_eq!(shown[0].get_name(), "process_resident_memory_bytes");
        let bytes = shown[0].get_metric()[0].get_gauge().get_value();
        assert!(bytes > 4096.0, "{bytes}");
    }
}
