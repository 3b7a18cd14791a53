#![no_main]

zennet_fuzz::target!(zennet_fuzz::lease::publisher::run, zennet_fuzz::lease::publisher::seeds);
