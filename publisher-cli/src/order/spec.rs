//! What is ordered, and the announcement that says so.

use std::time::Duration;

use anyhow::{bail, Context, Result};
use rand::{rngs::OsRng, RngCore};
use zennet_chain_client::Constants;
use zennet_lease::{PublisherLimits, PublisherPolicy};
use zennet_primitives::{
    amount::{Balance, Rates},
    announcement::{Announcement, ImageRef, LeaseRange, Needs},
    contract::{Volume, Wall},
    pow::Difficulty,
};
use zennet_transport::{parse_endpoint, Endpoint};

use super::sought::Sought;
use crate::{
    choice::profile::Yardstick,
    config::Config,
    lease::chain::{lifetime_blocks, longest_secs},
};

/// Blocks that the announcement stands longer than the order may take.
const ANNOUNCEMENT_SPARE: u64 = 10;

/// How long a quote stands open for acceptance, seconds.
const PROPOSAL_SECS: u16 = 60;

/// What is ordered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Spec {
    /// How many machines.
    pub(crate) machines: u32,
    /// What each must have.
    pub(crate) needs: Needs,
    /// Images that will do.
    pub(crate) images: Vec<String>,
    /// Lease times.
    pub(crate) lease: LeaseRange,
    /// Interval between payments, milliseconds.
    pub(crate) tick_ms: u32,
    /// Whether each tick is paid before it begins.
    pub(crate) prepaid: bool,
    /// Highest rates.
    pub(crate) max_rates: Option<Rates>,
    /// Most that one lease may lock in all.
    pub(crate) max_price: Option<Balance>,
    /// Time of full use that a deposit covers, seconds; without it the lease time.
    pub(crate) deposit_secs: Option<u32>,
    /// Time that a provider has to answer a request to close, seconds.
    pub(crate) challenge_secs: u32,
    /// Longest lease time in all that is asked for by itself, seconds.
    pub(crate) extend_to_secs: u32,
    /// Whether a deposit that runs low is topped up.
    pub(crate) top_up: bool,
    /// Work asked of each acceptance.
    pub(crate) asks: Difficulty,
    /// Work done on the announcement; the chain may ask for more.
    pub(crate) stamp: Difficulty,
    /// Where to read more.
    pub(crate) info_url: String,
    /// Time in which all machines must be ready.
    pub(crate) timeout: Duration,
    /// How long a provider whose connection is lost is waited for.
    pub(crate) patience: Duration,
    /// Leases that a provider's fault may have ended lately.
    pub(crate) max_faults: u32,
    /// Volume of each machine; its size is among the needs.
    pub(crate) volume: Option<Volume>,
    /// Whether the machines' own files are unchangeable.
    pub(crate) read_only: bool,
    /// Walls between machine and host that will do; with none, any.
    pub(crate) walls: Vec<Wall>,
    /// Shortest notice of a provider that goes out of service, seconds.
    pub(crate) min_notice_secs: u32,
    /// Whether rates must come from a benchmark report.
    pub(crate) benchmarked: bool,
    /// What quotes are compared by.
    pub(crate) yardstick: Yardstick,
    /// Time in which quotes are gathered before the cheapest are taken, milliseconds.
    pub(crate) choose_within_ms: u32,
}

impl Spec {
    /// The announcement with the endpoint where providers dial.
    pub(crate) fn announcement(&self, endpoint: &str) -> Result<Announcement> {
        let images = self.image_refs()?;
        let interval = i32::try_from(self.tick_ms).context("the tick is too long")?;
        let Ok(info_url) = self.info_url.clone().into_bytes().try_into() else {
            bail!("--info-url has {} bytes, 96 are allowed", self.info_url.len());
        };
        let Ok(endpoint) = endpoint.as_bytes().to_vec().try_into() else {
            bail!("the endpoint {endpoint} is too long to be announced");
        };
        let Ok(images) = images.try_into() else {
            bail!("{} images are named, 4 are allowed", self.images.len());
        };
        let body = Announcement {
            task: OsRng.next_u64(),
            machines: self.machines,
            images,
            needs: self.needs,
            lease: self.lease,
            interval_ms: if self.prepaid { -interval } else { interval },
            max_rates: self.max_rates,
            proposal_secs: PROPOSAL_SECS,
            asks: self.asks,
            info_url,
            endpoint,
        };
        body.check().context(
            "the chain would refuse the announcement: name fewer or shorter images, a shorter \
             --info-url or fewer rates if it is too large",
        )?;
        Ok(body)
    }

