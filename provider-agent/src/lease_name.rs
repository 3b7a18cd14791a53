//! Which lease: several machines of one order may be here.

use zennet_primitives::{announcement::AnnouncementId, hash_of, AccountId, Hash};

/// Leases of one announcement at most, whatever is configured.
pub(crate) const MOST_PER_ORDER: u32 = 256;

/// A lease among all of this provider. The store, the machine's name and the status go by the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LeaseName {
    /// The first lease of an announcement has the announcement's own.
    pub(crate) key: Hash,
    pub(crate) announcement: AnnouncementId,
}

impl LeaseName {
    /// The lease number `slot` of an announcement, from zero.
    pub(crate) fn new(announcement: AnnouncementId, slot: u32) -> Self {
        let key = match slot {
            0 => announcement,
            slot => hash_of(&("zennet/lease/v1", announcement, slot)),
        };
        LeaseName { key, announcement }
    }

    /// How containers and folders are named, by the provider and the lease alone.
    pub(crate) fn short(&self, provider: &AccountId) -> String {
        let account: &[u8] = provider.as_ref();
        format!("{}-{}", hex::encode(&self.key.0[..6]), hex::encode(&account[..4]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_first_lease_of_an_announcement_is_named_as_before_there_were_several() {
        let announcement = Hash::repeat_byte(7);
        assert_eq!(LeaseName::new(announcement, 0).key, announcement);
    }

    #[test]
    fn no_two_leases_have_the_same_key() {
        let announcements = [Hash::repeat_byte(1), Hash::repeat_byte(2)];
        let names = announcements
            .iter()
            .flat_map(|id| (0..MOST_PER_ORDER).map(|slot| LeaseName::new(*id, slot).key));
        let short: BTreeSet<_> = names.map(|key| key.0[..6].to_vec()).collect();
        assert_eq!(short.len(), 2 * MOST_PER_ORDER as usize);
    }
}
