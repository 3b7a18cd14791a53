#![no_main]

zennet_fuzz::target!(zennet_fuzz::endpoint::run, zennet_fuzz::endpoint::seeds);