    fn image_refs(&self) -> Result<Vec<ImageRef>> {
        let bounded = |image: &String| match ImageRef::try_from(image.clone().into_bytes()) {
            Ok(image) if !image.is_empty() => Ok(image),
            _ => bail!("image name {image:?} must have 1 to 96 bytes"),
        };
        self.images.iter().map(bounded).collect()
    }

    /// What is accepted of providers.
    pub(crate) fn policy(&self, constants: &Constants) -> Result<PublisherPolicy> {
        let challenge_blocks = challenge_blocks(self.challenge_secs, constants)?;
        lifetime_blocks(
            self.lease.max_secs,
            challenge_blocks,
            constants.block_ms,
            constants.channel_max_lifetime,
        )?;
        Ok(PublisherPolicy {
            max_rates: self.max_rates,
            max_per_hour: self.yardstick.limit(),
            max_price: self.max_price,
            deposit_secs: self.deposit_secs,
            extend_to_secs: self.extend_to_secs,
            top_up: self.top_up,
            volume: self.volume.clone(),
            read_only: self.read_only,
            walls: self.walls.clone(),
            min_notice_secs: self.min_notice_secs,
            report_required: self.benchmarked,
            max_left_secs: longest_secs(
                challenge_blocks,
                constants.block_ms,
                constants.channel_max_lifetime,
            ),
            lease_secs: self.lease.max_secs,
            images: self.image_refs()?,
            challenge_blocks,
            ..PublisherPolicy::default()
        })
    }

    /// How long is waited for providers.
    pub(crate) fn limits(&self) -> PublisherLimits {
        let patience = u32::try_from(self.patience.as_millis()).unwrap_or(u32::MAX);
        PublisherLimits { reconnect_ms: patience, ..PublisherLimits::default() }
    }

    /// What the store keeps of the order.
    pub(crate) fn sought(
        &self,
        body: Announcement,
        policy: PublisherPolicy,
        per_provider: Option<u32>,
    ) -> Sought {
        Sought {
            machines: self.machines,
            per_provider,
            body,
            policy,
            limits: self.limits(),
            max_faults: self.max_faults,
            yardstick: self.yardstick.clone(),
            choose_within_ms: self.choose_within_ms,
            timeout_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            stamp: self.stamp,
        }
    }
}

/// Blocks that an announcement stands: until the order must be complete, and a little more.
pub(crate) fn announcement_blocks(timeout: Duration, constants: &Constants) -> u32 {
    let ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let blocks = ms.div_ceil(constants.block_ms.max(1)).saturating_add(ANNOUNCEMENT_SPARE);
    u32::try_from(blocks).unwrap_or(u32::MAX).min(constants.announcement_max_lifetime)
}

/// The address to announce: that at the relay, the configured one, or the best of those listened on.
pub(crate) fn announced(config: &Config, endpoint: &Endpoint) -> Result<String> {
    if config.relay.is_some() {
        let relayed = endpoint.relayed_addresses().first().map(ToString::to_string);
        let relayed = relayed.context("the place at the relay was lost already: try again")?;
        return through_relay(relayed, config.allow_private_endpoint);
    }
    let peer = endpoint.local_peer().to_string();
    let listening: Vec<String> = endpoint.addresses().iter().map(ToString::to_string).collect();
    choose(config.announce.as_deref(), &peer, &listening, config.allow_private_endpoint)
}

fn through_relay(address: String, allow_private: bool) -> Result<String> {
    parse_endpoint(&address, allow_private).with_context(|| {
        format!(
            "`relay` in the configuration gives {address}, which providers would refuse; on a \
             chain of your own, allow_private_endpoint = true permits private addresses"
        )
    })?;
    Ok(address)
}

