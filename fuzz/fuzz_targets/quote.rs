#![no_main]

zennet_fuzz::target!(zennet_fuzz::quote::run, zennet_fuzz::quote::seeds);
