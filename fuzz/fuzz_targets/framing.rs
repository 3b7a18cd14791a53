#![no_main]

zennet_fuzz::target!(zennet_fuzz::framing::run, zennet_fuzz::framing::seeds);
