#![no_main]

zennet_fuzz::target!(zennet_fuzz::signed::run, zennet_fuzz::signed::seeds);