fn choose(
    configured: Option<&str>,
    peer: &str,
    listening: &[String],
    allow_private: bool,
) -> Result<String> {
    if let Some(configured) = configured {
        let port = listening.iter().find_map(|address| tcp_port(address));
        let mut address = configured.trim_end_matches('/').to_owned();
        if let (Some(front), Some(port)) = (address.strip_suffix("/tcp/0"), port) {
            address = format!("{front}/tcp/{port}");
        }
        if !address.contains("/p2p/") {
            address = format!("{address}/p2p/{peer}");
        }
        parse_endpoint(&address, allow_private).with_context(|| {
            format!(
                "`announce` in the configuration gives {address}, which providers would refuse; \
                 on a chain of your own, allow_private_endpoint = true permits private addresses"
            )
        })?;
        return Ok(address);
    }
    let public = listening.iter().find(|address| parse_endpoint(address, false).is_ok());
    let private = || {
        let mut rest: Vec<_> =
            listening.iter().filter(|address| parse_endpoint(address, true).is_ok()).collect();
        // Others on a network reach any address of it before loopback, and IPv4 more often.
        rest.sort_by_key(|a| (a.starts_with("/ip4/127.") || a.starts_with("/ip6/::1/"), *a));
        rest.first().copied().filter(|_| allow_private)
    };
    match public.or_else(private) {
        Some(address) => Ok(address.clone()),
        None => bail!(
            "none of the addresses listened on can be reached by strangers ({}): set `announce` in \
             the configuration to a public address, `relay` where no port can be forwarded, or \
             allow_private_endpoint = true on a chain of your own",
            listening.join(", ")
        ),
    }
}

/// The port of a TCP multiaddr, unless the system is to choose it.
pub(crate) fn tcp_port(address: &str) -> Option<u16> {
    let mut parts = address.split('/');
    parts.find(|part| *part == "tcp")?;
    parts.next()?.parse().ok().filter(|port| *port != 0)
}

