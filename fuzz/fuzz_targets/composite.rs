#![no_main]

zennet_fuzz::target!(zennet_fuzz::composite::run, zennet_fuzz::composite::seeds);
