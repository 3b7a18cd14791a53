#![no_main]

zennet_fuzz::target!(zennet_fuzz::readings::run, zennet_fuzz::readings::seeds);