/// The blocks of a challenge; the chain has bounds for them.
fn challenge_blocks(secs: u32, constants: &Constants) -> Result<u32> {
    let block_ms = constants.block_ms.max(1);
    let blocks = u64::from(secs).saturating_mul(1000).div_ceil(block_ms);
    let bounds = constants.min_challenge..=constants.max_challenge;
    match u32::try_from(blocks) {
        Ok(blocks) if bounds.contains(&blocks) => Ok(blocks),
        _ => {
            let secs_of = |blocks: u32| u64::from(blocks).saturating_mul(block_ms) / 1000;
            let (least, most) = (secs_of(*bounds.start()), secs_of(*bounds.end()));
            bail!("--challenge is {secs} s, the chain allows from {least} s to {most} s")
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const PEER: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
    const RELAY: &str = "12D3KooWRNJihXnhpSgMzTYGDoccoHWRnGKUDrV1SDVd9sn4yuMH";

    pub(crate) fn spec() -> Spec {
        Spec {
            machines: 3,
            needs: Needs { memory_mib: Some(512), ..Needs::default() },
            images: vec!["zennet-os".into()],
            lease: LeaseRange { min_secs: 60, max_secs: 3600 },
            tick_ms: 2000,
            prepaid: false,
            max_rates: None,
            max_price: None,
            deposit_secs: None,
            challenge_secs: 30,
            extend_to_secs: 0,
            top_up: true,
            asks: 1,
            stamp: 0,
            info_url: String::new(),
            timeout: Duration::from_secs(120),
            patience: Duration::from_secs(600),
            max_faults: 3,
            volume: None,
            read_only: false,
            walls: Vec::new(),
            min_notice_secs: 0,
            benchmarked: false,
            yardstick: Yardstick::default(),
            choose_within_ms: 0,
        }
    }

    pub(crate) fn constants() -> Constants {
        Constants {
            announcement_max_lifetime: 1000,
            channel_max_lifetime: 43_200,
            channel_record_deposit: 1,
            min_challenge: 5,
            max_challenge: 20,
            min_stamp: 1,
            existential_deposit: 1,
            block_ms: 2000,
            anchor_window: 100,
        }
    }

    fn endpoint() -> String {
        format!("/ip4/8.8.8.8/tcp/4001/p2p/{PEER}")
    }

    fn addresses(hosts: &[&str]) -> Vec<String> {
        hosts.iter().map(|host| format!("{host}/tcp/4001/p2p/{PEER}")).collect()
    }

    #[test]
    fn an_ordinary_order_fits_an_announcement_and_two_are_two_tasks() {
        let (a, b) = (spec().announcement(&endpoint()), spec().announcement(&endpoint()));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!((a.machines, a.interval_ms, a.tick_ms()), (3, 2000, 2000));
        assert_ne!(a.task, b.task);
        let prepaid = Spec { prepaid: true, ..spec() }.announcement(&endpoint()).unwrap();
        assert!(prepaid.is_prepaid());
    }

    #[test]
    fn an_announcement_above_512_bytes_says_what_to_shorten() {
        let large = Spec { images: vec!["i".repeat(96); 4], info_url: "u".repeat(96), ..spec() };
        let error = format!("{:#}", large.announcement(&endpoint()).unwrap_err());
        assert!(error.contains("512") && error.contains("--info-url"), "{error}");
        let many = Spec { images: vec!["i".into(); 5], ..spec() };
        assert!(many.announcement(&endpoint()).unwrap_err().to_string().contains("4 are allowed"));
        let long = Spec { images: vec!["i".repeat(97)], ..spec() };
        assert!(long.announcement(&endpoint()).is_err());
        let bad_tick = Spec { tick_ms: 100, ..spec() };
        assert!(format!("{:#}", bad_tick.announcement(&endpoint()).unwrap_err()).contains("500"));
    }

    #[test]
    fn the_policy_keeps_within_the_bounds_of_the_chain() {
        assert_eq!(spec().policy(&constants()).unwrap().challenge_blocks, 15);
        for (secs, blocks) in [(8, None), (9, Some(5)), (40, Some(20)), (41, None)] {
            let policy = Spec { challenge_secs: secs, ..spec() }.policy(&constants());
            assert_eq!(policy.as_ref().ok().map(|policy| policy.challenge_blocks), blocks);
            let error = policy.err().map(|error| error.to_string());
            assert!(error.is_none_or(|error| error.contains("from 10 s to 40 s")), "{secs}");
        }
        let long = Spec { lease: LeaseRange { min_secs: 1, max_secs: u32::MAX }, ..spec() };
        assert!(long.policy(&constants()).unwrap_err().to_string().contains("--for"));
        assert_eq!(announcement_blocks(spec().timeout, &constants()), 70);
        assert_eq!(announcement_blocks(Duration::from_secs(1 << 40), &constants()), 1000);
    }

    #[test]
    fn quotes_are_bargained_down_to_what_an_hour_of_the_profile_may_cost() {
        let yardstick = Yardstick { max_per_hour: Some(7), ..Yardstick::default() };
        let limited = Spec { yardstick: yardstick.clone(), ..spec() }.policy(&constants()).unwrap();
        assert_eq!(limited.max_per_hour.as_ref().map(|limit| limit.most), Some(7));
        assert_eq!(limited.max_per_hour, yardstick.limit());
        assert_eq!(spec().policy(&constants()).unwrap().max_per_hour, None);
    }

    #[test]
    fn a_public_address_goes_before_private_ones_and_those_before_loopback() {
        let all = addresses(&["/ip4/127.0.0.1", "/ip4/10.0.0.5", "/ip4/8.8.8.8"]);
        assert_eq!(choose(None, PEER, &all, false).unwrap(), all[2]);
        assert_eq!(choose(None, PEER, &all[..2], true).unwrap(), all[1]);
        assert_eq!(choose(None, PEER, &all[..1], true).unwrap(), all[0]);
    }

    #[test]
    fn a_chain_of_strangers_gets_no_private_address() {
        let all = addresses(&["/ip4/127.0.0.1", "/ip4/10.0.0.5"]);
        let error = choose(None, PEER, &all, false).unwrap_err().to_string();
        assert!(error.contains("announce") && error.contains("10.0.0.5"), "{error}");
        let told = choose(Some("/ip4/10.0.0.5/tcp/1"), PEER, &all, false).unwrap_err();
        assert!(told.to_string().contains("allow_private_endpoint"), "{told}");
    }

    #[test]
    fn a_private_relay_is_announced_on_chains_of_ones_own_alone() {
        let at = |host: &str| format!("{host}/tcp/1/p2p/{RELAY}/p2p-circuit/p2p/{PEER}");
        assert_eq!(through_relay(at("/ip4/8.8.8.8"), false).unwrap(), at("/ip4/8.8.8.8"));
        assert!(through_relay(at("/ip4/10.0.0.5"), true).is_ok());
        let told = through_relay(at("/ip4/10.0.0.5"), false).unwrap_err();
        assert!(told.to_string().contains("allow_private_endpoint"), "{told}");
    }

    #[test]
    fn a_configured_address_gets_the_peer_id_and_the_port_taken() {
        let all = addresses(&["/ip4/127.0.0.1"]);
        let told = choose(Some("/dns4/a.example.org/tcp/0"), PEER, &all, false).unwrap();
        assert_eq!(told, format!("/dns4/a.example.org/tcp/4001/p2p/{PEER}"));
        let told = choose(Some("/ip4/8.8.8.8/tcp/9/"), PEER, &all, false).unwrap();
        assert_eq!(told, format!("/ip4/8.8.8.8/tcp/9/p2p/{PEER}"));
    }
}
