#![no_main]

zennet_fuzz::target!(zennet_fuzz::amount::run, zennet_fuzz::amount::seeds);
