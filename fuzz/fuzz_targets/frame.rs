#![no_main]

zennet_fuzz::target!(zennet_fuzz::frame::run, zennet_fuzz::frame::seeds);
