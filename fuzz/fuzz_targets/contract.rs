#![no_main]

zennet_fuzz::target!(zennet_fuzz::contract::run, zennet_fuzz::contract::seeds);
