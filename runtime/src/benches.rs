//! What can be measured on this runtime: the pallets of this project. FRAME's bring the weights of
//! their authors.

frame_benchmarking::define_benchmarks!(
    [pallet_announcements, Announcements]
    [pallet_channels, Channels]
    [pallet_deposits, Deposits]
    [pallet_dpos, Dpos]
    [pallet_equivocation, Equivocation]
    [pallet_mined_identity, MinedIdentity]
);
