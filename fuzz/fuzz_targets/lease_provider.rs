#![no_main]

zennet_fuzz::target!(zennet_fuzz::lease::provider::run, zennet_fuzz::lease::provider::seeds);
